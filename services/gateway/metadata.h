// Metadata of calls as the gateway passes them on.
#pragma once

#include <string_view>

namespace parley::gateway {

// Whether gRPC sends it: it ends the process that sends what it would refuse, but does not refuse all of it when it
// comes.
bool IsLegal(std::string_view key, std::string_view value);

// The address of the client of a call that came by HTTP. It goes along within the process alone: from elsewhere nobody
// is believed.
inline constexpr char kClientMetadata[] = "parley-client";

}  // namespace parley::gateway
