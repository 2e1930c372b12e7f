// Credentials as they come with a call, and the question to the token service what they are.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/rpc/principal.h"
#include "services/gateway/authenticator.h"

namespace parley::gateway {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// From `authorization: Bearer KEY` and `parley-act-for: ADDRESS`; nothing where a call has neither. UNAUTHENTICATED
// (CREDENTIAL_INVALID) where there are several or it is not well formed, (CREDENTIAL_MISSING) where it would act for
// somebody and has no credential; INVALID_ARGUMENT where it names no address to act for.
absl::StatusOr<std::optional<Presented>> PresentedIn(const CallMetadata& metadata);

// Asks CheckCredential over `channel`, within two seconds whatever the call's deadline: others may wait for the same
// answer. `signer` must outlive it.
Authenticator::Check CheckWith(const std::shared_ptr<grpc::Channel>& channel, const rpc::Signer& signer);

}  // namespace parley::gateway
