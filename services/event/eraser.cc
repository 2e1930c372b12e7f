#include "services/event/eraser.h"

#include "absl/time/clock.h"
#include "common/data/erasures.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/event/rules.h"

namespace parley::event {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(500);
constexpr absl::Duration kStepTime = absl::Minutes(1);
// One that fails keeps no other waiting.
constexpr absl::Duration kPause = absl::Minutes(1);

// False where nothing is due. `tried` is whose erasure it was.
absl::StatusOr<bool> TellOne(data::Transaction& tx, std::optional<Uuid>& tried) {
  data::Erasures erasures(tx);
  PARLEY_ASSIGN_OR_RETURN(const auto erasure, erasures.TryLock());
  if (!erasure) return false;
  tried = erasure->user_id;
  // Who erased was broken off before all was blank.
  if (!erasure->blanked) {
    PARLEY_RETURN_IF_ERROR(erasures.BlankSome(erasure->user_id).status());
    return true;
  }
  PARLEY_ASSIGN_OR_RETURN(const auto event_id, erasures.NextEvent(erasure->user_id));
  if (!event_id) {
    PARLEY_RETURN_IF_ERROR(erasures.Delete(erasure->user_id));
    return true;
  }
  data::Events events(tx);
  PARLEY_ASSIGN_OR_RETURN(const auto locked, events.Lock({*event_id}));
  if (locked.empty()) return Internal("there is no events/" + event_id->ToString() + ", of which somebody is a party");
  Outcome outcome = Erase(locked.front(), erasure->user_id, erasure->effector, tx.now());
  PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append({outcome.entry}));
  outcome.event.last_hash = hashes.front();
  PARLEY_RETURN_IF_ERROR(events.Save({outcome.event}));
  PARLEY_RETURN_IF_ERROR(erasures.Told(erasure->user_id, *event_id));
  return true;
}

}  // namespace

absl::StatusOr<bool> Eraser::Step() {
  std::optional<Uuid> tried;
  auto told = data::Transact(pool_, absl::Now() + kStepTime, [&](data::Transaction& tx) { return TellOne(tx, tried); });
  if (told.ok() || !tried || absl::IsUnavailable(told.status())) return told;
  PARLEY_RETURN_IF_ERROR(data::Transact(pool_, absl::Now() + kStepTime, [&](data::Transaction& tx) {
    return data::Erasures(tx).Postpone(*tried, kPause);
  }));
  return told;
}

absl::Duration Eraser::Run() {
  const auto more = Step();
  if (!more.ok()) {
    Log(LogLevel::kWarning, "cannot tell a log of an erasure", {{"error", std::string(more.status().message())}});
  }
  return more.ok() && *more ? absl::ZeroDuration() : kInterval;
}

}  // namespace parley::event
