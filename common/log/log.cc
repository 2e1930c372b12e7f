#include "common/log/log.h"

#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace parley {
namespace {

constexpr absl::Duration kWriteInterval = absl::Milliseconds(100);
constexpr size_t kMaxWaitingBytes = size_t{8} << 20;

// Gathers lines, which a thread of its own writes ten times a second: waking that thread for each line would cost more
// than the line. (spdlog's asynchronous logger does.)
class Output final : public spdlog::sinks::sink {
 public:
  Output() : writer_([this] { WriteAll(); }) {}
  ~Output() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    writer_.join();
  }

  void log(const spdlog::details::log_msg& message) override {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() > kMaxWaitingBytes) {
      ++dropped_;
      return;
    }
    waiting_.append(message.payload.data(), message.payload.size());
    waiting_.push_back('\n');
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  void WriteAll() {
    std::string lines;
    for (bool stopping = false; !stopping;) {
      int64_t dropped = 0;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kWriteInterval);
        stopping = stopping_;
        lines.clear();
        lines.swap(waiting_);
        std::swap(dropped, dropped_);
      }
      Write(lines);
      if (dropped > 0 && !stopping) Log(LogLevel::kWarning, "lines were dropped", {{"count", dropped}});
    }
  }

  static void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;  // nobody reads what we say any more
      text.remove_prefix(static_cast<size_t>(written));
    }
  }

  absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread writer_;
};

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

// A text as JSON. nlohmann's escapes what has to be, and replaces what is not UTF-8; nearly all of our texts need
// neither.
void AppendJson(std::string& line, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (plain) {
    line.append("\"").append(text).append("\"");
  } else {
    line.append(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

std::string JsonLine(const Logger& logger, LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields) {
  std::string line = absl::FormatTime("{\"time\":\"%Y-%m-%dT%H:%M:%E6SZ\"", absl::Now(), absl::UTCTimeZone());
  auto add = [&line](std::string_view name) { line.append(",\"").append(name).append("\":"); };
  auto add_text = [&](std::string_view name, std::string_view text) {
    add(name);
    AppendJson(line, text);
  };
  add_text("level", NameOf(level));
  add_text("service", logger.service);
  add_text("message", message);
  for (const LogField& field : fields) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      add_text(field.name, *text);
    } else {
      add(field.name);
      if (const auto* number = std::get_if<int64_t>(&field.value)) absl::StrAppend(&line, *number);
      if (const auto* number = std::get_if<double>(&field.value)) absl::StrAppend(&line, *number);
    }
  }
  return line.append("}");
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
  logger.lines = std::make_shared<spdlog::logger>("parley", std::make_shared<Output>());
  logger.lines->set_level(spdlog::level::from_str(std::string(level)));
}

void StopLog() { TheLogger().lines.reset(); }

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
