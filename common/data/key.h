// Keys: the secrets of API keys and e-mail tokens (domain rule T2). 160 random bits behind a prefix by which people and
// scanners recognise them; kept only as a hash.
#pragma once

#include <string>
#include <string_view>

namespace parley::data {

inline constexpr std::string_view kApiKeyPrefix = "parley_api_";
inline constexpr std::string_view kGuestKeyPrefix = "parley_guest_";

// The prefix, then 40 hexadecimal digits.
std::string MakeKey(std::string_view prefix);
// SHA-256, 32 bytes. Enough, without salt or stretching, for what is random in all its bits.
std::string HashKey(std::string_view key);
// Has this prefix and the right length and digits. Says nothing of whether it opens anything.
bool IsKey(std::string_view text, std::string_view prefix);

}  // namespace parley::data
