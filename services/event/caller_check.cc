#include "services/event/caller_check.h"

#include <algorithm>

#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

using internal::token::v1::CredentialService;
using internal::token::v1::RecheckCredentialsRequest;
using internal::token::v1::RecheckCredentialsResponse;

constexpr char kMethod[] = "/parley.internal.token.v1.CredentialService/RecheckCredentials";
constexpr char kTokenService[] = "the token service";
// Of some eighty bytes each.
constexpr size_t kMaxCallers = 5000;

absl::Status StatusOf(int verdict) {
  switch (verdict) {
    case RecheckCredentialsResponse::GOOD:
      return absl::OkStatus();
    case RecheckCredentialsResponse::EXPIRED:
      return TokenExpired();
    case RecheckCredentialsResponse::ROLE_LOST:
      return Forbidden("the caller is no longer staff");
    default:
      return CredentialInvalid();
  }
}

}  // namespace

CallerCheck::CallerCheck(const rpc::Signer& signer, const std::string& address)
    : signer_(signer), stub_(CredentialService::NewStub(rpc::MakeChannel(address))) {}

absl::StatusOr<std::vector<absl::Status>> CallerCheck::Check(const std::vector<rpc::Principal>& callers,
                                                             absl::Time deadline) const {
  std::vector<absl::Status> statuses;
  while (statuses.size() < callers.size()) {
    RecheckCredentialsRequest request;
    const size_t end = std::min(callers.size(), statuses.size() + kMaxCallers);
    for (size_t i = statuses.size(); i < end; ++i) {
      auto& caller = *request.add_callers();
      caller.set_credential_id(callers[i].credential_id.ToBytes());
      caller.set_email_token(callers[i].guest());
      caller.set_user_id(callers[i].user_id.ToBytes());
      caller.set_role(callers[i].staff ? token::v1::User::STAFF : token::v1::User::MEMBER);
      if (callers[i].acting_id) caller.set_acting_user_id(callers[i].acting_id->ToBytes());
    }
    grpc::ClientContext context;
    rpc::SignAsService(context, signer_, "event", kMethod, "", deadline);
    RecheckCredentialsResponse response;
    PARLEY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->RecheckCredentials(&context, request, &response), kTokenService));
    if (response.verdicts_size() != request.callers_size()) {
      return Internal("the token service answered about another number of callers");
    }
    for (const int verdict : response.verdicts()) statuses.push_back(StatusOf(verdict));
  }
  return statuses;
}

}  // namespace parley::event
