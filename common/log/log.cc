#include "common/log/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace parley {
namespace {

constexpr size_t kQueuedLines = 8192;

struct Logger {
  std::string service;
  bool json = true;
  std::shared_ptr<spdlog::logger> lines;
};

Logger& TheLogger() {
  static Logger logger;
  return logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string_view NameOf(LogLevel level) {
  const auto name = spdlog::level::to_string_view(ToSpdlog(level));
  return {name.data(), name.size()};
}

std::string JsonLine(const Logger& logger, LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime(absl::RFC3339_full, absl::Now(), absl::UTCTimeZone());
  line["level"] = NameOf(level);
  line["service"] = logger.service;
  line["message"] = message;
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.name)] = value; }, field.value);
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string TextLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = absl::FormatTime("%H:%M:%E3S ", absl::Now(), absl::LocalTimeZone());
  line.append(NameOf(level)).append(" ").append(message);
  for (const LogField& field : fields) {
    line.append(" ").append(field.name).append("=");
    if (const auto* text = std::get_if<std::string_view>(&field.value)) line.append(*text);
    if (const auto* number = std::get_if<int64_t>(&field.value)) absl::StrAppend(&line, *number);
    if (const auto* number = std::get_if<double>(&field.value)) absl::StrAppend(&line, *number);
  }
  return line;
}

}  // namespace

void StartLog(std::string_view service, std::string_view format, std::string_view level) {
  Logger& logger = TheLogger();
  logger.service = service;
  logger.json = format == "json" || (format == "auto" && isatty(STDOUT_FILENO) == 0);
  spdlog::init_thread_pool(kQueuedLines, 1);
  logger.lines =
      std::make_shared<spdlog::async_logger>("parley", std::make_shared<spdlog::sinks::stdout_sink_mt>(),
                                             spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger.lines->set_pattern("%v");
  logger.lines->set_level(spdlog::level::from_str(std::string(level)));
  logger.lines->flush_on(spdlog::level::warn);
  spdlog::register_logger(logger.lines);
  spdlog::flush_every(std::chrono::seconds(1));
}

void StopLog() {
  TheLogger().lines.reset();
  spdlog::shutdown();
}

bool LogEnabled(LogLevel level) {
  const auto& lines = TheLogger().lines;
  return lines != nullptr && lines->should_log(ToSpdlog(level));
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const Logger& logger = TheLogger();
  const std::string line = logger.json ? JsonLine(logger, level, message, fields) : TextLine(level, message, fields);
  logger.lines->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace parley
