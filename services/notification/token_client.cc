#include "services/notification/token_client.h"

#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"

namespace parley::notification {
namespace {

namespace token = internal::token::v1;

constexpr char kSelf[] = "notification";
constexpr char kTokenService[] = "the token service";
constexpr char kCreate[] = "/parley.internal.token.v1.CredentialService/CreateEmailTokens";
constexpr char kFind[] = "/parley.internal.token.v1.CredentialService/FindEmailToken";
constexpr char kRevoke[] = "/parley.internal.token.v1.CredentialService/RevokeEmailTokens";

}  // namespace

absl::StatusOr<std::vector<EmailToken>> TokenClient::Create(absl::Span<const TokenHolder> holders,
                                                            const std::string& call_id, absl::Time deadline) {
  token::CreateEmailTokensRequest request;
  for (const TokenHolder& holder : holders) {
    auto& proto = *request.add_holders();
    proto.set_event_id(holder.event_id.ToBytes());
    proto.set_user_id(holder.user_id.ToBytes());
  }
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kCreate, call_id, deadline);
  token::CreateEmailTokensResponse response;
  PARLEY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->CreateEmailTokens(&context, request, &response), kTokenService));
  if (response.results_size() != request.holders_size()) {
    return Internal("the token service answered with another number of tokens");
  }
  std::vector<EmailToken> email_tokens;
  for (const auto& result : response.results()) {
    EmailToken& email_token = email_tokens.emplace_back();
    email_token.refusal = result.refusal();
    if (email_token.refusal != token::CreateEmailTokensResponse::Result::REFUSAL_UNSPECIFIED) continue;
    const auto id = Uuid::FromBytes(result.email_token_id());
    const auto expire_time = FromProto(result.expire_time());
    if (!id || !expire_time) return Internal("the token service answered with a token that cannot be read");
    email_token.id = *id;
    email_token.key = result.key();
    email_token.expire_time = *expire_time;
  }
  return email_tokens;
}

absl::Status TokenClient::Revoke(absl::Span<const Uuid> email_token_ids, const std::string& call_id,
                                 absl::Time deadline) {
  token::RevokeEmailTokensRequest request;
  for (const Uuid& id : email_token_ids) request.add_email_token_ids(id.ToBytes());
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kRevoke, call_id, deadline);
  google::protobuf::Empty response;
  return rpc::FromGrpc(stub_->RevokeEmailTokens(&context, request, &response), kTokenService);
}

absl::StatusOr<TokenHolder> TokenClient::Find(const std::string& key_hash, const std::string& call_id,
                                              absl::Time deadline) {
  token::FindEmailTokenRequest request;
  request.set_key_hash(key_hash);
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kFind, call_id, deadline);
  token::FindEmailTokenResponse response;
  PARLEY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->FindEmailToken(&context, request, &response), kTokenService));
  const auto event_id = Uuid::FromBytes(response.event_id());
  const auto user_id = Uuid::FromBytes(response.user_id());
  if (!event_id || !user_id) return Internal("the token service answered with a token that cannot be read");
  return TokenHolder{*event_id, *user_id};
}

}  // namespace parley::notification
