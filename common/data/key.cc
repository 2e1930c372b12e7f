#include "common/data/key.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace parley::data {

namespace {
constexpr size_t kRandomBytes = 20;
}

std::string MakeKey(std::string_view prefix) {
  std::array<unsigned char, kRandomBytes> random;
  // Without randomness a key could be guessed: there is nothing to go on with.
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) std::abort();
  return std::string(prefix) + absl::BytesToHexString({reinterpret_cast<const char*>(random.data()), random.size()});
}

std::string HashKey(std::string_view key) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

bool IsKey(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix) || text.size() != prefix.size() + 2 * kRandomBytes) return false;
  return text.find_first_not_of("0123456789abcdef", prefix.size()) == std::string_view::npos;
}

}  // namespace parley::data
