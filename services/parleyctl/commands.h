// What parleyctl does, a function for each subcommand. Errors are for the administrator, who sees their message.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/data/uuid.h"

namespace parley::ctl {

// Makes the user of this address ACTIVE (also a deactivated one) and STAFF, creating it if need be, and a new API key:
// all or nothing (domain rule U5). Answers with the key, which can never be read again. INVALID_ARGUMENT where it is no
// address.
absl::StatusOr<std::string> CreateStaff(const std::string& database_url, const std::string& address);

// Replays the log of an event (`events/{event}`, or its id alone) by the rules, one line a step, and compares the
// result with what is stored (domain rule A6). Answers with the lines. DATA_LOSS where the log cannot be what happened,
// or is not what is stored; NOT_FOUND; INVALID_ARGUMENT where it names no event.
absl::StatusOr<std::string> ReplayLog(const std::string& database_url, const std::string& event);

// The id of an event that is named `events/{event}`, or by its id alone. INVALID_ARGUMENT.
absl::StatusOr<Uuid> ParseEvent(const std::string& event);

// Writes the log of this event, or where it is empty all logs, as proto/README.md, "Exports", says. For one event,
// `older_file` names a checkpoint or an export from which its tree is proved to have grown; empty for none. What fails
// leaves part of an export.
absl::Status ExportLog(const std::string& database_url, const std::string& event, const std::string& older_file,
                       std::ostream& out);

// Verifies an export, or where none is named all logs in the database; against an older checkpoint or export, where
// there is one, and by this verifier key, where it is not empty. Answers with what was verified. DATA_LOSS that names
// the first bad entry; INVALID_ARGUMENT where a file cannot be read.
absl::StatusOr<std::string> VerifyLog(const std::string& database_url, const std::string& export_file,
                                      const std::string& older_file, const std::string& key);

// Begins a new log, under another origin, with the entries that there are. Answers with the origin.
absl::StatusOr<std::string> NewOrigin(const std::string& owner_url);

// OK once the process that serves gRPC at `address` (`unix:/path` or `host:port`) says that it is SERVING as a whole,
// which is waited for; the process itself may still be on its way.
absl::Status AwaitServing(const std::string& address, absl::Duration wait);

}  // namespace parley::ctl
