// E-mail tokens: by which one party acts on one event without an account (domain rules T1 to T6). This service alone
// uses their table.
#pragma once

#include <optional>
#include <string>

#include "common/data/transaction.h"

namespace parley::token {

struct EmailToken {
  Uuid id;
  Uuid event_id;
  Uuid user_id;
  absl::Time create_time;
  absl::Time expire_time;
  std::optional<absl::Time> revoke_time;

  // `events/.../emailTokens/...`
  std::string name() const { return "events/" + event_id.ToString() + "/emailTokens/" + id.ToString(); }
};

struct NewEmailToken {
  EmailToken email_token;
  std::string key;  // seen once
};

// At the moment of expiry a token is expired (T3).
inline bool IsExpired(absl::Time expire_time, absl::Time now) { return now >= expire_time; }

// Within one transaction, which must outlive it.
class EmailTokens {
 public:
  explicit EmailTokens(data::Transaction& tx) : tx_(tx) {}

  absl::StatusOr<NewEmailToken> Create(const Uuid& event_id, const Uuid& user_id, absl::Time expire_time);
  // Revoked and expired ones too; not those of a deleted event, which are gone with it (E10).
  absl::StatusOr<std::optional<EmailToken>> Find(const Uuid& id);
  // Keeps the time of the first revocation. Absent is OK.
  absl::Status Revoke(const Uuid& id);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::token
