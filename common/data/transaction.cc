#include "common/data/transaction.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status/status.h"

namespace parley::data {

absl::StatusOr<std::unique_ptr<Connection>> Pool::Take(absl::Time deadline) {
  {
    absl::MutexLock lock(&mutex_);
    auto may_take = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return taken_ < size_; };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&may_take), deadline)) {
      return absl::DeadlineExceededError("no connection to the database became free in time");
    }
    ++taken_;
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  auto connection = Connection::Open(url_);
  if (!connection.ok()) GiveBack(nullptr);
  return connection;
}

void Pool::GiveBack(std::unique_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  --taken_;
  if (connection != nullptr && !connection->broken()) idle_.push_back(std::move(connection));
}

constexpr Statement kBegin{"begin_transaction", "begin"};
constexpr Statement kBeginSnapshot{"begin_snapshot", "begin isolation level repeatable read, read only"};
constexpr Statement kLimit{"limit_transaction", "select now(), set_config('statement_timeout', $1, true)"};
// Who reads a whole log hands it on meanwhile.
constexpr Statement kLimitSnapshot{"limit_snapshot", R"sql(
  select now(), set_config('statement_timeout', $1, true),
         set_config('idle_in_transaction_session_timeout', '0', true))sql"};

absl::StatusOr<std::unique_ptr<Transaction>> Transaction::Begin(Pool& pool, absl::Time deadline, Isolation isolation) {
  // An idle connection may have died with the server that it led to, and the others with it: nothing was asked of
  // them yet, so going on to a new one is safe.
  constexpr int kMaxStale = 100;
  const bool is_snapshot = isolation == Isolation::kSnapshot;
  for (int stale = 0;; ++stale) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("the deadline passed before the database");
    const int64_t timeout_ms =
        deadline == absl::InfiniteFuture() ? 0 : std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1, 3600000);
    PARLEY_ASSIGN_OR_RETURN(auto connection, pool.Take(deadline));
    absl::Status status = connection->RenewPlans();
    if (status.ok()) {
      const auto begun =
          connection->ExecuteAll({{is_snapshot ? kBeginSnapshot : kBegin, {}},
                                  {is_snapshot ? kLimitSnapshot : kLimit, Params().Add(absl::StrCat(timeout_ms))}});
      if (begun.ok()) {
        std::unique_ptr<Transaction> transaction(new Transaction(pool, std::move(connection)));
        transaction->now_ = (*begun)[1][0].GetTime(0);
        return transaction;
      }
      status = begun.status();
    }
    pool.GiveBack(std::move(connection));
    if (!ConnectionLost(status) || stale == kMaxStale) return status;
  }
}

Transaction::~Transaction() {
  // A rollback that fails leaves a broken connection, which the pool drops.
  if (open_) connection_->Script("rollback").status().IgnoreError();
  pool_.GiveBack(std::move(connection_));
}

absl::Status Transaction::Commit() {
  open_ = false;
  const auto result = connection_->Script("commit");
  if (ConnectionLost(result.status())) return OutcomeUnknown();
  // PostgreSQL answers so where a statement failed before: its error should have ended the transaction.
  if (result.ok() && result->command() != "COMMIT") return Internal("commit: a failed transaction was to be committed");
  return result.status();
}

}  // namespace parley::data
