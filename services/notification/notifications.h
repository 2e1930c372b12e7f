// Notifications and the attempts to deliver them: the tables notifications and delivery_attempts. An attempt is begun
// with a lease, so that whoever dies with it does not hold the notification for ever; the number of the attempt tells
// whether a lease is still one's own.
#pragma once

#include <optional>
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

  Uuid id;
  Uuid event_id;
  Uuid recipient_id;
  Uuid sender_id;
  State state = v1::Notification::PENDING;
  absl::Time create_time;
  int64_t attempts_begun = 0;
  int64_t retried_after = 0;  // attempts that do not count any more, since staff asked for others
  bool requested = false;     // by RequestEmailToken
  absl::Time next_attempt_time;
  std::vector<Attempt> attempts;  // read by Find, FindAll, Lock and List alone

  // `events/.../notifications/...`
  std::string name() const;
  // Begun since it was made, or retried.
  int64_t attempts_counted() const { return attempts_begun - retried_after; }
};

// How an attempt ended, and what becomes of the notification thereby.
struct Recorded {
  Attempt::Outcome outcome;
  std::string detail;
  Notification::State state;
  absl::Duration pause;  // until the next attempt, where the state is PENDING
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
  // Newest first, older than `before` where there is one; with their attempts.
  absl::StatusOr<std::vector<Notification>> List(const Uuid& event_id, const std::optional<Uuid>& before, int limit);

  // N8, which does not count requested ones. When the event's notifications of the last 24 hours to each of these
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

  // Takes the one that is due longest and that nobody else takes at this moment, and begins its next attempt: nobody
  // else takes it until the lease is up. Where its event is deleted it becomes CANCELLED instead, and FAILED after
  // max_attempts; see its state. An earlier attempt whose end was not recorded becomes UNKNOWN.
  absl::StatusOr<std::optional<Notification>> Claim(absl::Duration lease, int max_attempts);
  // Records the end of attempt `attempt`. The notification changes only where that is still its last one, and it is
  // PENDING. Doing it again changes nothing.
  absl::Status Record(const Uuid& id, int64_t attempt, const Recorded& recorded);
  // Makes it CANCELLED. Its row must be locked.
  absl::Status Cancel(const Uuid& id);
  // Makes it PENDING, due now, with all its attempts before it. Its row must be locked.
  absl::Status Retry(const Uuid& id);
  // Makes those of deleted events CANCELLED that are PENDING, due or not, but for those of which an attempt is under
  // way. Waits for nobody. Answers with their number.
  absl::StatusOr<int64_t> CancelOfDeletedEvents();

 private:
  data::Transaction& tx_;
};

// Whether one that was read with its attempts is being sent at this time.
bool AttemptUnderWay(const Notification& notification, absl::Time now);

}  // namespace parley::notification
