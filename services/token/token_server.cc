#include "services/token/token_server.h"

#include <functional>

namespace parley::token {

TokenServer::TokenServer(rpc::CallQueue& queue, const TokenHandlers& handlers)
    : create_user_(queue, "/parley.token.v1.TokenService/CreateUser",
                   std::bind_front(&TokenHandlers::CreateUser, &handlers)),
      get_user_(queue, "/parley.token.v1.TokenService/GetUser", std::bind_front(&TokenHandlers::GetUser, &handlers)),
      list_users_(queue, "/parley.token.v1.TokenService/ListUsers",
                  std::bind_front(&TokenHandlers::ListUsers, &handlers)),
      update_user_(queue, "/parley.token.v1.TokenService/UpdateUser",
                   std::bind_front(&TokenHandlers::UpdateUser, &handlers)),
      activate_user_(queue, "/parley.token.v1.TokenService/ActivateUser",
                     std::bind_front(&TokenHandlers::ActivateUser, &handlers)),
      deactivate_user_(queue, "/parley.token.v1.TokenService/DeactivateUser",
                       std::bind_front(&TokenHandlers::DeactivateUser, &handlers)),
      erase_user_(queue, "/parley.token.v1.TokenService/EraseUser",
                  std::bind_front(&TokenHandlers::EraseUser, &handlers)),
      create_api_key_(queue, "/parley.token.v1.TokenService/CreateApiKey",
                      std::bind_front(&TokenHandlers::CreateApiKey, &handlers)),
      list_api_keys_(queue, "/parley.token.v1.TokenService/ListApiKeys",
                     std::bind_front(&TokenHandlers::ListApiKeys, &handlers)),
      revoke_api_key_(queue, "/parley.token.v1.TokenService/RevokeApiKey",
                      std::bind_front(&TokenHandlers::RevokeApiKey, &handlers)),
      get_email_token_(queue, "/parley.token.v1.TokenService/GetEmailToken",
                       std::bind_front(&TokenHandlers::GetEmailToken, &handlers)),
      list_email_tokens_(queue, "/parley.token.v1.TokenService/ListEmailTokens",
                         std::bind_front(&TokenHandlers::ListEmailTokens, &handlers)),
      revoke_email_token_(queue, "/parley.token.v1.TokenService/RevokeEmailToken",
                          std::bind_front(&TokenHandlers::RevokeEmailToken, &handlers)) {}

CredentialServer::CredentialServer(rpc::CallQueue& queue, const CredentialHandlers& handlers)
    : check_credential_(queue, "/parley.internal.token.v1.CredentialService/CheckCredential",
                        std::bind_front(&CredentialHandlers::CheckCredential, &handlers)),
      recheck_credentials_(queue, "/parley.internal.token.v1.CredentialService/RecheckCredentials",
                           std::bind_front(&CredentialHandlers::RecheckCredentials, &handlers)),
      create_email_tokens_(queue, "/parley.internal.token.v1.CredentialService/CreateEmailTokens",
                           std::bind_front(&CredentialHandlers::CreateEmailTokens, &handlers)),
      find_email_token_(queue, "/parley.internal.token.v1.CredentialService/FindEmailToken",
                        std::bind_front(&CredentialHandlers::FindEmailToken, &handlers)),
      revoke_email_tokens_(queue, "/parley.internal.token.v1.CredentialService/RevokeEmailTokens",
                           std::bind_front(&CredentialHandlers::RevokeEmailTokens, &handlers)) {}

}  // namespace parley::token
