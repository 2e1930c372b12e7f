// The token service, as far as deliveries need it: a key for each attempt, and its end where the attempt failed (domain
// rule T1); and for whom a key was made (T7). Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"

namespace parley::notification {

// For whom an e-mail token is made.
struct TokenHolder {
  Uuid event_id;
  Uuid user_id;
};

struct EmailToken {
  using Refusal = internal::token::v1::CreateEmailTokensResponse::Result::Refusal;

  Refusal refusal;  // REFUSAL_UNSPECIFIED where there is one
  Uuid id;
  std::string key;
  absl::Time expire_time;
};

class TokenClient {
 public:
  // The signer must outlive it.
  TokenClient(const rpc::Signer& signer, const std::string& address)
      : signer_(signer), stub_(internal::token::v1::CredentialService::NewStub(rpc::MakeChannel(address))) {}

  // One for each of at most 1000 holders, in their order, where none is refused. UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::StatusOr<std::vector<EmailToken>> Create(absl::Span<const TokenHolder> holders, const std::string& call_id,
                                                 absl::Time deadline);
  // At most 1000. UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::Status Revoke(absl::Span<const Uuid> email_token_ids, const std::string& call_id, absl::Time deadline);
  // Also of one that has expired. NOT_FOUND where it is unknown or revoked, or the event gone; UNAVAILABLE,
  // DEADLINE_EXCEEDED.
  absl::StatusOr<TokenHolder> Find(const std::string& key_hash, const std::string& call_id, absl::Time deadline);

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<internal::token::v1::CredentialService::StubInterface> stub_;
};

}  // namespace parley::notification
