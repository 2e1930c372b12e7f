// Whether the callers of open streams still are who they were: asked of the token service, all at once. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/principal.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"

namespace parley::event {

class CallerCheck {
 public:
  // `address`: of the token service. The signer must outlive it.
  CallerCheck(const rpc::Signer& signer, const std::string& address);

  // For each of the users OK, or why a stream of theirs is to end: UNAUTHENTICATED (CREDENTIAL_INVALID, TOKEN_EXPIRED),
  // PERMISSION_DENIED. Fails where the token service does not answer by the deadline.
  absl::StatusOr<std::vector<absl::Status>> Check(const std::vector<rpc::Principal>& callers,
                                                  absl::Time deadline) const;

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<internal::token::v1::CredentialService::StubInterface> stub_;
};

}  // namespace parley::event
