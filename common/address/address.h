// E-mail addresses as Parley takes them (domain rule U3): an ASCII dot-atom (RFC 5322, 3.2.3), one `@`, a domain (kept
// in its IDNA A-form), at most 254 bytes (RFC 5321), no display name.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley {

struct Address {
  std::string local_part;  // as it was given
  std::string domain;      // IDNA A-form, lower case

  std::string ToString() const { return local_part + "@" + domain; }
  // Whether the person was erased: no address is without a part.
  bool erased() const { return local_part.empty() || domain.empty(); }
  // As parties see it.
  std::string Shown() const { return erased() ? "erased" : ToString(); }
  // What is compared: the whole address in lower case.
  std::string Key() const;
  bool operator==(const Address& other) const { return Key() == other.Key(); }
};

// The error's message is a description for FieldViolations::Add: `must be ...`.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace parley
