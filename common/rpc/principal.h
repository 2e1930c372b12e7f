// On whose behalf a call is made, and the signature by which a service knows that another of Parley's processes says
// so (design decision 3): HMAC-SHA256 (RFC 2104) under a secret that the processes share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/data/uuid.h"

namespace parley::rpc {

struct Principal {
  enum class Kind { kNobody, kUser, kService };

  Kind kind = Kind::kNobody;
  Uuid user_id;                   // with whose rights
  bool staff = false;             // its role
  bool active = false;            // registered
  Uuid credential_id;             // API key or e-mail token
  std::optional<Uuid> event_id;   // a guest: the one event that the e-mail token opens
  std::optional<Uuid> acting_id;  // the staff user who acts for user_id
  std::string service;            // kService: which

  bool guest() const { return event_id.has_value(); }
  static Principal Service(std::string_view name) {
    Principal principal;
    principal.kind = Kind::kService;
    principal.service = name;
    return principal;
  }
};

// The service that a method belongs to: `event` for `/parley.event.v1.EventService/GetEvent`, `token` for
// `/parley.internal.token.v1...`. Empty for what is not Parley's.
std::string AudienceOf(std::string_view method);

// Thread-safe.
class Signer {
 public:
  // `secrets`: one or two lines of at least 32 characters each. The first signs, both are accepted, so that a secret
  // can be replaced while everything runs.
  static absl::StatusOr<Signer> Make(std::string_view secrets);

  // What goes into the metadata kPrincipalMetadata: for this method alone, until `now` + 30 s.
  std::string Sign(const Principal& principal, std::string_view method, absl::Time now) const;
  // UNAUTHENTICATED (CREDENTIAL_MISSING) for what was not signed so, for another method, or has expired.
  absl::StatusOr<Principal> Verify(std::string_view signed_principal, std::string_view method, absl::Time now) const;

  // 32 bytes that only holders of the secret can make of `text`, and whether they are. `purpose` keeps what is made for
  // one thing from being taken for another.
  std::string Mac(std::string_view purpose, std::string_view text) const;
  bool IsMac(std::string_view mac, std::string_view purpose, std::string_view text) const;

 private:
  class Hmac;
  explicit Signer(std::vector<std::shared_ptr<const Hmac>> hmacs) : hmacs_(std::move(hmacs)) {}
  std::vector<std::shared_ptr<const Hmac>> hmacs_;  // one for each secret
};

inline constexpr char kPrincipalMetadata[] = "parley-principal-bin";

}  // namespace parley::rpc
