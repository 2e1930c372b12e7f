// Webhooks: the table webhooks. What a webhook is told is in webhook_deliveries.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/log_cursor.h"
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
  data::LogCursor cursor;  // up to there the log has been looked through for it

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
  // From now on it is not found, told nothing, and its url is forgotten; PurgeDeleted removes the rest. Whether it was
  // there.
  absl::StatusOr<bool> Delete(const Uuid& id);
  // What follows this cursor is looked for from now on. Those that are not there stay so.
  absl::Status Move(absl::Span<const Uuid> ids, const data::LogCursor& cursor);

  // The cursors of those that are not behind the last of so many leaves, each once.
  absl::StatusOr<std::vector<data::LogCursor>> ListCursors(int64_t leaves);
  // All that are at this cursor, but for those whose rows somebody else has locked; theirs are locked until the
  // transaction ends.
  absl::StatusOr<std::vector<Webhook>> TryLockAt(const data::LogCursor& cursor);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
