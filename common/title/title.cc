#include "common/title/title.h"

#include <algorithm>
#include <cstdint>

namespace parley {
namespace {

constexpr int kMaxCodePoints = 256;

// Removes the first code point of valid UTF-8 and returns it.
char32_t TakeCodePoint(std::string_view& text) {
  const auto lead = static_cast<uint8_t>(text.front());
  const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t code_point = size == 1 ? lead : lead & (0x7f >> size);
  for (const char c : text.substr(1, size - 1)) code_point = code_point << 6 | (static_cast<uint8_t>(c) & 0x3f);
  text.remove_prefix(std::min(size, text.size()));
  return code_point;
}

bool IsControl(char32_t c) { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

// Unicode's Bidi_Control.
bool IsBidiControl(char32_t c) {
  return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool IsSeparator(char32_t c) { return c == 0x2028 || c == 0x2029; }

// Unicode's Zs.
bool IsSpace(char32_t c) {
  return c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

}  // namespace

std::string TitleViolation(std::string_view title) {
  int count = 0;
  bool only_spaces = true;
  while (!title.empty()) {
    const char32_t c = TakeCodePoint(title);
    ++count;
    only_spaces = only_spaces && IsSpace(c);
    if (IsControl(c) || IsBidiControl(c)) return "must not have control characters";
    if (IsSeparator(c)) return "must not have line or paragraph separators";
  }
  if (count > kMaxCodePoints) return "must have at most 256 code points";
  if (count == 0) return "must not be empty";
  if (only_spaces) return "must not be only spaces";
  return "";
}

}  // namespace parley
