#include "common/data/purge.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

constexpr absl::Duration kInterval = absl::Minutes(1);
constexpr absl::Duration kStepTime = absl::Seconds(5);
// So much longer than the step the pause after it is: it takes a tenth of one core at the most.
constexpr int kPauses = 9;
// And at least so long; less once a turn takes longer than what came since the last one should.
constexpr absl::Duration kPause = absl::Milliseconds(50);
constexpr absl::Duration kPauseBehind = absl::Milliseconds(10);
// When it begins with the oldest again: what somebody had locked was passed over.
constexpr absl::Duration kAgain = absl::Hours(24);

// What has gone may come back after a crash: it is deleted again.
constexpr Statement kInNoHurry{"purge_in_no_hurry", "set local synchronous_commit = off"};

constexpr Statement kTakeTurn{"take_purge_turn", "select pg_try_advisory_xact_lock($1)"};

}  // namespace

Purged PurgedOf(const Result& result) {
  const Row row = result[0];
  return {row.GetInt(0), row.GetInt(1) == kPurgeRows, row.IsNull(2) ? absl::InfinitePast() : row.GetTime(2)};
}

absl::Duration Purge::DoSome() {
  if (!HaveTurn()) return kInterval;
  Kind* const kind = left_.front();
  left_.pop_front();
  const absl::Time begin = absl::Now();
  if (PurgeSome(*kind)) {
    left_.push_back(kind);
    const absl::Time now = absl::Now();
    return std::max(kPauses * (now - begin), now < turn_begin_ + kInterval ? kPause : kPauseBehind);
  }
  if (!left_.empty()) return absl::ZeroDuration();
  holder_.reset();
  return kInterval;
}

// The transaction does nothing but hold the lock: it has no snapshot, and keeps nobody from cleaning up. Whoever is
// held up between two steps for longer than PostgreSQL lets transactions idle loses it. Asked before each step, which
// says whether it is still there.
bool Purge::HaveTurn() {
  if (!holder_) {
    auto holder = Transaction::Begin(pool_, absl::Now() + kStepTime);
    if (!holder.ok()) {
      Log(LogLevel::kWarning, "cannot purge", {{"error", std::string(holder.status().message())}});
      return false;
    }
    holder_ = *std::move(holder);
    turn_begin_ = absl::Now();
    const bool again = turn_begin_ >= all_from_ + kAgain;
    if (again) all_from_ = turn_begin_;
    left_.clear();
    for (Kind& kind : kinds_) {
      left_.push_back(&kind);
      if (again) kind.from = absl::InfinitePast();
    }
  }
  const auto ours = holder_->Execute(kTakeTurn, Params().Add(static_cast<int64_t>(turn_)));
  if (ours.ok() && (*ours)[0].GetBool(0)) return true;
  if (!ours.ok()) Log(LogLevel::kWarning, "cannot purge", {{"error", std::string(ours.status().message())}});
  holder_.reset();
  return false;
}

bool Purge::PurgeSome(Kind& kind) {
  const auto step = [&](Transaction& tx) -> absl::StatusOr<Purged> {
    PARLEY_RETURN_IF_ERROR(tx.Execute(kInNoHurry).status());
    return kind.step.run(tx, kind.from);
  };
  const auto purged = Transact(pool_, absl::Now() + kStepTime, step);
  if (!purged.ok()) {
    Log(LogLevel::kWarning, "cannot purge",
        {{"what", kind.step.what}, {"error", std::string(purged.status().message())}});
  } else {
    // All of one time may be locked.
    const bool goes_on = purged->rows > 0 || purged->last > kind.from;
    kind.from = std::max(kind.from, purged->last);
    kind.purged += purged->rows;
    if (purged->more && goes_on) return true;
  }
  if (kind.purged > 0) Log(LogLevel::kInfo, "purged", {{"what", kind.step.what}, {"rows", kind.purged}});
  kind.purged = 0;
  return false;
}

}  // namespace parley::data
