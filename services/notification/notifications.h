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
  std::vector<Attempt> attempts;  // read by Find and List alone

  // `events/.../notifications/...`
  std::string name() const;
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

  // New ones, due at once.
  absl::Status Insert(absl::Span<const Notification> notifications);
  // With its attempts; nothing where the event has no such notification.
  absl::StatusOr<std::optional<Notification>> Find(const Uuid& event_id, const Uuid& id);
  // Newest first, older than `before` where there is one; with their attempts.
  absl::StatusOr<std::vector<Notification>> List(const Uuid& event_id, const std::optional<Uuid>& before, int limit);

  // Takes the one that is due longest and that nobody else takes at this moment, and begins its next attempt: nobody
  // else takes it until the lease is up. Where its event is deleted it becomes CANCELLED instead, and FAILED after
  // max_attempts; see its state. An earlier attempt whose end was not recorded becomes UNKNOWN.
  absl::StatusOr<std::optional<Notification>> Claim(absl::Duration lease, int max_attempts);
  // Records the end of attempt `attempt`. The notification changes only where that is still its last one, and it is
  // PENDING. Doing it again changes nothing.
  absl::Status Record(const Uuid& id, int64_t attempt, const Recorded& recorded);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
