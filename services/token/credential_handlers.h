// parley.internal.token.v1.CredentialService as plain functions: check, call, fill. Only Parley's own services may call
// them. Thread-safe; the pool must outlive it.
#pragma once

#include <google/protobuf/empty.pb.h>

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "parley/internal/token/v1/credential_service.pb.h"

namespace parley::token {

class CredentialHandlers {
 public:
  // `email_token_lifetime`: from the making of an e-mail token to its expiry.
  CredentialHandlers(data::Pool& pool, absl::Duration email_token_lifetime)
      : pool_(pool), email_token_lifetime_(email_token_lifetime) {}

  absl::Status CheckCredential(const rpc::Call& call, const internal::token::v1::CheckCredentialRequest& request,
                               internal::token::v1::CheckCredentialResponse& response) const;
  absl::Status RecheckCredentials(const rpc::Call& call, const internal::token::v1::RecheckCredentialsRequest& request,
                                  internal::token::v1::RecheckCredentialsResponse& response) const;
  absl::Status CreateEmailTokens(const rpc::Call& call, const internal::token::v1::CreateEmailTokensRequest& request,
                                 internal::token::v1::CreateEmailTokensResponse& response) const;
  absl::Status FindEmailToken(const rpc::Call& call, const internal::token::v1::FindEmailTokenRequest& request,
                              internal::token::v1::FindEmailTokenResponse& response) const;
  absl::Status RevokeEmailTokens(const rpc::Call& call, const internal::token::v1::RevokeEmailTokensRequest& request,
                                 google::protobuf::Empty& response) const;

 private:
  data::Pool& pool_;
  const absl::Duration email_token_lifetime_;
};

}  // namespace parley::token
