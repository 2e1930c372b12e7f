#include "services/gateway/metadata.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace parley::gateway {

bool IsLegal(std::string_view key, std::string_view value) {
  const auto of_key = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
  };
  return !key.empty() && std::all_of(key.begin(), key.end(), of_key) &&
         (key.ends_with("-bin") || std::all_of(value.begin(), value.end(), absl::ascii_isprint));
}

}  // namespace parley::gateway
