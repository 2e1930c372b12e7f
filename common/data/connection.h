// A connection to PostgreSQL. Used by one thread at a time; blocking.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/data/statement.h"

typedef struct pg_conn PGconn;

namespace parley::data {

class Connection {
 public:
  // `url` as libpq takes it (a URL or key=value pairs). FAILED_PRECONDITION where it is not that, UNAVAILABLE where
  // nobody answers within five seconds.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& url);
  ~Connection();

  absl::StatusOr<Result> Execute(const Statement& statement, const Params& params);
  // SQL without parameters, of several statements perhaps, as it stands in our source or a migration. Answers with
  // the rows of the last one, in text.
  absl::StatusOr<Result> Script(const std::string& sql);
  // The connection is lost, or was left inside a transaction: not to be used again.
  bool broken() const;

 private:
  explicit Connection(PGconn* connection) : connection_(connection) {}
  PGconn* connection_;
  absl::flat_hash_set<const Statement*> prepared_;
};

}  // namespace parley::data
