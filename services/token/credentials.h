// Whose a key is: API keys and e-mail tokens by the hash of their key, each in one statement, since every call of
// everybody comes by here.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/data/transaction.h"
#include "common/data/users.h"
#include "parley/internal/token/v1/credential_service.pb.h"

namespace parley::token {

struct Credential {
  Uuid id;  // of the API key or e-mail token
  Uuid user_id;
  data::User::State state;
  data::User::Role role;
  // An e-mail token's alone: the one event that it opens, and from when on it is expired, which the caller looks at.
  std::optional<Uuid> event_id;
  std::optional<absl::Time> expire_time;
};

// Somebody who once called, and with what.
struct PastCaller {
  Uuid credential_id;
  bool email_token = false;       // else an API key
  Uuid user_id;                   // with whose rights
  bool staff = false;             // the role of that user
  std::optional<Uuid> acting_id;  // the staff user who acted for user_id, whose key it is
};

// Within one transaction, which must outlive it.
class Credentials {
 public:
  explicit Credentials(data::Transaction& tx) : tx_(tx) {}

  // Nothing where it is unknown or revoked, or its user not active (U4).
  absl::StatusOr<std::optional<Credential>> FindApiKey(std::string_view key_hash);
  // Nothing where it is unknown or revoked, its event deleted (E10), or its user deactivated (U4). A guest is a member,
  // whoever its user is (T4).
  absl::StatusOr<std::optional<Credential>> FindEmailToken(std::string_view key_hash);

  using Verdict = internal::token::v1::RecheckCredentialsResponse::Verdict;
  // What has become of each of them, in their order.
  absl::StatusOr<std::vector<Verdict>> Recheck(const std::vector<PastCaller>& callers);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::token
