// What parleyctl does, a function for each subcommand. Errors are for the administrator, who sees their message.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace parley::ctl {

// Makes the user of this address ACTIVE (also a deactivated one) and STAFF, creating it if need be, and a new API key:
// all or nothing (domain rule U5). Answers with the key, which can never be read again. INVALID_ARGUMENT where it is no
// address.
absl::StatusOr<std::string> CreateStaff(const std::string& database_url, const std::string& address);

// Replays the log of an event (`events/{event}`, or its id alone) by the rules, one line a step, and compares the
// result with what is stored (domain rule A6). Answers with the lines. DATA_LOSS where the log cannot be what happened,
// or is not what is stored; NOT_FOUND; INVALID_ARGUMENT where it names no event.
absl::StatusOr<std::string> ReplayLog(const std::string& database_url, const std::string& event);

// OK once the process that serves gRPC at `address` (`unix:/path` or `host:port`) says that it is SERVING as a whole,
// which is waited for; the process itself may still be on its way.
absl::Status AwaitServing(const std::string& address, absl::Duration wait);

}  // namespace parley::ctl
