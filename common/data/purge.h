// Deletes what a service keeps for a time only and is past it: in small steps with pauses between them, and by one
// process at a time, however many run.
//
//   Purge purge(pool, PurgeTurn::kToken, {{"email tokens", [](Transaction& tx, absl::Time from) {
//                                            return EmailTokens(tx).Purge(from);
//                                          }}});
//   purge.Start();
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/data/chore.h"
#include "common/data/transaction.h"

namespace parley::data {

// How many rows a step looks at, and deletes at the most: the work of a few milliseconds. Statements take the oldest
// ones first, and ask then whether they are old enough: asked before, PostgreSQL, which knows no values when it plans,
// would expect few, and fetch and sort all that are. The limit stands in them as a number, since it is planned for.
#define PARLEY_PURGE_ROWS "100"
inline constexpr int64_t kPurgeRows = 100;

// What a step did.
struct Purged {
  int64_t rows = 0;   // that have gone
  bool more = false;  // whether there may be more
  // The time of the last one that is old: there the next step begins. InfinitePast where they have no order of time.
  absl::Time last = absl::InfinitePast();
};

// From a statement that selects how many have gone, how many of those it looked at are old, and the time of the last.
Purged PurgedOf(const Result& result);

struct PurgeStep {
  std::string what;  // for the log
  // Deletes the oldest ones, from a time on, but for those that somebody has locked. What has gone stays in
  // PostgreSQL's indexes for as long as anybody may still see it, be it hours: who begins behind it does not walk over
  // it each time.
  std::function<absl::StatusOr<Purged>(Transaction&, absl::Time from)> run;
};

// Whose turn it is, of the processes of a service: numbers of advisory locks, which are theirs alone.
enum class PurgeTurn : int64_t { kToken = 7261951309, kNotification = 7261951310 };

class Purge {
 public:
  // Connections of the pool, which must outlive it, that it uses at once.
  static constexpr int kConnections = 2;

  Purge(Pool& pool, PurgeTurn turn, std::vector<PurgeStep> steps) : pool_(pool), turn_(turn) {
    for (PurgeStep& step : steps) kinds_.push_back({std::move(step)});
  }

  // From now on each minute, and until nothing is left. Further calls change nothing.
  void Start() { chore_.Start(); }
  // No further step begins. Waits for nothing. Thread-safe.
  void EndSoon() { chore_.EndSoon(); }

  // One step, as the thread that Start starts makes it; answers with the pause before the next one. For tests.
  absl::Duration DoSome();

 private:
  struct Kind {
    PurgeStep step;
    absl::Time from = absl::InfinitePast();
    int64_t purged = 0;  // in this turn
  };

  // Whether it is ours. It lasts until all kinds are purged, or the connection is lost.
  bool HaveTurn();
  // Whether there may be more of this kind.
  bool PurgeSome(Kind& kind);

  Pool& pool_;
  const PurgeTurn turn_;
  std::vector<Kind> kinds_;
  std::unique_ptr<Transaction> holder_;  // of the turn, which ends with it
  std::deque<Kind*> left_;               // that are to be purged in this turn, the next one first
  absl::Time turn_begin_;
  absl::Time all_from_ = absl::InfinitePast();
  Chore chore_{[this] { return DoSome(); }};
};

}  // namespace parley::data
