#include "common/address/address.h"

#include <idn2.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace parley {
namespace {

constexpr size_t kMaxAddressBytes = 254;
constexpr size_t kMaxLocalPartBytes = 64;  // RFC 5321, 4.5.3.1.1

// RFC 5322, 3.2.3.
bool IsAtext(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsDotAtom(std::string_view text) {
  for (absl::string_view atom : absl::StrSplit(absl::string_view(text.data(), text.size()), '.')) {
    if (atom.empty() || !std::all_of(atom.begin(), atom.end(), IsAtext)) return false;
  }
  return true;
}

// RFC 1123, 2.1: libidn2 leaves ASCII labels unchecked.
bool IsHostname(std::string_view text) {
  for (absl::string_view label : absl::StrSplit(absl::string_view(text.data(), text.size()), '.')) {
    const bool letters = std::all_of(label.begin(), label.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
    });
    if (label.empty() || label.size() > 63 || !letters || label.front() == '-' || label.back() == '-') return false;
  }
  return text.size() <= 253;
}

// The IDNA A-form in lower case; empty where there is none.
std::string ToAForm(const std::string& domain) {
  // What is ASCII and not encoded is in A-form already.
  const bool ascii_only = std::all_of(domain.begin(), domain.end(), [](unsigned char c) { return c < 0x80; });
  const std::string lower = absl::AsciiStrToLower(domain);
  if (ascii_only && lower.find("xn--") == std::string::npos) return IsHostname(lower) ? lower : "";
  if (domain.find('\0') != std::string::npos) return "";
  char* ascii = nullptr;
  if (idn2_to_ascii_8z(domain.c_str(), &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK) return "";
  std::string a_form = absl::AsciiStrToLower(ascii);
  idn2_free(ascii);
  return IsHostname(a_form) ? a_form : "";
}

}  // namespace

std::string Address::Key() const { return absl::AsciiStrToLower(ToString()); }

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("must not be empty");
  if (text.size() > kMaxAddressBytes) return absl::InvalidArgumentError("must have at most 254 bytes");
  const size_t at = text.find('@');
  if (at == std::string_view::npos || text.find('@', at + 1) != std::string_view::npos) {
    return absl::InvalidArgumentError("must be an e-mail address with one @");
  }
  const std::string_view local_part = text.substr(0, at);
  if (!IsDotAtom(local_part) || local_part.size() > kMaxLocalPartBytes) {
    return absl::InvalidArgumentError("must have an ASCII dot-atom of at most 64 bytes before the @");
  }
  Address address{std::string(local_part), ToAForm(std::string(text.substr(at + 1)))};
  if (address.domain.empty()) return absl::InvalidArgumentError("must have a domain name after the @");
  if (address.ToString().size() > kMaxAddressBytes) {
    return absl::InvalidArgumentError("must have at most 254 bytes with its domain in A-form");
  }
  return address;
}

}  // namespace parley
