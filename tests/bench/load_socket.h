// A socket that is connected.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace parley::bench {

// To `unix:/path` or `host:port`, within five seconds. Answers with the descriptor, which blocks, each time for at most
// five seconds.
absl::StatusOr<int> ConnectTo(const std::string& address);

}  // namespace parley::bench
