// The load of the benchmarks: calls the gateway as one member, with a fixed number of calls under way at any time, and
// prints one JSON object: how many calls were answered within the time that counts, how many that is a second, how long
// they took; how many were answered in all, and the CPU time of this program for each. Any error, and any answer that
// is not what was asked for, fails the run; the first one is told.
//
//   parley-bench-load prepare   creates events, and writes their names into a file
//   parley-bench-load create    CreateEvent: the caller, two other users, three slots
//   parley-bench-load get       GetEvent of events that `prepare` made
//   parley-bench-load lag       how long it takes until a checkpoint has the entry of a new event, beside `create`
//   parley-bench-load watch     how long it takes until thousands of watchers are told of a change
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <limits>
#include <random>

#include "common/config/config.h"
#include "common/rpc/channel.h"
#include "parley/event/v1/event_service.grpc.pb.h"
#include "parley/event/v1/log_service.grpc.pb.h"
#include "parley/token/v1/token_service.grpc.pb.h"
#include "tests/bench/watch.h"

namespace parley::bench {
namespace {

using Clock = std::chrono::steady_clock;
using event::v1::EventService;

struct Settings {
  std::string gateway;
  std::string key;
  std::string names_file;
  int in_flight = 64;
  int channels = 4;
  int users = 1000;
  int events = 10000;
  int watchers = 5000;
  double seconds = 5;
  double warm_up = 1;
};

void Prepare(grpc::ClientContext& context, const Settings& settings) {
  context.AddMetadata("authorization", absl::StrCat("Bearer ", settings.key));
  // A call that hangs is an error.
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

std::string AddressOf(int64_t user) { return absl::StrCat("user-", user, "@example.com"); }

// One of the calls under way: as one ends the next one starts, so that all but the counters is one thread's at a time.
struct Lane {
  std::unique_ptr<EventService::Stub> stub;
  std::minstd_rand random;
  std::unique_ptr<grpc::ClientContext> context;
  event::v1::CreateEventRequest create;
  event::v1::GetEventRequest get;
  event::v1::Event answer;
  Clock::time_point begun;
  std::vector<double> milliseconds;  // of each call that counts
  std::vector<std::string> made;     // names, where they are wanted
};

class Load {
 public:
  // `names`: of the events to read; where there are none events are created.
  Load(const Settings& settings, std::string caller, std::vector<std::string> names)
      : settings_(settings), caller_(std::move(caller)), names_(std::move(names)) {
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (int i = 0; i < settings.channels; ++i) channels.push_back(rpc::MakeChannel(settings.gateway));
    for (int i = 0; i < settings.in_flight; ++i) {
      Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>());
      lane.stub = EventService::NewStub(channels[i % channels.size()]);
      lane.random.seed(std::random_device()());
    }
  }

  // Calls for as long as the settings say. False where a call failed.
  bool RunForTime() {
    const auto span = [](double seconds) {
      return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    };
    count_from_ = Clock::now() + span(settings_.warm_up);
    end_ = count_from_ + span(settings_.seconds);
    return Run();
  }

  // Makes that many calls, and keeps the names of the events.
  bool RunForCount(int64_t count) {
    limit_ = count;
    return Run();
  }

  std::vector<std::string> made() const {
    std::vector<std::string> all;
    for (const auto& lane : lanes_) all.insert(all.end(), lane->made.begin(), lane->made.end());
    return all;
  }

  void Report() const {
    std::vector<double> all;
    for (const auto& lane : lanes_) all.insert(all.end(), lane->milliseconds.begin(), lane->milliseconds.end());
    std::ranges::sort(all);
    const auto percentile = [&all](double share) {
      return all.empty() ? 0 : all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
    };
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    const double cpu_us = 1e6 * static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                          static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    const int64_t answered = answered_;
    std::cout << absl::StrFormat(
        "{\"calls\": %d, \"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"answered\": %d, \"load_us\": "
        "%.1f}\n",
        all.size(), static_cast<double>(all.size()) / settings_.seconds, percentile(0.5), percentile(0.99), answered,
        cpu_us / static_cast<double>(answered));
  }

 private:
  bool Run() {
    under_way_ = static_cast<int>(lanes_.size());
    for (const auto& lane : lanes_) Next(*lane);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* under_way) { return *under_way == 0; }, &under_way_));
    if (!error_.empty()) std::cerr << "parley-bench-load: " << error_ << "\n";
    return error_.empty();
  }

  // Starts the lane's next call, or ends the lane.
  void Next(Lane& lane) {
    const int64_t number = started_++;
    if (failed_ || number >= limit_ || Clock::now() >= end_) {
      absl::MutexLock lock(&mutex_);
      --under_way_;
      return;
    }
    lane.context = std::make_unique<grpc::ClientContext>();
    Prepare(*lane.context, settings_);
    lane.answer.Clear();
    const auto done = [this, &lane](const grpc::Status& status) { Finish(lane, status); };
    if (names_.empty()) {
      FillCreate(lane, number);
      lane.begun = Clock::now();
      lane.stub->async()->CreateEvent(lane.context.get(), &lane.create, &lane.answer, done);
    } else {
      lane.get.set_name(names_[lane.random() % names_.size()]);
      lane.begun = Clock::now();
      lane.stub->async()->GetEvent(lane.context.get(), &lane.get, &lane.answer, done);
    }
  }

  void Finish(Lane& lane, const grpc::Status& status) {
    const Clock::time_point now = Clock::now();
    const auto& answer = lane.answer;
    ++answered_;
    if (!status.ok()) {
      Fail(absl::StrCat("gRPC code ", status.error_code(), ": ", status.error_message()));
    } else if (answer.parties_size() != 3 || answer.slots_size() != 3 ||
               (!names_.empty() && answer.name() != lane.get.name())) {
      Fail(absl::StrCat("not what was asked for: ", answer.ShortDebugString()));
    } else if (limit_ != kUnlimited) {
      lane.made.push_back(answer.name());
    } else if (now >= count_from_ && now < end_) {
      lane.milliseconds.push_back(std::chrono::duration<double, std::milli>(now - lane.begun).count());
    }
    Next(lane);
  }

  void FillCreate(Lane& lane, int64_t number) const {
    event::v1::Event& event = *lane.create.mutable_event();
    event.Clear();
    event.set_title("Planning of the next quarter");
    event.add_parties()->set_address(caller_);
    // In their turn for the first time, so that all are known from then on.
    const int64_t users = settings_.users;
    const int64_t second = limit_ == kUnlimited ? lane.random() % users : 2 * number % users;
    const int64_t third =
        limit_ == kUnlimited ? (second + 1 + lane.random() % (users - 1)) % users : (second + 1) % users;
    event.add_parties()->set_address(AddressOf(second));
    event.add_parties()->set_address(AddressOf(third));
    constexpr int64_t kDay = 86400;
    const int64_t first_day = std::time(nullptr) / kDay + 1 + lane.random() % 300;
    for (int64_t day = first_day; day < first_day + 3; ++day) {
      auto& slot = *event.add_slots();
      slot.mutable_start_time()->set_seconds(day * kDay);
      slot.mutable_duration()->set_seconds(3600);
    }
  }

  void Fail(std::string error) {
    absl::MutexLock lock(&mutex_);
    if (error_.empty()) error_ = std::move(error);
    failed_ = true;
  }

  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

  const Settings& settings_;
  const std::string caller_;
  const std::vector<std::string> names_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  int64_t limit_ = kUnlimited;
  Clock::time_point count_from_;
  Clock::time_point end_ = Clock::time_point::max();
  std::atomic<int64_t> started_ = 0;
  std::atomic<int64_t> answered_ = 0;
  std::atomic<bool> failed_ = false;
  absl::Mutex mutex_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string error_ ABSL_GUARDED_BY(mutex_);
};

// The caller's own address; empty, after a message, where it cannot be had.
std::string AskWhoIAm(const Settings& settings) {
  grpc::ClientContext context;
  Prepare(context, settings);
  token::v1::GetUserRequest request;
  request.set_name("users/self");
  token::v1::User user;
  const grpc::Status status =
      token::v1::TokenService::NewStub(rpc::MakeChannel(settings.gateway))->GetUser(&context, request, &user);
  if (!status.ok()) std::cerr << "parley-bench-load: GetUser: " << status.error_message() << "\n";
  return user.address();
}

// How long it takes from the answer of CreateEvent until GetInclusionProof is answered. Prints one JSON object.
int RunLag(const Settings& settings, const std::string& caller) {
  const auto channel = rpc::MakeChannel(settings.gateway);
  const auto events = EventService::NewStub(channel);
  const auto logs = event::v1::LogService::NewStub(channel);
  const auto end = Clock::now() + std::chrono::duration<double>(settings.seconds);
  std::vector<double> milliseconds;
  while (Clock::now() < end) {
    event::v1::CreateEventRequest create;
    create.mutable_event()->add_parties()->set_address(caller);
    event::v1::Event event;
    grpc::ClientContext create_context;
    Prepare(create_context, settings);
    grpc::Status status = events->CreateEvent(&create_context, create, &event);
    const auto created = Clock::now();
    event::v1::GetInclusionProofRequest prove;
    prove.set_name(event.name() + "/logEntries/1");
    for (bool proved = false; status.ok() && !proved;) {
      grpc::ClientContext context;
      Prepare(context, settings);
      event::v1::InclusionProof proof;
      status = logs->GetInclusionProof(&context, prove, &proof);
      proved = status.ok();
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) status = grpc::Status::OK;
      // Often enough to see a tenth of what is promised, and seldom enough to be no load itself.
      if (!proved) absl::SleepFor(absl::Milliseconds(10));
    }
    if (!status.ok()) {
      std::cerr << "parley-bench-load: " << status.error_message() << "\n";
      return 1;
    }
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - created).count());
  }
  std::ranges::sort(milliseconds);
  std::cout << absl::StrFormat("{\"entries\": %d, \"p50_ms\": %.0f, \"max_ms\": %.0f}\n", milliseconds.size(),
                               milliseconds[milliseconds.size() / 2], milliseconds.back());
  return 0;
}

int Run(const std::string& what, const Settings& settings) {
  std::vector<std::string> names;
  if (what == "watch") {
    return RunWatch({settings.gateway, settings.key, settings.watchers, settings.channels, settings.seconds});
  }
  if (what == "get") {
    std::ifstream file(settings.names_file);
    for (std::string name; std::getline(file, name);) names.push_back(name);
    if (names.empty()) {
      std::cerr << "parley-bench-load: no names of events in --names-file " << settings.names_file << "\n";
      return 2;
    }
  }
  const std::string caller = AskWhoIAm(settings);
  if (caller.empty()) return 1;
  if (what == "lag") return RunLag(settings, caller);
  Load load(settings, caller, std::move(names));
  if (what == "prepare") {
    if (!load.RunForCount(settings.events)) return 1;
    std::ofstream file(settings.names_file);
    for (const std::string& name : load.made()) file << name << "\n";
    if (file.flush()) return 0;
    std::cerr << "parley-bench-load: cannot write --names-file " << settings.names_file << "\n";
    return 1;
  }
  if (!load.RunForTime()) return 1;
  load.Report();
  return 0;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  // Debian builds Abseil with its search for deadlocks, which each lock of gRPC would pay for.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  parley::bench::Settings settings;
  parley::Config config("parley-bench-load", "Load for a Parley that is measured.");
  config.Add("gateway", settings.gateway, "Where the gateway is: host:port.");
  config.Required();
  config.AddSecret("api-key", settings.key, "The member's key by which to call.");
  config.Add("in-flight", settings.in_flight, "Calls that are under way at any time.", 1, 100000);
  config.Add("channels", settings.channels, "Connections over which they go.", 1, 1000);
  config.Add("users", settings.users, "From how many users the other parties are chosen.", 2, 10000000);
  const auto add_names = [&] {
    config.Add("names-file", settings.names_file, "The names of the events, a line each.");
    config.Required();
  };
  const auto add_times = [&] {
    config.Add("seconds", settings.seconds, "For how long calls count.", 0.1, 86400);
    config.Add("warm-up", settings.warm_up, "For how many seconds before that they do not.", 0, 3600);
  };
  config.Subcommand("prepare", "Creates events, and writes their names into a file.");
  config.Add("events", settings.events, "How many.", 1, 100000000);
  add_names();
  config.Subcommand("create", "Creates events, with three parties and three slots.");
  add_times();
  config.Subcommand("lag", "Creates one event after the other, and waits until a checkpoint has it.");
  config.Add("seconds", settings.seconds, "For how long.", 0.1, 86400);
  config.Subcommand("watch", "Opens watchers, and changes what they watch.");
  config.Add("watchers", settings.watchers, "How many.", 2, 1000000);
  config.Add("seconds", settings.seconds, "For how long.", 0.1, 86400);
  config.Subcommand("get", "Reads random ones of the events that are named in a file.");
  add_times();
  add_names();
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  return parley::bench::Run(config.subcommand(), settings);
}
