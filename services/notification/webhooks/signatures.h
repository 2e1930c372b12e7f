// By what a receiver knows that a request is Parley's: the headers of Standard Webhooks (standardwebhooks.com).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/data/uuid.h"

namespace parley::notification {

// The server's secret, of which the secret of each webhook is made, so that none is kept. With another one no receiver
// takes what it is sent. Thread-safe.
class WebhookKey {
 public:
  // `secret`: one line of at least 32 characters.
  static absl::StatusOr<WebhookKey> Make(std::string_view secret);

  // `whsec_` and base64 of 32 bytes: for the receiver.
  std::string SecretOf(const Uuid& webhook_id) const;

 private:
  explicit WebhookKey(std::string_view secret) : secret_(secret) {}
  std::string secret_;
};

// The header webhook-signature, `v1,...`, under a webhook's secret. `timestamp`: seconds since 1970, as in the header.
std::string SignatureOf(std::string_view secret, std::string_view webhook_id_header, int64_t timestamp,
                        std::string_view body);

// The id of a delivery, the header webhook-id: the same however often the entry is sent.
Uuid DeliveryIdOf(const Uuid& webhook_id, const Uuid& event_id, int64_t sequence);

}  // namespace parley::notification
