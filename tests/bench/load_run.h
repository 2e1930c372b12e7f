// One run of the load: when calls are made, over which connections, and how long they took.
#pragma once

#include <poll.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/load_connection.h"
#include "tests/bench/load_kinds.h"

namespace parley::bench {

struct Target {
  std::string address;
  std::string key;
  int connections = 4;
};

// How many calls, and when.
struct Pace {
  // Closed: as many are under way at any time, the next one begins when one is over.
  int in_flight = 64;
  // Open: as many calls begin in a second, however many are under way. Where it is 0 the pace is closed.
  double rate = 0;
  // Calls count for `seconds`, after a warm-up.
  double seconds = 5;
  double warm_up = 1;
  // Where it is not 0, a closed pace ends after as many calls, and no time counts.
  int64_t count = 0;
};

class Run {
 public:
  Run(const Target& target, const Pace& pace, Kind& kind) : target_(target), pace_(pace), kind_(kind) {}

  // Connects and makes the calls; the first error where one failed. Those that were under way then are awaited.
  absl::Status Go();

  // The figures of a run that went well, as one JSON object.
  std::string Report() const;

 private:
  bool is_open() const { return pace_.rate > 0; }
  absl::Status Connect();
  absl::Status Turn();
  void SetTimes();
  void StartDue();
  void Start(Connection& connection, Clock::time_point begun);
  void Finish(Connection& connection, Call& call);
  bool MayStart() const;
  absl::Status AwaitSockets();

  const Target target_;
  const Pace pace_;
  Kind& kind_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<pollfd> sockets_;  // theirs
  std::deque<Call> calls_;       // all that there are
  std::vector<Call*> unused_;    // ones of them
  size_t under_way_ = 0;
  int64_t started_ = 0;
  int64_t answered_ = 0;
  Clock::time_point count_from_;
  Clock::time_point end_;
  Clock::time_point next_;  // when the next call is due, at an open pace
  Clock::time_point last_heard_;
  std::mt19937_64 random_;
  std::vector<double> milliseconds_;  // of each call that counts
  double cpu_us_ = 0;
  absl::Status error_;  // the first one
};

}  // namespace parley::bench
