#include "common/rpc/principal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <array>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "parley/internal/rpc/v1/principal.pb.h"

namespace parley::rpc {
namespace {

using Proto = internal::rpc::v1::Principal;

constexpr absl::Duration kLifetime = absl::Seconds(30);
constexpr size_t kMinSecretSize = 32;
constexpr size_t kMacSize = SHA256_DIGEST_LENGTH;
constexpr std::string_view kPurpose = "principal";

}  // namespace

std::string AudienceOf(std::string_view method) {
  for (const std::string_view root : {"/parley.internal.", "/parley."}) {
    if (method.starts_with(root))
      return std::string(method.substr(root.size(), method.find('.', root.size()) - root.size()));
  }
  return "";
}

// HMAC-SHA256 (RFC 2104) under one secret. Kept ready: OpenSSL takes longer to look an algorithm up than to run it.
class Signer::Hmac {
 public:
  explicit Hmac(std::string_view secret) {
    EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    ready_ = EVP_MAC_CTX_new(algorithm);
    // Without signatures nothing can go on.
    if (EVP_MAC_init(ready_, reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), params) != 1) {
      std::abort();
    }
    EVP_MAC_free(algorithm);
  }
  ~Hmac() { EVP_MAC_CTX_free(ready_); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  std::string operator()(std::string_view purpose, std::string_view text) const {
    std::array<unsigned char, kMacSize> mac;
    size_t size = 0;
    EVP_MAC_CTX* context = EVP_MAC_CTX_dup(ready_);
    EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size());
    EVP_MAC_update(context, reinterpret_cast<const unsigned char*>("\0"), 1);
    EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MAC_final(context, mac.data(), &size, mac.size());
    EVP_MAC_CTX_free(context);
    return {reinterpret_cast<const char*>(mac.data()), size};
  }

 private:
  EVP_MAC_CTX* ready_;
};

absl::StatusOr<Signer> Signer::Make(std::string_view secrets) {
  std::vector<std::string> lines;
  for (const auto line :
       absl::StrSplit(absl::string_view(secrets.data(), secrets.size()), '\n', absl::SkipWhitespace())) {
    lines.emplace_back(absl::StripAsciiWhitespace(line));
    if (lines.back().size() < kMinSecretSize) {
      return absl::InvalidArgumentError("principal secrets must have at least 32 characters each");
    }
  }
  if (lines.empty() || lines.size() > 2) return absl::InvalidArgumentError("one or two principal secrets are needed");
  std::vector<std::shared_ptr<const Hmac>> hmacs;
  for (const std::string& secret : lines) hmacs.push_back(std::make_shared<const Hmac>(secret));
  return Signer(std::move(hmacs));
}

std::string Signer::Mac(std::string_view purpose, std::string_view text) const {
  return (*hmacs_.front())(purpose, text);
}

bool Signer::IsMac(std::string_view mac, std::string_view purpose, std::string_view text) const {
  for (const auto& hmac : hmacs_) {
    const std::string expected = (*hmac)(purpose, text);
    if (mac.size() == expected.size() && CRYPTO_memcmp(mac.data(), expected.data(), mac.size()) == 0) return true;
  }
  return false;
}

std::string Signer::Sign(const Principal& principal, std::string_view method, absl::Time now) const {
  Proto proto;
  switch (principal.kind) {
    case Principal::Kind::kNobody:
      proto.set_kind(Proto::NOBODY);
      break;
    case Principal::Kind::kService:
      proto.set_kind(Proto::SERVICE);
      proto.set_service(principal.service);
      break;
    case Principal::Kind::kUser:
      proto.set_kind(Proto::USER);
      proto.set_user_id(principal.user_id.ToBytes());
      proto.set_role(principal.staff ? Proto::STAFF : Proto::MEMBER);
      proto.set_active(principal.active);
      proto.set_credential_id(principal.credential_id.ToBytes());
      if (principal.event_id) proto.set_event_id(principal.event_id->ToBytes());
      if (principal.acting_id) proto.set_acting_user_id(principal.acting_id->ToBytes());
      break;
  }
  proto.set_method(std::string(method));
  proto.set_audience(AudienceOf(method));
  ToProto(now + kLifetime, proto.mutable_expire_time());
  const std::string bytes = proto.SerializeAsString();
  return bytes + Mac(kPurpose, bytes);
}

absl::StatusOr<Principal> Signer::Verify(std::string_view signed_principal, std::string_view method,
                                         absl::Time now) const {
  if (signed_principal.size() < kMacSize) return CredentialMissing();
  const std::string_view bytes = signed_principal.substr(0, signed_principal.size() - kMacSize);
  if (!IsMac(signed_principal.substr(bytes.size()), kPurpose, bytes)) return CredentialMissing();
  Proto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return CredentialMissing();
  const auto expire_time = FromProto(proto.expire_time());
  if (proto.method() != method || proto.audience() != AudienceOf(method) || !expire_time || now >= *expire_time) {
    return CredentialMissing();
  }
  Principal principal;
  switch (proto.kind()) {
    case Proto::NOBODY:
      return principal;
    case Proto::SERVICE:
      return Principal::Service(proto.service());
    case Proto::USER:
      break;
    default:
      return CredentialMissing();
  }
  principal.kind = Principal::Kind::kUser;
  principal.user_id = Uuid::FromBytes(proto.user_id()).value_or(Uuid{});
  principal.staff = proto.role() == Proto::STAFF;
  principal.active = proto.active();
  principal.credential_id = Uuid::FromBytes(proto.credential_id()).value_or(Uuid{});
  principal.event_id = Uuid::FromBytes(proto.event_id());
  principal.acting_id = Uuid::FromBytes(proto.acting_user_id());
  return principal;
}

}  // namespace parley::rpc
