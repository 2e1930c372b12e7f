// Notifications and the attempts to deliver them, as callers make and read them: the tables notifications and
// delivery_attempts. deliveries.h is what the dispatcher does with them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "parley/notification/v1/notification.pb.h"

namespace parley::notification {

struct Attempt {
  using Outcome = v1::Notification::Attempt::Outcome;

  absl::Time start_time;
  std::optional<absl::Time> end_time;
  Outcome outcome = v1::Notification::Attempt::OUTCOME_UNSPECIFIED;  // while it is under way
  std::string detail;
};

struct Notification {
  using State = v1::Notification::State;
  using Cause = v1::Notification::Cause;

  Uuid id;
  Uuid event_id;
  Uuid recipient_id;
  Uuid sender_id;
  State state = v1::Notification::PENDING;
  absl::Time create_time;
  int64_t attempts_begun = 0;
  int64_t retried_after = 0;  // attempts that do not count any more, since staff asked for others
  Cause cause = v1::Notification::NOTIFY_PARTIES;
  absl::Time next_attempt_time;              // while it is PENDING and no attempt is under way
  absl::Time pending_since;                  // it was made, or retried
  std::optional<absl::Time> lease_end_time;  // of the attempt that is under way, or was lost
  std::vector<Attempt> attempts;             // not read by all

  // `events/.../notifications/...`
  std::string name() const;
  // Begun since it was made, or retried.
  int64_t attempts_counted() const { return attempts_begun - retried_after; }
};

// Which notifications a list shows.
struct NotificationQuery {
  std::optional<Uuid> event_id;  // of this event; else of all, deleted ones among them
  std::optional<Notification::State> state;
  std::optional<std::pair<absl::Time, absl::Time>> created;  // [first, second)
};

struct NotificationPage {
  std::vector<Notification> notifications;
  std::optional<Uuid> next;  // what was looked at last, where there is more to look at
};

// Within one transaction, which must outlive it.
class Notifications {
 public:
  explicit Notifications(data::Transaction& tx) : tx_(tx) {}

  // New ones; those that are PENDING are due at once.
  absl::Status Insert(absl::Span<const Notification> notifications);
  // With its attempts; nothing where the event has no such notification.
  absl::StatusOr<std::optional<Notification>> Find(const Uuid& event_id, const Uuid& id);
  // As Find, and locks its row until the transaction ends: no attempt begins or ends meanwhile.
  absl::StatusOr<std::optional<Notification>> Lock(const Uuid& event_id, const Uuid& id);
  // With their attempts, in the order of the ids.
  absl::StatusOr<std::vector<Notification>> FindAll(absl::Span<const Uuid> ids);
  // At most `limit`, newest first, older than `before` where there is one; with their attempts. However few the query
  // lets through, no more than a thousand are looked at: a page may end early, even empty, with a `next`.
  absl::StatusOr<NotificationPage> List(const NotificationQuery& query, const std::optional<Uuid>& before, int limit);

  // Who was sent, or is to be sent, one of the event for this cause.
  absl::StatusOr<std::set<Uuid>> RecipientsOf(const Uuid& event_id, Notification::Cause cause);

  // N8, which counts those of NotifyParties alone. When the event's notifications of the last 24 hours to each of these
  // recipients will be fewer than `max` each; nothing where they are. Whoever calls has locked the event's row.
  absl::StatusOr<std::optional<absl::Time>> RecipientsLimitedUntil(const Uuid& event_id,
                                                                   absl::Span<const Uuid> recipients, int max);
  // When these recipients, and all others whom the sender notified in the last 24 hours, will be at most `max`; nothing
  // where they are. Nobody else notifies in the name of this sender until the transaction ends.
  absl::StatusOr<std::optional<absl::Time>> SenderLimitedUntil(const Uuid& sender_id, absl::Span<const Uuid> recipients,
                                                               int max);
  // T7: whether there was none in the last `pause`, and fewer than `max` in the last 24 hours, that were requested for
  // this party of this event. Whoever calls has locked the event's row.
  absl::StatusOr<bool> MayRequest(const Uuid& event_id, const Uuid& party_id, absl::Duration pause, int max);

  // Makes it CANCELLED. Its row must be locked.
  absl::Status Cancel(const Uuid& id);
  // Makes it PENDING, due now, with all its attempts before it. Its row must be locked.
  absl::Status Retry(const Uuid& id);

 private:
  data::Transaction& tx_;
};

// Whether it is being sent at this time.
bool AttemptUnderWay(const Notification& notification, absl::Time now);

}  // namespace parley::notification
