// Metadata of calls as the gateway takes them and passes them on.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace parley::gateway {

// Whether its values are bytes: gRPC has `-bin` behind a name, which is not empty.
bool IsBinary(std::string_view key);

// Whether gRPC sends it: it ends the process that sends what it would refuse, but does not refuse all of it when it
// comes.
bool IsLegal(std::string_view key, std::string_view value);

// INVALID_ARGUMENT (INVALID_FIELDS) for one field of a request, or a piece of metadata.
absl::Status BadField(std::string_view field, std::string_view why);

// The address of the client of a call that came by HTTP. It goes along within the process alone: from elsewhere nobody
// is believed.
inline constexpr char kClientMetadata[] = "parley-client";

// By whom calls without a good credential are counted: an IP address, as text.
std::string CallerAt(std::string_view address);

}  // namespace parley::gateway
