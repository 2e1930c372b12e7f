// Programs that tests start, and what they need beside: folders, and patience.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace parley::test {

// As long as anything may take.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Asks again and again whether it holds. False where it does not within that time.
bool Eventually(const std::function<bool()>& holds, absl::Duration patience = kPatience);

// Ends the test program.
[[noreturn]] void Die(const std::string& message);

// A variable that tests/run sets; ends the test program where it did not.
std::string Given(const char* variable);

// All of the file; empty where there is none.
std::string Content(const std::filesystem::path& file);

// A short one (a Unix socket's path has at most 107 bytes), removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Of our own environment a process gets all but what begins with PARLEY_ or GRPC_, and these.
using Environment = std::map<std::string, std::string>;

// A program that was started; killed at the end.
class Process {
 public:
  // What it writes is appended to the two files.
  Process(const std::vector<std::string>& command, const Environment& environment, const std::string& output_file,
          const std::string& error_file);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal);
  // Its exit code, 128 + the number of the signal that killed it; -1 where it does not end.
  int Wait();

 private:
  pid_t pid_ = 0;
  std::optional<int> exit_code_;
};

struct Output {
  int exit_code;
  std::string out;
  std::string err;
};
Output Run(const std::vector<std::string>& command, const Environment& environment = {});

}  // namespace parley::test
