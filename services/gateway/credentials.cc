#include "services/gateway/credentials.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"
#include "services/gateway/metadata.h"

namespace parley::gateway {
namespace {

using internal::token::v1::CheckCredentialRequest;
using internal::token::v1::CheckCredentialResponse;
using internal::token::v1::CredentialService;

constexpr char kCheckMethod[] = "/parley.internal.token.v1.CredentialService/CheckCredential";
constexpr absl::Duration kCheckTime = absl::Seconds(2);
constexpr std::string_view kTokenService = "the token service";
constexpr std::string_view kScheme = "bearer ";
constexpr size_t kMaxKeySize = 256;

std::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// What RFC 6750 lets a bearer token be.
bool IsKeyCharacter(unsigned char c) {
  return absl::ascii_isalnum(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

// The key in `Bearer KEY`; empty where that is not what it is.
std::string_view KeyOf(std::string_view authorization) {
  if (!absl::StartsWithIgnoreCase({authorization.data(), authorization.size()}, {kScheme.data(), kScheme.size()}))
    return {};
  std::string_view key = authorization.substr(kScheme.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  while (key.ends_with(' ')) key.remove_suffix(1);
  return key.size() <= kMaxKeySize && std::all_of(key.begin(), key.end(), IsKeyCharacter) ? key : std::string_view();
}

absl::Status BadActFor(std::string_view why) { return BadField("parley-act-for", why); }

absl::StatusOr<Credential> CredentialOf(const CheckCredentialResponse& response) {
  const auto user_id = Uuid::FromBytes(response.user_id());
  const auto credential_id = Uuid::FromBytes(response.credential_id());
  if (!user_id || !credential_id) return Internal("CheckCredential answered without user_id or credential_id");
  Credential credential;
  credential.principal.kind = rpc::Principal::Kind::kUser;
  credential.principal.user_id = *user_id;
  credential.principal.staff = response.role() == token::v1::User::STAFF;
  credential.principal.active = response.state() == token::v1::User::ACTIVE;
  credential.principal.credential_id = *credential_id;
  credential.principal.event_id = Uuid::FromBytes(response.event_id());
  credential.principal.acting_id = Uuid::FromBytes(response.acting_user_id());
  // An id that is lost would be rights that are gained.
  if (credential.principal.event_id.has_value() == response.event_id().empty() ||
      credential.principal.acting_id.has_value() == response.acting_user_id().empty()) {
    return Internal("CheckCredential answered with an id that is none");
  }
  if (response.has_expire_time()) {
    const auto expire_time = FromProto(response.expire_time());
    if (!expire_time) return Internal("CheckCredential answered with an expire_time that is none");
    credential.expire_time = *expire_time;
  }
  return credential;
}

// As the caller of the gateway sees it.
absl::Status ErrorOf(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return Unavailable(kTokenService);
  absl::Status error = rpc::FromGrpc(status, kTokenService);
  // It is not the caller's credential that is missing there, but ours.
  if (ReasonOf(error) == error::v1::CREDENTIAL_MISSING) {
    return Internal("the token service does not accept the gateway's signature: are their principal-secrets the same?");
  }
  return error;
}

}  // namespace

absl::StatusOr<std::optional<Presented>> PresentedIn(const CallMetadata& metadata) {
  const auto act_for = metadata.find("parley-act-for");
  const bool acts = act_for != metadata.end();
  switch (metadata.count("authorization")) {
    case 0:
      return acts ? absl::StatusOr<std::optional<Presented>>(CredentialMissing()) : std::nullopt;
    case 1:
      break;
    default:
      return CredentialInvalid();
  }
  const std::string_view key = KeyOf(View(metadata.find("authorization")->second));
  if (key.empty()) return CredentialInvalid();
  if (!acts) return Presented{std::string(key), ""};
  const std::string_view address = View(act_for->second);
  if (metadata.count("parley-act-for") > 1) return BadActFor("must be there once");
  // The longest address has 254 bytes. Whether it is one, the token service knows.
  if (address.empty() || address.size() > 254) return BadActFor("must be an e-mail address");
  if (!std::all_of(address.begin(), address.end(), [](unsigned char c) { return absl::ascii_isprint(c); })) {
    return BadActFor("must be an e-mail address");
  }
  return Presented{std::string(key), std::string(address)};
}

Authenticator::Check CheckWith(const std::shared_ptr<grpc::Channel>& channel, const rpc::Signer& signer) {
  const std::shared_ptr<CredentialService::Stub> stub = CredentialService::NewStub(channel);
  return [stub, &signer](const Presented& presented, std::string_view call_id,
                         std::function<void(absl::StatusOr<Credential>)> done) {
    struct Question {
      grpc::ClientContext context;
      CheckCredentialRequest request;
      CheckCredentialResponse response;
    };
    auto question = std::make_shared<Question>();
    question->request.set_key(presented.key);
    question->request.set_act_for(presented.act_for);
    rpc::SignAsService(question->context, signer, "gateway", kCheckMethod, call_id, absl::Now() + kCheckTime);
    stub->async()->CheckCredential(&question->context, &question->request, &question->response,
                                   [question, done = std::move(done)](const grpc::Status& status) mutable {
                                     auto answer = status.ok() ? CredentialOf(question->response) : ErrorOf(status);
                                     // It holds the channel, which must not be closed from here: when the last call
                                     // ends, so may the process.
                                     question.reset();
                                     done(std::move(answer));
                                   });
  };
}

}  // namespace parley::gateway
