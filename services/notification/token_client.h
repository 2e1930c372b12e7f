// The token service, as far as a delivery needs it: a key for each attempt, and its end where the attempt failed
// (domain rule T1); and for whom a key was made (T7). Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"

namespace parley::notification {

struct EmailToken {
  Uuid id;
  std::string key;
  absl::Time expire_time;
};

// For whom an e-mail token was made.
struct TokenHolder {
  Uuid event_id;
  Uuid user_id;
};

class TokenClient {
 public:
  // The signer must outlive it.
  TokenClient(const rpc::Signer& signer, const std::string& address)
      : signer_(signer), stub_(internal::token::v1::CredentialService::NewStub(rpc::MakeChannel(address))) {}

  // NOT_FOUND where the event is gone; FAILED_PRECONDITION (USER_STATE) where the user is deactivated; UNAVAILABLE,
  // DEADLINE_EXCEEDED.
  absl::StatusOr<EmailToken> Create(const Uuid& event_id, const Uuid& user_id, const std::string& call_id,
                                    absl::Time deadline);
  // UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::Status Revoke(const Uuid& email_token_id, const std::string& call_id, absl::Time deadline);
  // Also of one that has expired. NOT_FOUND where it is unknown or revoked, or the event gone; UNAVAILABLE,
  // DEADLINE_EXCEEDED.
  absl::StatusOr<TokenHolder> Find(const std::string& key_hash, const std::string& call_id, absl::Time deadline);

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<internal::token::v1::CredentialService::StubInterface> stub_;
};

}  // namespace parley::notification
