#include "services/notification/token_client.h"

#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"

namespace parley::notification {
namespace {

namespace token = internal::token::v1;

constexpr char kSelf[] = "notification";
constexpr char kTokenService[] = "the token service";
constexpr char kCreate[] = "/parley.internal.token.v1.CredentialService/CreateEmailToken";
constexpr char kFind[] = "/parley.internal.token.v1.CredentialService/FindEmailToken";
constexpr char kRevoke[] = "/parley.internal.token.v1.CredentialService/RevokeEmailToken";

}  // namespace

absl::StatusOr<EmailToken> TokenClient::Create(const Uuid& event_id, const Uuid& user_id, const std::string& call_id,
                                               absl::Time deadline) {
  token::CreateEmailTokenRequest request;
  request.set_event_id(event_id.ToBytes());
  request.set_user_id(user_id.ToBytes());
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kCreate, call_id, deadline);
  token::CreateEmailTokenResponse response;
  PARLEY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->CreateEmailToken(&context, request, &response), kTokenService));
  const auto id = Uuid::FromBytes(response.email_token_id());
  const auto expire_time = FromProto(response.expire_time());
  if (!id || !expire_time) return Internal("the token service answered with a token that cannot be read");
  return EmailToken{*id, response.key(), *expire_time};
}

absl::Status TokenClient::Revoke(const Uuid& email_token_id, const std::string& call_id, absl::Time deadline) {
  token::RevokeEmailTokenRequest request;
  request.set_email_token_id(email_token_id.ToBytes());
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kRevoke, call_id, deadline);
  google::protobuf::Empty response;
  return rpc::FromGrpc(stub_->RevokeEmailToken(&context, request, &response), kTokenService);
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
