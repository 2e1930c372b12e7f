// parley.token.v1.TokenService as plain functions: check, call, fill; in the order of checks of proto/README.md. One
// file for each resource: user_handlers.cc, api_key_handlers.cc, email_token_handlers.cc.
//
// Thread-safe; the pool and the signer must outlive it.
#pragma once

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "parley/token/v1/token_service.pb.h"

namespace parley::token {

class TokenHandlers {
 public:
  // `signer` is for page tokens and remembered requests.
  TokenHandlers(data::Pool& pool, const rpc::Signer& signer) : pool_(pool), signer_(signer) {}

  absl::Status CreateUser(const rpc::Call& call, const v1::CreateUserRequest& request, v1::User& response) const;
  absl::Status GetUser(const rpc::Call& call, const v1::GetUserRequest& request, v1::User& response) const;
  absl::Status ListUsers(const rpc::Call& call, const v1::ListUsersRequest& request,
                         v1::ListUsersResponse& response) const;
  absl::Status UpdateUser(const rpc::Call& call, const v1::UpdateUserRequest& request, v1::User& response) const;
  absl::Status ActivateUser(const rpc::Call& call, const v1::ActivateUserRequest& request, v1::User& response) const;
  absl::Status DeactivateUser(const rpc::Call& call, const v1::DeactivateUserRequest& request,
                              v1::User& response) const;
  absl::Status EraseUser(const rpc::Call& call, const v1::EraseUserRequest& request,
                         google::protobuf::Empty& response) const;

  absl::Status CreateApiKey(const rpc::Call& call, const v1::CreateApiKeyRequest& request, v1::ApiKey& response) const;
  absl::Status ListApiKeys(const rpc::Call& call, const v1::ListApiKeysRequest& request,
                           v1::ListApiKeysResponse& response) const;
  absl::Status RevokeApiKey(const rpc::Call& call, const v1::RevokeApiKeyRequest& request, v1::ApiKey& response) const;

  absl::Status GetEmailToken(const rpc::Call& call, const v1::GetEmailTokenRequest& request,
                             v1::EmailToken& response) const;
  absl::Status ListEmailTokens(const rpc::Call& call, const v1::ListEmailTokensRequest& request,
                               v1::ListEmailTokensResponse& response) const;
  absl::Status RevokeEmailToken(const rpc::Call& call, const v1::RevokeEmailTokenRequest& request,
                                v1::EmailToken& response) const;

 private:
  data::Pool& pool_;
  const rpc::Signer& signer_;
};

}  // namespace parley::token
