// The token service, as far as a delivery needs it: a key for each attempt, and its end where the attempt failed
// (domain rule T1). Thread-safe.
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

class TokenClient {
 public:
  // The signer must outlive it.
  TokenClient(const rpc::Signer& signer, const std::string& address)
      : signer_(signer), stub_(internal::token::v1::CredentialService::NewStub(rpc::MakeChannel(address))) {}

  // NOT_FOUND where the event is gone; UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::StatusOr<EmailToken> Create(const Uuid& event_id, const Uuid& user_id, const std::string& call_id,
                                    absl::Time deadline);
  // UNAVAILABLE, DEADLINE_EXCEEDED.
  absl::Status Revoke(const Uuid& email_token_id, const std::string& call_id, absl::Time deadline);

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<internal::token::v1::CredentialService::StubInterface> stub_;
};

}  // namespace parley::notification
