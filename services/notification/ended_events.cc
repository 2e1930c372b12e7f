#include "services/notification/ended_events.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/data/log_entries.h"
#include "common/status/status.h"
#include "services/notification/deliveries.h"
#include "services/notification/notification_messages.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kPause = absl::Seconds(1);
constexpr absl::Duration kBrokenPause = absl::Hours(1);

// The entry by which the event ended; nothing where the log has lost it.
absl::StatusOr<std::optional<data::LogEntry>> ReadEntry(data::Transaction& tx, const data::EndedEvent& ended) {
  PARLEY_ASSIGN_OR_RETURN(auto entries, data::LogEntries(tx).List(ended.event_id, ended.sequence - 1, 1));
  if (entries.empty() || entries.front().sequence != ended.sequence) return std::nullopt;
  return std::move(entries.front());
}

// Who did it.
data::Effector EffectorOf(const data::LogEntry& entry) {
  return {entry.effector_id, std::nullopt, Uuid::FromBytes(entry.data.acted_by_id())};
}

// One for each party that has an entry, but for those that were sent such a notification before: of the same event,
// which had ended already.
absl::StatusOr<std::vector<Notification>> Make(data::Transaction& tx, const data::Event& event,
                                               const data::Effector& effector) {
  PARLEY_ASSIGN_OR_RETURN(const auto recipients, Deliveries(tx).WithCalendarEntry(event.id));
  PARLEY_ASSIGN_OR_RETURN(const auto told,
                          Notifications(tx).RecipientsOf(event.id, v1::Notification::CANCEL_CALENDAR_ENTRY));
  std::vector<Notification> made;
  for (const Uuid& recipient : recipients) {
    // Nor an erased one, who is sent nothing.
    if (told.contains(recipient) || event.FindParty(recipient) == nullptr) continue;
    Notification& notification = made.emplace_back();
    notification.id = Uuid::TimeOrdered();
    notification.event_id = event.id;
    notification.recipient_id = recipient;
    notification.sender_id = effector.user_id;
    notification.cause = v1::Notification::CANCEL_CALENDAR_ENTRY;
    notification.create_time = tx.now();
  }
  PARLEY_RETURN_IF_ERROR(Notifications(tx).Insert(made));
  return made;
}

absl::StatusOr<EndedEventWork> WorkOff(data::Transaction& tx, const data::EndedEvent& ended) {
  EndedEventWork work;
  PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({ended.event_id}));
  PARLEY_ASSIGN_OR_RETURN(const auto entry, ReadEntry(tx, ended));
  if (locked.empty() || !entry) {
    work.failed = absl::NotFoundError(
        absl::StrCat("there is no events/", ended.event_id.ToString(), " with an entry ", ended.sequence));
    PARLEY_RETURN_IF_ERROR(data::EndedEvents(tx).Postpone(ended, kBrokenPause));
    return work;
  }
  data::Event& event = locked.front();
  Deliveries deliveries(tx);
  Unsent unsent;
  if (event.delete_time) {
    PARLEY_ASSIGN_OR_RETURN(unsent, deliveries.CancelUnsent(event.id));
  }
  work.cancelled = unsent.cancelled;
  PARLEY_ASSIGN_OR_RETURN(const bool under_way, deliveries.RequestUnderWay(event.id));
  if (under_way || unsent.left > 0) {
    PARLEY_RETURN_IF_ERROR(data::EndedEvents(tx).Postpone(ended, kPause));
    return work;
  }
  const data::Effector effector = EffectorOf(*entry);
  PARLEY_ASSIGN_OR_RETURN(work.made, Make(tx, event, effector));
  if (!work.made.empty()) PARLEY_RETURN_IF_ERROR(AppendEntries(tx, std::move(event), effector, work.made));
  PARLEY_RETURN_IF_ERROR(data::EndedEvents(tx).Delete(ended));
  return work;
}

}  // namespace

absl::StatusOr<std::optional<EndedEventWork>> WorkOffEndedEvent(data::Pool& pool, absl::Duration step_timeout) {
  PARLEY_ASSIGN_OR_RETURN(const auto ended,
                          data::Transact(pool, absl::Now() + step_timeout, [&](data::Transaction& tx) {
                            return data::EndedEvents(tx).Claim(3 * step_timeout);
                          }));
  if (!ended) return std::nullopt;
  auto work =
      data::Transact(pool, absl::Now() + step_timeout, [&](data::Transaction& tx) { return WorkOff(tx, *ended); });
  if (work.ok()) return *std::move(work);
  EndedEventWork failed;
  failed.failed = work.status();
  return failed;
}

}  // namespace parley::notification
