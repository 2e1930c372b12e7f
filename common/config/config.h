// Settings of a program: each is a flag and an environment variable (`--queue-capacity`, `PARLEY_QUEUE_CAPACITY`; the
// flag wins), `--help` explains them, and a bad one is a clear error at start. Secrets never stand on a command line:
// they come from the environment or from a file.
//
//   int workers = 4;
//   Config config("parley-event", "Events and their log.");
//   config.Add("workers", workers, "Threads that run calls.", 1, 64);
//   std::string url;
//   config.AddSecret("database-url", url, "The database, as libpq takes it.");
//   if (auto exit_code = config.Parse(argc, argv)) return *exit_code;
//
// Not thread-safe. The variables must outlive Parse.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace CLI {
class App;
}

namespace parley {

class Config {
 public:
  Config(const std::string& program, const std::string& purpose);
  ~Config();

  // The value that a variable has when it is added is the setting's default. Numbers are within [min, max].
  void Add(const std::string& name, std::string& value, const std::string& help);
  void Add(const std::string& name, int& value, const std::string& help, int min, int max);
  void Add(const std::string& name, double& value, const std::string& help, double min, double max);
  void Add(const std::string& name, bool& value, const std::string& help);
  // One of `choices`.
  void Add(const std::string& name, std::string& value, const std::string& help,
           const std::vector<std::string>& choices);
  // As Abseil spells durations: `500ms`, `1m30s`. Positive.
  void Add(const std::string& name, absl::Duration& value, const std::string& help);
  // From the environment (`PARLEY_NAME`) or from the file that `--name-file` (`PARLEY_NAME_FILE`) names, without its
  // last line break. Missing is an error, where `required`.
  void AddSecret(const std::string& name, std::string& value, const std::string& help, bool required = true);
  // Marks what was added last: missing is an error.
  void Required();
  // An environment variable that was published under a name of its own.
  void EnvironmentName(const std::string& variable);
  // Begins a subcommand, of one word or of two (`log replay`): what is added from here on is its own, and is missed
  // only where it is the one given. A program that has subcommands wants one of them.
  void Subcommand(const std::string& name, const std::string& purpose);
  // What follows without a flag. Missing is an error, where `required`.
  void AddArgument(const std::string& name, std::string& value, const std::string& help, bool required = true);

  // Nothing where all is well. Else the program's exit code, after `--help` (0) or a message on standard error (2).
  std::optional<int> Parse(int argc, char** argv);

  // The subcommand that was given, as it was named to Subcommand.
  std::string subcommand() const;

 private:
  struct Secret;
  std::unique_ptr<CLI::App> app_;
  CLI::App* adding_to_;  // the program, or the subcommand begun last
  std::map<std::string, CLI::App*> groups_;
  std::vector<std::unique_ptr<Secret>> secrets_;
};

}  // namespace parley
