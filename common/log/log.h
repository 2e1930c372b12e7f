// The log of a process: one JSON object a line on standard output, or text for people. Lines are written by a thread
// of their own within a tenth of a second, so that no caller waits; where it cannot keep up, lines are dropped and the
// log says how many. Thread-safe.
//
// Never log a key, nor a whole address: users are named by their id.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace parley {

struct LogField {
  std::string_view name;
  std::variant<std::string_view, int64_t, double> value;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// `format` is `json`, `text` or `auto` (text on a terminal, else JSON). `level` is `debug`, `info`, `warning` or
// `error`. Call once, before any thread logs; before it nothing is written.
void StartLog(std::string_view service, std::string_view format, std::string_view level);
// Writes what is still queued.
void StopLog();

bool LogEnabled(LogLevel level);

// Log(LogLevel::kInfo, "served", {{"method", method}, {"code", "OK"}, {"duration_us", 210}});
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace parley
