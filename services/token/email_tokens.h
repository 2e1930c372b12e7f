// E-mail tokens: by which one party acts on one event without an account (rules T1 to T6). This service alone
// uses their table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/address/address.h"
#include "common/data/purge.h"

namespace parley::token {

struct EmailToken {
  Uuid id;
  Uuid event_id;
  Uuid user_id;
  absl::Time create_time;
  absl::Time expire_time;
  std::optional<absl::Time> revoke_time;
  bool gone = false;  // with its event, which was deleted (E10)
  Address party;      // the user, as the event spells the address; of Find and List alone

  // `events/.../emailTokens/...`
  std::string name() const { return "events/" + event_id.ToString() + "/emailTokens/" + id.ToString(); }
};

struct NewEmailToken {
  EmailToken email_token;
  std::string key;  // seen once
};

// At the moment of expiry a token is expired (T3).
inline bool IsExpired(absl::Time expire_time, absl::Time now) { return now >= expire_time; }

// For whom one is made.
struct EmailTokenHolder {
  Uuid event_id;
  Uuid user_id;
};

// Within one transaction, which must outlive it.
class EmailTokens {
 public:
  explicit EmailTokens(data::Transaction& tx) : tx_(tx) {}

  // One for each holder, in their order.
  absl::StatusOr<std::vector<NewEmailToken>> Create(absl::Span<const EmailTokenHolder> holders, absl::Time expire_time);
  // Revoked, expired and gone ones too.
  absl::StatusOr<std::optional<EmailToken>> Find(const Uuid& id);
  absl::StatusOr<std::optional<EmailToken>> FindByHash(std::string_view key_hash);
  // Of the event, and of this user alone where there is one; newest first, older than `before` where there is one.
  absl::StatusOr<std::vector<EmailToken>> List(const Uuid& event_id, const std::optional<Uuid>& user_id,
                                               const std::optional<Uuid>& before, int limit);
  // Keeps the time of the first revocation. Absent is OK.
  absl::Status Revoke(absl::Span<const Uuid> ids);
  // Deletes some of those that expired 90 days ago or earlier (T3); see common/data/purge.h.
  absl::StatusOr<data::Purged> Purge(absl::Time from);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::token
