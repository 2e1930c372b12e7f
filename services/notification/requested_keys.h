// What becomes of calls of RequestEmailToken (domain rule T7): one by one they are worked off, apart from the calls, so
// that nobody learns from an answer what was found. Where there is such a party, and it has not asked too often, it is
// sent a notification in its own name. Thread-safe.
#pragma once

#include <string>

#include "common/data/transaction.h"
#include "common/rpc/principal.h"
#include "services/notification/email_token_requests.h"
#include "services/notification/token_client.h"

namespace parley::notification {

// Of the digests of addresses in email_token_requests.
inline constexpr char kAddressPurpose[] = "email token request";

class RequestedKeys {
 public:
  // All must outlive it.
  RequestedKeys(data::Pool& pool, const rpc::Signer& signer, TokenClient& tokens)
      : pool_(pool), signer_(signer), tokens_(tokens) {}

  // Works off the one that is due longest. False where there is none. What fails, since something is away, stays for
  // later. Each of the steps has this much time.
  absl::StatusOr<bool> WorkOffOne(absl::Duration step_timeout);

 private:
  // Nothing where there is no notification to send.
  absl::StatusOr<std::optional<Uuid>> WorkOff(const EmailTokenRequest& request, const std::string& call_id,
                                              absl::Duration step_timeout);

  data::Pool& pool_;
  const rpc::Signer& signer_;
  TokenClient& tokens_;
};

}  // namespace parley::notification
