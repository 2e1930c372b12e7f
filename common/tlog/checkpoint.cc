#include "common/tlog/checkpoint.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace parley::tlog {

namespace {

constexpr size_t kRootSize = 32;
constexpr size_t kKeyIdSize = 4;
constexpr size_t kPublicKeySize = 32;
constexpr size_t kSignatureSize = 64;
constexpr std::string_view kEd25519 = "\1";  // C2SP's number of it
constexpr std::string_view kSignatureMark = "— ";

struct Signature {
  std::string name;   // of the key
  std::string bytes;  // the key's id, then what its algorithm makes
};

struct Note {
  Checkpoint checkpoint;
  std::string_view body;
  std::vector<Signature> signatures;
};

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// Abseil's decoder passes over blanks, missing padding and stray bits: only what it would itself have written counts.
std::optional<std::string> FromBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(ToAbsl(text), &bytes) || absl::Base64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

// Unicode's blanks beyond ASCII are let through: they are no danger to the format.
bool IsKeyName(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '+'; });
}

std::string KeyId(std::string_view name, std::string_view public_key) {
  const std::string named = absl::StrCat(ToAbsl(name), "\n", ToAbsl(kEd25519), ToAbsl(public_key));
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(Bytes(named), named.size(), hash.data());
  return {reinterpret_cast<const char*>(hash.data()), kKeyIdSize};
}

std::string MakeVerifierKey(std::string_view name, std::string_view public_key) {
  return absl::StrCat(ToAbsl(name), "+", absl::BytesToHexString(KeyId(name, public_key)), "+",
                      absl::Base64Escape(absl::StrCat(ToAbsl(kEd25519), ToAbsl(public_key))));
}

std::string PublicKey(const EVP_PKEY* key) {
  std::string bytes(kPublicKeySize, 0);
  size_t size = bytes.size();
  // It was Ed25519 when it was read.
  if (EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &size) != 1) std::abort();
  return bytes;
}

bool IsSignature(std::string_view signature, std::string_view text, std::string_view public_key) {
  EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), public_key.size());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool good = key != nullptr && EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, key) == 1 &&
                    EVP_DigestVerify(context, Bytes(signature), signature.size(), Bytes(text), text.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  // A TLS connection of this thread would take an error that is left for its own.
  if (!good) ERR_clear_error();
  return good;
}

std::string Body(const Checkpoint& checkpoint) {
  return absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n", absl::Base64Escape(checkpoint.root), "\n");
}

std::optional<Signature> ParseSignature(std::string_view line) {
  if (!line.starts_with(kSignatureMark)) return std::nullopt;
  line.remove_prefix(kSignatureMark.size());
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos || !IsKeyName(line.substr(0, blank))) return std::nullopt;
  auto bytes = FromBase64(line.substr(blank + 1));
  if (!bytes || bytes->size() <= kKeyIdSize) return std::nullopt;
  return Signature{std::string(line.substr(0, blank)), *std::move(bytes)};
}

absl::StatusOr<Note> ParseNote(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; })) {
    return absl::InvalidArgumentError("a checkpoint has no control characters");
  }
  // No line of a checkpoint is empty but this one.
  const size_t blank_line = text.find("\n\n");
  if (blank_line == std::string_view::npos) return absl::InvalidArgumentError("a checkpoint has signatures");
  Note note;
  note.body = text.substr(0, blank_line + 1);

  const std::vector<std::string> lines = absl::StrSplit(ToAbsl(note.body), '\n');
  Checkpoint& checkpoint = note.checkpoint;
  // What the lines are read as must be written as they are: no leading zeros, signs, stray bits of base64.
  if (lines.size() < 4 || lines[0].empty() || !absl::SimpleAtoi(lines[1], &checkpoint.size) || checkpoint.size < 0 ||
      !absl::Base64Unescape(lines[2], &checkpoint.root) || checkpoint.root.size() != kRootSize) {
    return absl::InvalidArgumentError("a checkpoint has an origin, a size and a root");
  }
  checkpoint.origin = lines[0];
  if (!note.body.starts_with(Body(checkpoint))) {
    return absl::InvalidArgumentError("a checkpoint has one spelling");
  }

  std::vector<std::string> signatures = absl::StrSplit(ToAbsl(text.substr(blank_line + 2)), '\n');
  if (signatures.size() < 2 || !signatures.back().empty()) {
    return absl::InvalidArgumentError("a checkpoint has signatures, and each line ends");
  }
  signatures.pop_back();
  for (const std::string& line : signatures) {
    auto signature = ParseSignature(line);
    if (!signature) return absl::InvalidArgumentError("a checkpoint has only signatures after its blank line");
    note.signatures.push_back(*std::move(signature));
  }
  return note;
}

}  // namespace

absl::StatusOr<SigningKey> SigningKey::FromPem(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  // OpenSSL would ask at the terminal for the passphrase of an encrypted key.
  EVP_PKEY* raw = PEM_read_bio_PrivateKey(
      bio, nullptr, [](char*, int, int, void*) { return -1; }, nullptr);
  BIO_free(bio);
  // A TLS connection of this thread would take an error that is left for its own.
  ERR_clear_error();
  std::shared_ptr<EVP_PKEY> key(raw, &EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_get_id(raw) != EVP_PKEY_ED25519) {
    return absl::InvalidArgumentError("the key of a log must be an unencrypted Ed25519 key in PKCS#8, in PEM");
  }
  return SigningKey(std::move(key));
}

absl::StatusOr<std::string> SigningKey::Sign(const Checkpoint& checkpoint) const {
  if (!IsKeyName(checkpoint.origin)) return absl::InvalidArgumentError("the origin of a log must be the name of a key");
  const std::string body = Body(checkpoint);
  std::string signature(kSignatureSize, 0);
  size_t size = signature.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  // Nobody would believe a log without signatures.
  if (EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, Bytes(body), body.size()) !=
          1) {
    std::abort();
  }
  EVP_MD_CTX_free(context);
  return absl::StrCat(body, "\n", ToAbsl(kSignatureMark), checkpoint.origin, " ",
                      absl::Base64Escape(KeyId(checkpoint.origin, PublicKey(key_.get())) + signature), "\n");
}

std::string SigningKey::VerifierKey(std::string_view origin) const {
  return MakeVerifierKey(origin, PublicKey(key_.get()));
}

absl::StatusOr<Checkpoint> Parse(std::string_view note) {
  auto parsed = ParseNote(note);
  if (!parsed.ok()) return parsed.status();
  return std::move(parsed->checkpoint);
}

absl::StatusOr<Checkpoint> Open(std::string_view note, std::string_view verifier_key) {
  // Base64 may have a plus too.
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(verifier_key), absl::MaxSplits('+', 2));
  const std::string& name = parts.front();
  std::string public_key;
  if (parts.size() != 3 || !absl::Base64Unescape(parts[2], &public_key) ||
      public_key.size() != kEd25519.size() + kPublicKeySize) {
    return absl::InvalidArgumentError("the verifier key must be name+id+key, of Ed25519");
  }
  public_key.erase(0, kEd25519.size());
  // So its id is right too, its algorithm and its base64.
  if (!IsKeyName(name) || MakeVerifierKey(name, public_key) != verifier_key) {
    return absl::InvalidArgumentError("the verifier key is damaged, or not of Ed25519");
  }

  auto parsed = ParseNote(note);
  if (!parsed.ok()) return parsed.status();
  if (parsed->checkpoint.origin != name) return absl::DataLossError("the checkpoint is of another log");
  const std::string id = KeyId(name, public_key);
  const auto signature = std::ranges::find_if(parsed->signatures, [&](const Signature& candidate) {
    return candidate.name == name && candidate.bytes.starts_with(id);
  });
  if (signature == parsed->signatures.end()) return absl::DataLossError("the checkpoint is not signed by the key");
  if (!IsSignature(std::string_view(signature->bytes).substr(kKeyIdSize), parsed->body, public_key)) {
    return absl::DataLossError("the checkpoint's signature is wrong");
  }
  return std::move(parsed->checkpoint);
}

}  // namespace parley::tlog
