#include "services/gateway/metadata.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::gateway {

bool IsBinary(std::string_view key) {
  static constexpr std::string_view kSuffix = "-bin";
  return key.size() > kSuffix.size() && key.ends_with(kSuffix);
}

bool IsLegal(std::string_view key, std::string_view value) {
  const auto of_key = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
  };
  return !key.empty() && std::all_of(key.begin(), key.end(), of_key) &&
         (IsBinary(key) || std::all_of(value.begin(), value.end(), absl::ascii_isprint));
}

absl::Status BadField(std::string_view field, std::string_view why) {
  FieldViolations fields;
  fields.Add(field, why);
  return fields.ToStatus();
}

std::string CallerAt(std::string_view address) { return absl::StrCat("peer ", std::string(address)); }

}  // namespace parley::gateway
