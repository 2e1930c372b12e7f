#include "tests/support/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace parley::test {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(10);

}  // namespace

void Die(const std::string& message) {
  std::cerr << message << std::endl;
  std::exit(1);
}

bool Eventually(const std::function<bool()>& holds, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (!holds()) {
    if (absl::Now() >= end) return false;
    absl::SleepFor(kPause);
  }
  return true;
}

std::string Given(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) Die(absl::StrCat(variable, " is not set: run the tests with tests/run"));
  return value;
}

std::string Content(const std::filesystem::path& file) {
  std::stringstream content;
  content << std::ifstream(file).rdbuf();
  return content.str();
}

TemporaryFolder::TemporaryFolder() {
  std::string path = "/tmp/parley-test-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) Die("cannot make a folder in /tmp");
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const std::vector<std::string>& command, const Environment& environment,
                 const std::string& output_file, const std::string& error_file) {
  // It is killed with the thread that starts it, if nobody did before.
  std::vector<std::string> words{"setpriv", "--pdeathsig=KILL", "--"};
  words.insert(words.end(), command.begin(), command.end());
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (!text.starts_with("PARLEY_") && !text.starts_with("GRPC_")) variables.emplace_back(text);
  }
  for (const auto& [name, value] : environment) variables.push_back(absl::StrCat(name, "=", value));

  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  };
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  const int flags = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output_file.c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, error_file.c_str(), flags, 0600);
  const int error = posix_spawnp(&pid_, "setpriv", &files, nullptr, pointers(words).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) Die("cannot start " + command.front());
}

Process::~Process() {
  Signal(SIGKILL);
  Wait();
}

bool Process::Running() {
  int status = 0;
  if (!exit_code_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return !exit_code_;
}

void Process::Signal(int signal) {
  if (Running()) kill(pid_, signal);
}

int Process::Wait() {
  Eventually([this] { return !Running(); });
  return exit_code_.value_or(-1);
}

Output Run(const std::vector<std::string>& command, const Environment& environment) {
  const TemporaryFolder folder;
  const std::string out = folder.path() + "/out";
  const std::string err = folder.path() + "/err";
  Process process(command, environment, out, err);
  const int exit_code = process.Wait();
  return {exit_code, Content(out), Content(err)};
}

}  // namespace parley::test
