// Ids of users, events, tokens and notifications: UUIDs that the server makes (RFC 9562), ordered by time (version 7)
// so that new rows lie together in an index.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace parley {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  // A new one. Thread-safe.
  static Uuid TimeOrdered();
  // From `0190163d-8694-739b-aea5-966c26f8ad91`, lower case only.
  static std::optional<Uuid> Parse(std::string_view text);
  // From 16 bytes; nothing where there are not 16.
  static std::optional<Uuid> FromBytes(std::string_view bytes);

  std::string ToString() const;
  std::string ToBytes() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  // After all others: where a list that is read backwards begins.
  static Uuid Max();
  // Before all those that are made at this time or later.
  static Uuid Earliest(absl::Time time);
  // The nil UUID stands for `none`.
  bool IsNil() const { return *this == Uuid{}; }

  auto operator<=>(const Uuid&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Uuid& id) {
    return H::combine(std::move(h), id.bytes);
  }
};

}  // namespace parley
