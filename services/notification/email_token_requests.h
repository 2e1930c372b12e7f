// Calls of RequestEmailToken that nobody has looked at yet (domain rule T7): the table email_token_requests. For whom
// they are is kept without the key, and without the address.
#pragma once

#include <optional>
#include <string>

#include "common/data/transaction.h"

namespace parley::notification {

struct EmailTokenRequest {
  Uuid id;
  std::string key_hash;          // of the key; empty where there is none
  std::optional<Uuid> event_id;  // else the event
  std::string address_mac;       // and a keyed digest of the address
};

// Within one transaction, which must outlive it.
class EmailTokenRequests {
 public:
  explicit EmailTokenRequests(data::Transaction& tx) : tx_(tx) {}

  // A new one, due at once.
  absl::Status Insert(const EmailTokenRequest& request);
  // Takes the one that is due longest and that nobody else takes at this moment: nobody else takes it until the lease
  // is up.
  absl::StatusOr<std::optional<EmailTokenRequest>> Claim(absl::Duration lease);
  // Whether it was still there.
  absl::StatusOr<bool> Delete(const Uuid& id);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
