// What parleyctl does, a function for each subcommand. Errors are for the administrator, who sees their message.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace parley::ctl {

// Makes the user of this address ACTIVE and STAFF, creating it if need be, and a new API key for it: all or nothing
// (domain rule U5). Answers with the key, which can never be read again. INVALID_ARGUMENT where it is no address.
absl::StatusOr<std::string> CreateStaff(const std::string& database_url, const std::string& address);

// OK once the process that serves gRPC at `address` (`unix:/path` or `host:port`) says that it is SERVING as a whole,
// which is waited for; the process itself may still be on its way.
absl::Status AwaitServing(const std::string& address, absl::Duration wait);

}  // namespace parley::ctl
