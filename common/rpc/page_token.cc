#include "common/rpc/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "common/status/status.h"

namespace parley::rpc {

namespace {
constexpr std::string_view kPurpose = "page token";
constexpr size_t kMacSize = 32;

std::string Bound(std::string_view list, std::string_view cursor) {
  return std::string(list) + '\0' + std::string(cursor);
}
}  // namespace

std::string MakePageToken(const Signer& signer, std::string_view list, std::string_view cursor) {
  return absl::WebSafeBase64Escape(signer.Mac(kPurpose, Bound(list, cursor)) + std::string(cursor));
}

absl::StatusOr<std::string> ParsePageToken(const Signer& signer, std::string_view list, std::string_view token) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape({token.data(), token.size()}, &bytes) || bytes.size() < kMacSize) {
    return CursorInvalid();
  }
  const std::string cursor = bytes.substr(kMacSize);
  if (!signer.IsMac(std::string_view(bytes).substr(0, kMacSize), kPurpose, Bound(list, cursor))) return CursorInvalid();
  return cursor;
}

int PageSize(int requested, int otherwise, int max) { return requested == 0 ? otherwise : std::min(requested, max); }

}  // namespace parley::rpc
