#include "common/data/uuid.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/time/clock.h"

namespace parley {

Uuid Uuid::TimeOrdered() {
  Uuid id;
  // Without randomness ids would collide: there is nothing to go on with.
  if (RAND_bytes(id.bytes.data(), static_cast<int>(id.bytes.size())) != 1) std::abort();
  // RFC 9562, 5.7: 48 bits of milliseconds; then, as method 3 of 6.2 allows, 12 bits of their fraction.
  const int64_t micros = absl::ToUnixMicros(absl::Now());
  const auto millis = static_cast<uint64_t>(micros / 1000);
  const auto fraction = static_cast<uint32_t>(micros % 1000 * 4096 / 1000);
  for (size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<uint8_t>(millis >> (40 - 8 * i));
  id.bytes[6] = static_cast<uint8_t>(0x70 | (fraction >> 8));
  id.bytes[7] = static_cast<uint8_t>(fraction);
  id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

std::optional<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  size_t nibble = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    int value = -1;
    if (c >= '0' && c <= '9') value = c - '0';
    if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
    if (value < 0) return std::nullopt;
    id.bytes[nibble / 2] = static_cast<uint8_t>(id.bytes[nibble / 2] << 4 | value);
    ++nibble;
  }
  return id;
}

std::optional<Uuid> Uuid::FromBytes(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  Uuid id;
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

Uuid Uuid::Earliest(absl::Time time) {
  Uuid id;
  const auto millis = static_cast<uint64_t>(std::clamp<int64_t>(absl::ToUnixMillis(time), 0, (int64_t{1} << 48) - 1));
  for (size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<uint8_t>(millis >> (40 - 8 * i));
  return id;
}

Uuid Uuid::Max() {
  Uuid id;
  id.bytes.fill(0xff);
  return id;
}

std::string Uuid::ToString() const {
  std::string hex = absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const size_t dash : {20, 16, 12, 8}) hex.insert(dash, 1, '-');
  return hex;
}

}  // namespace parley
