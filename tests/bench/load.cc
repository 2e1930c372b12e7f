// The load of the benchmarks: calls the gateway as one member, and prints one JSON object: how many calls count, how
// many that is a second, how long they took; how many were answered in all, and the CPU time of this program for each.
// Any error, and any answer that is not what was asked for, fails the run; the first one is told.
//
//   parley-bench-load prepare   creates events, and writes their names and etags into a file
//   parley-bench-load create    CreateEvent: the caller, two other users, three slots
//   parley-bench-load get       GetEvent of events that `prepare` made; so the following three
//   parley-bench-load update    UpdateEvent with three new slots; writes the new etags into the file
//   parley-bench-load confirm   ConfirmEvent
//   parley-bench-load list      ListLogEntries, pages of 50
//   parley-bench-load echo      Echo of the test-only service in echo.proto
//   parley-bench-load lag       how long it takes until a checkpoint has the entry of a new event, beside `create`
//   parley-bench-load watch     how long it takes until thousands of watchers are told of a change
#include <sys/prctl.h>

#include <csignal>
#include <iostream>
#include <random>
#include <span>

#include "common/config/config.h"
#include "common/status/status.h"
#include "tests/bench/load_events.h"
#include "tests/bench/load_kinds.h"
#include "tests/bench/load_lag.h"
#include "tests/bench/load_run.h"
#include "tests/bench/watch.h"

namespace parley::bench {
namespace {

struct Settings {
  Target target;
  Pace pace;
  std::string names_file;
  int users = 1000;
  int made = 10000;
  int events = 0;
  int entries = 0;
  int watchers = 5000;
};

absl::StatusOr<std::string> AskWhoIAm(const Settings& settings) {
  std::string address;
  const auto kind = MakeWhoAmI(address);
  PARLEY_RETURN_IF_ERROR(Run(settings.target, {.in_flight = 1, .count = 1}, *kind).Go());
  return address;
}

absl::Status RunPrepare(const Settings& settings) {
  PARLEY_ASSIGN_OR_RETURN(const std::string caller, AskWhoIAm(settings));
  std::vector<KnownEvent> made;
  const auto kind = MakeCreate(caller, settings.users, &made);
  PARLEY_RETURN_IF_ERROR(
      Run(settings.target, {.in_flight = settings.pace.in_flight, .count = settings.made}, *kind).Go());
  return WriteEvents(settings.names_file, made);
}

// At most `count` random ones of the events, which change places with the first ones; all where it is 0.
std::span<KnownEvent> Choose(std::vector<KnownEvent>& events, int count) {
  if (count == 0 || static_cast<size_t>(count) >= events.size()) return events;
  std::mt19937_64 random{std::random_device()()};
  for (int i = 0; i < count; ++i) std::swap(events[i], events[i + random() % (events.size() - i)]);
  return std::span(events).first(count);
}

absl::StatusOr<std::unique_ptr<Kind>> MakeKind(const std::string& what, const Settings& settings,
                                               std::vector<KnownEvent>& events) {
  if (what == "create") {
    PARLEY_ASSIGN_OR_RETURN(const std::string caller, AskWhoIAm(settings));
    return MakeCreate(caller, settings.users, nullptr);
  }
  if (what == "echo") return MakeEcho();
  PARLEY_ASSIGN_OR_RETURN(events, ReadEvents(settings.names_file));
  const std::span<KnownEvent> chosen = Choose(events, settings.events);
  if (what == "get") return MakeGet(chosen);
  if (what == "update") return MakeUpdate(chosen);
  if (what == "confirm") return MakeConfirm(chosen);
  return MakeList(chosen, settings.entries);
}

absl::Status RunLoad(const std::string& what, const Settings& settings) {
  if (what == "prepare") return RunPrepare(settings);
  std::vector<KnownEvent> events;
  PARLEY_ASSIGN_OR_RETURN(const auto kind, MakeKind(what, settings, events));
  Run run(settings.target, settings.pace, *kind);
  absl::Status status = run.Go();
  // Also after an error, so that the runs that follow know the etags.
  if (what == "update") status.Update(WriteEvents(settings.names_file, events));
  if (status.ok()) std::cout << run.Report() << "\n";
  return status;
}

int RunWhat(const std::string& what, const Settings& settings) {
  const Target& target = settings.target;
  const double seconds = settings.pace.seconds;
  if (what == "lag") return RunLag({target.address, target.key, seconds});
  if (what == "watch") {
    return RunWatch({target.address, target.key, settings.watchers, target.connections, seconds});
  }
  const absl::Status status = RunLoad(what, settings);
  if (!status.ok()) std::cerr << "parley-bench-load: " << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  // Debian builds Abseil with its search for deadlocks, which each lock of gRPC would pay for.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::signal(SIGPIPE, SIG_IGN);
  // Calls are made when they are due, not up to 50 us later.
  prctl(PR_SET_TIMERSLACK, 1000);
  parley::bench::Settings settings;
  parley::Config config("parley-bench-load", "Load for a Parley that is measured.");
  config.Add("gateway", settings.target.address, "Where the gateway is: host:port or unix:/path.");
  config.Required();
  config.AddSecret("api-key", settings.target.key, "The member's key by which to call.");
  config.Add("in-flight", settings.pace.in_flight, "Calls that are under way at any time, where there is no rate.", 1,
             100000);
  config.Add("channels", settings.target.connections, "Connections over which they go.", 1, 1000);
  config.Add("users", settings.users, "From how many users the other parties are chosen.", 2, 10000000);
  const auto add_names = [&] {
    config.Add("names-file", settings.names_file, "The names and etags of the events, a line each.");
    config.Required();
  };
  const auto add_events = [&] {
    add_names();
    config.Add("events", settings.events, "At most so many random ones of them; 0: all.", 0, 100000000);
  };
  const auto add_times = [&] {
    config.Add("seconds", settings.pace.seconds, "For how long calls count.", 0.1, 86400);
    config.Add("warm-up", settings.pace.warm_up, "For how many seconds before that they do not.", 0, 3600);
    config.Add("rate", settings.pace.rate,
               "How many calls begin in a second, however many are under way; their time runs from when they were to "
               "begin. 0: as many are under way at any time as --in-flight says.",
               0, 1000000);
  };
  config.Subcommand("prepare", "Creates events, and writes their names and etags into a file.");
  config.Add("events", settings.made, "How many.", 1, 100000000);
  add_names();
  config.Subcommand("create", "Creates events, with three parties and three slots.");
  add_times();
  config.Subcommand("get", "Reads random ones of the events that are named in a file.");
  add_times();
  add_events();
  config.Subcommand("update", "Sets new slots of such events, and writes the new etags into the file.");
  add_times();
  add_events();
  config.Subcommand("confirm", "Confirms such events.");
  add_times();
  add_events();
  config.Subcommand("list", "Lists the first 50 entries of the logs of such events.");
  add_times();
  add_events();
  config.Add("entries", settings.entries, "How many entries each log has, at least 1; 0: is not known.", 0, 1000000000);
  config.Subcommand("echo", "Calls the echo service of the benchmarks.");
  add_times();
  config.Subcommand("lag", "Creates one event after the other, and waits until a checkpoint has it.");
  config.Add("seconds", settings.pace.seconds, "For how long.", 0.1, 86400);
  config.Subcommand("watch", "Opens watchers, and changes what they watch.");
  config.Add("watchers", settings.watchers, "How many.", 2, 1000000);
  config.Add("seconds", settings.pace.seconds, "For how long.", 0.1, 86400);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  return parley::bench::RunWhat(config.subcommand(), settings);
}
