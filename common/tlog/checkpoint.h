// Checkpoints: what a log's tree is, signed (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint, which is a C2SP
// signed-note), by Ed25519 (RFC 8032).
//
//   parley/0190163d-8694-739b-aea5-966c26f8ad91
//   1327
//   pS1tq8rfTu9jEo0ZUJ4VtN0P4fQm4zFTCM8XfFjxzyI=
//
//   — parley/0190163d-8694-739b-aea5-966c26f8ad91 rTvGbQ...
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace parley::tlog {

// What is signed.
struct Checkpoint {
  std::string origin;  // names the log; also the name of the key: no blanks, plus signs or control characters
  int64_t size = 0;    // of the tree, in leaves
  std::string root;    // 32 bytes

  bool operator==(const Checkpoint&) const = default;
};

// The private key of a log. Thread-safe.
class SigningKey {
 public:
  // From an unencrypted PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` makes it. INVALID_ARGUMENT where it is
  // none.
  static absl::StatusOr<SigningKey> FromPem(const std::string& pem);

  // The signed note, always the same for the same checkpoint. INVALID_ARGUMENT where the origin is no name of a key:
  // more could be signed than it says.
  absl::StatusOr<std::string> Sign(const Checkpoint& checkpoint) const;
  // By which others check the signatures of this log, in the form of C2SP signed-note: `origin+f00dcafe+AQ...`.
  std::string VerifierKey(std::string_view origin) const;

 private:
  explicit SigningKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// What a note says, whoever signed it. INVALID_ARGUMENT where it is no checkpoint. Lines of extensions and signatures
// of others are passed over.
absl::StatusOr<Checkpoint> Parse(std::string_view note);

// As Parse, where it is signed by this key and of the log that the key names: else DATA_LOSS. INVALID_ARGUMENT also
// where the key cannot be read.
absl::StatusOr<Checkpoint> Open(std::string_view note, std::string_view verifier_key);

}  // namespace parley::tlog
