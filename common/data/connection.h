// A connection to PostgreSQL. Used by one thread at a time; blocking.
#pragma once

#include <chrono>
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
  // Several, one after the other, sent and answered together: where both sides are busy it is the way there and back
  // that takes time. Their parameters and rows must be few. The error is that of the first one that fails; none after
  // it is executed.
  absl::StatusOr<std::vector<Result>> ExecuteAll(absl::Span<const Query> queries);
  // SQL without parameters, of several statements perhaps, as it stands in our source or a migration. Answers with
  // the rows of the last one, in text.
  absl::StatusOr<Result> Script(const std::string& sql);
  // Has statements planned anew whose plans are some seconds old: they were made for tables as large as they were then.
  absl::Status RenewPlans();
  // The connection is lost, or was left inside a transaction: not to be used again.
  bool broken() const;

 private:
  absl::Status Prepare(const Statement& statement, const Params& params);
  explicit Connection(PGconn* connection) : connection_(connection) {}
  PGconn* connection_;
  absl::flat_hash_set<const Statement*> prepared_;
  std::chrono::steady_clock::time_point plans_renewed_ = std::chrono::steady_clock::now();
};

}  // namespace parley::data
