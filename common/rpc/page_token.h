// Page tokens (AIP-158): opaque, bound to the list and its arguments, and not to be made by clients. They are no
// permission: who may list is checked for each page.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/rpc/principal.h"

namespace parley::rpc {

// `list` says which list with which arguments: `ListLogEntries events/...`. `cursor` is where the next page begins.
std::string MakePageToken(const Signer& signer, std::string_view list, std::string_view cursor);
// The cursor; INVALID_ARGUMENT (CURSOR_INVALID) for what MakePageToken did not make for this list.
absl::StatusOr<std::string> ParsePageToken(const Signer& signer, std::string_view list, std::string_view token);

// AIP-158: `otherwise` where it is 0, coerced to `max`. That it is not negative has been checked.
int PageSize(int requested, int otherwise, int max);

// A page of what may be large ends early (AIP-158 allows that) before its messages are larger than this together, since
// clients refuse responses of more than 4 MiB.
inline constexpr size_t kMaxPageBytes = size_t{1} << 20;

}  // namespace parley::rpc
