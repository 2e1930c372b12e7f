// The one place where PostgreSQL's SQLSTATEs (PostgreSQL manual, appendix A) become statuses. Used in this folder
// alone, but for StoryOf and IsLockTimeout.
#pragma once

#include <string_view>

#include "absl/status/status.h"

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

namespace parley::data {

absl::Status ConnectionStatus(const PGconn* connection);
// Of one to which nothing could be sent any more: as ConnectionLost knows it.
absl::Status LostStatus(const PGconn* connection);
// OK, or the error of `statement`: UNAVAILABLE where the database is away, read-only, full or restarting,
// DEADLINE_EXCEEDED where the statement's time was up, INTERNAL for all that a statement of ours should not meet.
absl::Status ResultStatus(const PGconn* connection, const PGresult* result, std::string_view statement);

// A deadlock or a serialization failure: the transaction was rolled back, and may run again.
bool MayRunAgain(const absl::Status& status);
// The connection is gone, so that nobody knows what became of the last thing sent.
bool ConnectionLost(const absl::Status& status);
// UNAVAILABLE, but only because somebody else kept a lock for too long: what needs others may go on.
bool IsLockTimeout(const absl::Status& status);
// What was wrong with the database, for an administrator: callers learn from UNAVAILABLE only that it is away. Empty
// for other errors.
std::string StoryOf(const absl::Status& status);

}  // namespace parley::data
