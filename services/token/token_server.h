// The two services of this process over gRPC: each method queues its call for a worker thread, which runs the handler
// of the same name. Thread-safe; what the constructors take must outlive the servers.
#pragma once

#include "common/rpc/call.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"
#include "parley/token/v1/token_service.grpc.pb.h"
#include "services/token/credential_handlers.h"
#include "services/token/token_handlers.h"

namespace parley::token {

class TokenServer final : public v1::TokenService::CallbackService {
 public:
  TokenServer(rpc::CallQueue& queue, const TokenHandlers& handlers);

  grpc::ServerUnaryReactor* CreateUser(grpc::CallbackServerContext* context, const v1::CreateUserRequest* request,
                                       v1::User* response) override {
    return create_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* GetUser(grpc::CallbackServerContext* context, const v1::GetUserRequest* request,
                                    v1::User* response) override {
    return get_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* ListUsers(grpc::CallbackServerContext* context, const v1::ListUsersRequest* request,
                                      v1::ListUsersResponse* response) override {
    return list_users_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* UpdateUser(grpc::CallbackServerContext* context, const v1::UpdateUserRequest* request,
                                       v1::User* response) override {
    return update_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* ActivateUser(grpc::CallbackServerContext* context, const v1::ActivateUserRequest* request,
                                         v1::User* response) override {
    return activate_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* DeactivateUser(grpc::CallbackServerContext* context,
                                           const v1::DeactivateUserRequest* request, v1::User* response) override {
    return deactivate_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* EraseUser(grpc::CallbackServerContext* context, const v1::EraseUserRequest* request,
                                      google::protobuf::Empty* response) override {
    return erase_user_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* CreateApiKey(grpc::CallbackServerContext* context, const v1::CreateApiKeyRequest* request,
                                         v1::ApiKey* response) override {
    return create_api_key_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* ListApiKeys(grpc::CallbackServerContext* context, const v1::ListApiKeysRequest* request,
                                        v1::ListApiKeysResponse* response) override {
    return list_api_keys_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* RevokeApiKey(grpc::CallbackServerContext* context, const v1::RevokeApiKeyRequest* request,
                                         v1::ApiKey* response) override {
    return revoke_api_key_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* GetEmailToken(grpc::CallbackServerContext* context, const v1::GetEmailTokenRequest* request,
                                          v1::EmailToken* response) override {
    return get_email_token_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* ListEmailTokens(grpc::CallbackServerContext* context,
                                            const v1::ListEmailTokensRequest* request,
                                            v1::ListEmailTokensResponse* response) override {
    return list_email_tokens_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* RevokeEmailToken(grpc::CallbackServerContext* context,
                                             const v1::RevokeEmailTokenRequest* request,
                                             v1::EmailToken* response) override {
    return revoke_email_token_.Start(context, request, response);
  }

 private:
  rpc::Method<v1::CreateUserRequest, v1::User> create_user_;
  rpc::Method<v1::GetUserRequest, v1::User> get_user_;
  rpc::Method<v1::ListUsersRequest, v1::ListUsersResponse> list_users_;
  rpc::Method<v1::UpdateUserRequest, v1::User> update_user_;
  rpc::Method<v1::ActivateUserRequest, v1::User> activate_user_;
  rpc::Method<v1::DeactivateUserRequest, v1::User> deactivate_user_;
  rpc::Method<v1::EraseUserRequest, google::protobuf::Empty> erase_user_;
  rpc::Method<v1::CreateApiKeyRequest, v1::ApiKey> create_api_key_;
  rpc::Method<v1::ListApiKeysRequest, v1::ListApiKeysResponse> list_api_keys_;
  rpc::Method<v1::RevokeApiKeyRequest, v1::ApiKey> revoke_api_key_;
  rpc::Method<v1::GetEmailTokenRequest, v1::EmailToken> get_email_token_;
  rpc::Method<v1::ListEmailTokensRequest, v1::ListEmailTokensResponse> list_email_tokens_;
  rpc::Method<v1::RevokeEmailTokenRequest, v1::EmailToken> revoke_email_token_;
};

class CredentialServer final : public internal::token::v1::CredentialService::CallbackService {
 public:
  CredentialServer(rpc::CallQueue& queue, const CredentialHandlers& handlers);

  grpc::ServerUnaryReactor* CheckCredential(grpc::CallbackServerContext* context,
                                            const internal::token::v1::CheckCredentialRequest* request,
                                            internal::token::v1::CheckCredentialResponse* response) override {
    return check_credential_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* RecheckCredentials(grpc::CallbackServerContext* context,
                                               const internal::token::v1::RecheckCredentialsRequest* request,
                                               internal::token::v1::RecheckCredentialsResponse* response) override {
    return recheck_credentials_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* CreateEmailTokens(grpc::CallbackServerContext* context,
                                              const internal::token::v1::CreateEmailTokensRequest* request,
                                              internal::token::v1::CreateEmailTokensResponse* response) override {
    return create_email_tokens_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* FindEmailToken(grpc::CallbackServerContext* context,
                                           const internal::token::v1::FindEmailTokenRequest* request,
                                           internal::token::v1::FindEmailTokenResponse* response) override {
    return find_email_token_.Start(context, request, response);
  }
  grpc::ServerUnaryReactor* RevokeEmailTokens(grpc::CallbackServerContext* context,
                                              const internal::token::v1::RevokeEmailTokensRequest* request,
                                              google::protobuf::Empty* response) override {
    return revoke_email_tokens_.Start(context, request, response);
  }

 private:
  rpc::Method<internal::token::v1::CheckCredentialRequest, internal::token::v1::CheckCredentialResponse>
      check_credential_;
  rpc::Method<internal::token::v1::RecheckCredentialsRequest, internal::token::v1::RecheckCredentialsResponse>
      recheck_credentials_;
  rpc::Method<internal::token::v1::CreateEmailTokensRequest, internal::token::v1::CreateEmailTokensResponse>
      create_email_tokens_;
  rpc::Method<internal::token::v1::FindEmailTokenRequest, internal::token::v1::FindEmailTokenResponse>
      find_email_token_;
  rpc::Method<internal::token::v1::RevokeEmailTokensRequest, google::protobuf::Empty> revoke_email_tokens_;
};

}  // namespace parley::token
