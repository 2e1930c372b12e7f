// What webhooks are told: an entry of the log each, with the attempts to deliver it. Tables webhook_deliveries and
// webhook_attempts. Of the entry there are only its name and place: what is sent is read from the log each time, so
// that nobody who was erased meanwhile is named.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/purge.h"
#include "services/notification/webhooks/kinds.h"

namespace parley::notification {

struct WebhookAttempt {
  absl::Time start_time;
  std::optional<absl::Time> end_time;
  int http_status = 0;
  std::string detail;
};

struct WebhookDelivery {
  using State = v1::WebhookDelivery::State;

  Uuid webhook_id;
  Uuid event_id;
  int64_t sequence = 0;
  int64_t leaf_index = 0;  // of the entry in the tree
  std::vector<Kind> kinds;
  std::string cursor;  // behind the entry
  State state = v1::WebhookDelivery::PENDING;
  absl::Time create_time;
  absl::Time next_attempt_time;
  std::vector<WebhookAttempt> attempts;  // the last twenty, oldest first

  // `webhooks/.../deliveries/...`
  std::string name() const;
};

// An attempt that was begun.
struct BegunAttempt {
  WebhookDelivery delivery;  // without attempts
  int64_t attempt = 0;       // its number
  int64_t counted = 0;       // its number since the delivery was made, or replayed
  std::string url;           // of the webhook
};

// How an attempt ended.
struct EndedAttempt {
  Uuid webhook_id;
  Uuid event_id;
  int64_t sequence = 0;
  int64_t attempt = 0;
  bool delivered = false;
  bool counts = true;  // where not, it is no reason to give the delivery up
  int http_status = 0;
  std::string detail;
  absl::Duration pause;  // until the next one, where it was not delivered
};

// What became of a delivery by that.
struct RecordedAttempt {
  Uuid webhook_id;
  Uuid event_id;
  int64_t sequence = 0;
  WebhookDelivery::State state = v1::WebhookDelivery::PENDING;
};

// How many attempts of a webhook's may be begun now.
struct FreeAttempts {
  Uuid webhook_id;
  int64_t free = 0;
};

// Within one transaction, which must outlive it.
class WebhookDeliveries {
 public:
  explicit WebhookDeliveries(data::Transaction& tx) : tx_(tx) {}

  // New ones, due at once, but not before an earlier one of the same webhook and event. One that is there is replayed:
  // it is new again, but for its attempts. The rows of the webhooks are locked.
  absl::Status Insert(absl::Span<const WebhookDelivery> deliveries);

  // Begins attempts of those that are due, longest due first: of each webhook as many as it has free, and `free` of
  // those that are not named. Of an event only the first one that is pending is due. Nobody else is given them until
  // the lease is up.
  absl::StatusOr<std::vector<BegunAttempt>> Begin(absl::Span<const FreeAttempts> others, int free,
                                                  absl::Duration lease);

  // Records the ends of attempts, but for those that are recorded already; and what becomes of the deliveries thereby,
  // unless another attempt has begun meanwhile: DELIVERED, FAILED where it counts and the next one would come later
  // than `retry_for` after they were made or replayed, else PENDING again, and those behind it with it. One that was
  // replayed meanwhile is PENDING whatever the attempt came to. Answers with these deliveries. Doing it again changes
  // nothing.
  absl::StatusOr<std::vector<RecordedAttempt>> Record(absl::Span<const EndedAttempt> ended, absl::Duration retry_for);

  // In the order of the log, the last first: those before the leaf, in this state where one is given.
  absl::StatusOr<std::vector<WebhookDelivery>> List(const Uuid& webhook_id, std::optional<WebhookDelivery::State> state,
                                                    int64_t before_leaf, int limit);

  // Those of the webhook that wait for their next attempt wait no longer.
  absl::Status MakeDue(const Uuid& webhook_id);

  // Some of those that were made, or replayed, longer ago than `retry_for`, and are not under way, have FAILED, whether
  // or not they were tried: so a receiver that is gone for good has no backlog without bound. Answers with how many.
  absl::StatusOr<int64_t> ExpireSome(absl::Duration retry_for);

  // Deletes some of those that were delivered, or have failed, longer ago than `keep`, with their attempts; see
  // common/data/purge.h.
  absl::StatusOr<data::Purged> PurgeSettled(absl::Duration keep, absl::Time from);
  // The same of deleted webhooks, in no order of time; and at last these webhooks.
  absl::StatusOr<data::Purged> PurgeDeleted();

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
