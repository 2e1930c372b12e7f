// Webhooks: the table webhooks. What a webhook is told is in webhook_deliveries.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "services/notification/webhooks/kinds.h"

namespace parley::notification {

inline constexpr char kWebhookType[] = "parley.notification.v1.Webhook";

struct Webhook {
  Uuid id;
  std::string url;  // may hold secrets: not for logs
  std::vector<Kind> kinds;
  std::optional<Uuid> initiator_id;
  absl::Time create_time;
  std::string cursor;  // up to there the log has been looked through for it; empty: the beginning

  // `webhooks/...`
  std::string name() const { return "webhooks/" + id.ToString(); }
};

// Within one transaction, which must outlive it.
class Webhooks {
 public:
  explicit Webhooks(data::Transaction& tx) : tx_(tx) {}

  // How many there are. Nobody else makes one until the transaction ends.
  absl::StatusOr<int64_t> LockAndCount();
  // Made now.
  absl::Status Insert(const Webhook& webhook);
  absl::StatusOr<std::optional<Webhook>> Find(const Uuid& id);
  // Newest first, older than `before` where there is one.
  absl::StatusOr<std::vector<Webhook>> List(const std::optional<Uuid>& before, int limit);
  // From now on it is not found, told nothing, and its url is forgotten; PurgeSome removes the rest. Whether it was
  // there.
  absl::StatusOr<bool> Delete(const Uuid& id);
  // It is looked for from this cursor on, at once. Whether it was there.
  absl::StatusOr<bool> Rewind(const Uuid& id, const std::string& cursor);

  // For the follower: the one that is due longest, and all that are due with the same cursor. They are due again after
  // `pause`, whatever becomes of the caller.
  absl::StatusOr<std::vector<Webhook>> TakeDue(absl::Duration pause);
  // Moves those that are still at the cursor `from` on to the cursor `to`; they are due again after `pause`. Answers
  // with them: their rows are locked, and not deleted.
  absl::StatusOr<std::vector<Uuid>> Advance(absl::Span<const Uuid> ids, const std::string& from, const std::string& to,
                                            absl::Duration pause);
  // Those that are still at this cursor are not due before `pause` is over.
  absl::Status Postpone(absl::Span<const Uuid> ids, const std::string& cursor, absl::Duration pause);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
