// Connections, shared by a process's threads, and transactions on them.
//
//   Pool pool(url, 4);
//   absl::StatusOr<Event> event = Transact(pool, deadline, [&](Transaction& tx) -> absl::StatusOr<Event> {
//     PARLEY_ASSIGN_OR_RETURN(auto found, Events(tx).Lock(id));
//     ...
//   });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/data/connection.h"
#include "common/data/sql_status.h"

namespace parley::data {

// At most `size` connections, opened when they are needed; a broken one is replaced at its next use. Thread-safe.
class Pool {
 public:
  Pool(std::string url, int size) : url_(std::move(url)), size_(size) {}

  // Waits for a free one until the deadline: DEADLINE_EXCEEDED. UNAVAILABLE where the database is away.
  absl::StatusOr<std::unique_ptr<Connection>> Take(absl::Time deadline);
  // Every connection that was taken is given back, whatever its state; null for one that could not be opened.
  void GiveBack(std::unique_ptr<Connection> connection);

 private:
  const std::string url_;
  const int size_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int taken_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Whether each statement sees what is committed by then, or all of them the same, and none may write.
enum class Isolation { kReadCommitted, kSnapshot };

// Rolled back at its end unless committed. Used by one thread.
class Transaction {
 public:
  // What is left until `deadline` is the time that each of its statements has; no limit where it is infinite.
  static absl::StatusOr<std::unique_ptr<Transaction>> Begin(Pool& pool, absl::Time deadline,
                                                            Isolation isolation = Isolation::kReadCommitted);
  ~Transaction();

  absl::StatusOr<Result> Execute(const Statement& statement, const Params& params = {}) {
    return connection_->Execute(statement, params);
  }
  absl::StatusOr<std::vector<Result>> ExecuteAll(absl::Span<const Query> queries) {
    return connection_->ExecuteAll(queries);
  }
  // The database's clock at the beginning: the one time of all that the transaction writes.
  absl::Time now() const { return now_; }
  // OUTCOME_UNKNOWN where the connection is lost meanwhile.
  absl::Status Commit();

 private:
  Transaction(Pool& pool, std::unique_ptr<Connection> connection) : pool_(pool), connection_(std::move(connection)) {}
  Pool& pool_;
  std::unique_ptr<Connection> connection_;
  absl::Time now_;
  bool open_ = true;
};

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Runs `fn(Transaction&)`, which returns a Status or a StatusOr, and commits where it is OK. After a deadlock or a
// serialization failure fn runs again, five times at the most, so it must not change anything outside; never after a
// commit in doubt, since then the change may stand already. `before_commit` is called where one is set. Errors: those
// of fn, UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN (OUTCOME_UNKNOWN). Thread-safe.
template <class Fn>
auto Transact(Pool& pool, absl::Time deadline, Fn&& fn, Isolation isolation = Isolation::kReadCommitted,
              const std::function<void()>& before_commit = nullptr) -> std::invoke_result_t<Fn&, Transaction&> {
  constexpr int kRuns = 5;
  for (int run = 1;; ++run) {
    auto transaction = Transaction::Begin(pool, deadline, isolation);
    if (!transaction.ok()) return transaction.status();
    auto result = fn(**transaction);
    absl::Status status = StatusOf(result);
    if (status.ok()) {
      if (before_commit) before_commit();
      status = (*transaction)->Commit();
      if (status.ok()) return result;
    }
    if (!MayRunAgain(status) || run == kRuns) return status;
  }
}

}  // namespace parley::data
