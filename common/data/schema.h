// The schema of the database: numbered migrations (schema/*.sql, forward only, compiled in), and what a service checks
// before it serves.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/transaction.h"

namespace parley::data {

// The version that this program needs: the number of the last migration compiled in.
int SchemaVersion();

// Brings the database at `owner_url` to SchemaVersion(), under an advisory lock, so that several may run at once. Each
// migration is one transaction. Answers with the names of those that it applied. FAILED_PRECONDITION where the role
// parley_service, to which the tables are granted, does not exist.
absl::StatusOr<std::vector<std::string>> Migrate(const std::string& owner_url);

// OK where the services may serve: the schema is recent enough (else UNAVAILABLE), and the login neither owns nor may
// change the log, or become a role that may (else FAILED_PRECONDITION: the program must not start).
absl::Status CheckSchema(Pool& pool, absl::Time deadline);

}  // namespace parley::data
