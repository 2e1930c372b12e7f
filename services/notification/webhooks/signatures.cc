#include "services/notification/webhooks/signatures.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace parley::notification {
namespace {

constexpr size_t kMinSecret = 32;
constexpr std::string_view kSecretPrefix = "whsec_";

std::string Hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> mac;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), mac.data(), nullptr);
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

}  // namespace

absl::StatusOr<WebhookKey> WebhookKey::Make(std::string_view secret) {
  const std::string line(absl::StripAsciiWhitespace(absl::string_view(secret.data(), secret.size())));
  if (line.size() < kMinSecret || line.find('\n') != std::string::npos) {
    return absl::InvalidArgumentError("the webhook secret must be one line of at least 32 characters");
  }
  return WebhookKey(line);
}

std::string WebhookKey::SecretOf(const Uuid& webhook_id) const {
  return absl::StrCat(std::string(kSecretPrefix), absl::Base64Escape(Hmac(secret_, webhook_id.ToString())));
}

std::string SignatureOf(std::string_view secret, std::string_view webhook_id_header, int64_t timestamp,
                        std::string_view body) {
  if (secret.starts_with(kSecretPrefix)) secret.remove_prefix(kSecretPrefix.size());
  std::string key;
  absl::Base64Unescape(absl::string_view(secret.data(), secret.size()), &key);
  const std::string text =
      absl::StrCat(std::string(webhook_id_header), ".", timestamp, ".", absl::string_view(body.data(), body.size()));
  return absl::StrCat("v1,", absl::Base64Escape(Hmac(key, text)));
}

Uuid DeliveryIdOf(const Uuid& webhook_id, const Uuid& event_id, int64_t sequence) {
  std::string bytes = webhook_id.ToBytes() + event_id.ToBytes();
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(sequence >> shift & 0xff);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  Uuid id;
  std::copy_n(hash.begin(), id.bytes.size(), id.bytes.begin());
  // Version 8, made in a way of one's own (RFC 9562, 5.8).
  id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x80);
  id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

}  // namespace parley::notification
