#include "common/data/transaction.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/barrier.h"
#include "absl/time/clock.h"
#include "tests/support/database.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Fails;
using test::Succeeds;
using test::TestDatabase;

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

constexpr Statement kInsert{"insert", "insert into parley.counters values ($1, 0)"};
constexpr Statement kRaise{"raise", "update parley.counters set value = value + 1 where id = $1"};
constexpr Statement kRead{"read", "select value from parley.counters where id = $1"};
constexpr Statement kSleep{"sleep", "select pg_sleep(60)"};
constexpr Statement kDie{"die", "select pg_terminate_backend(pg_backend_pid())"};

class TransactionTest : public testing::Test {
 protected:
  TransactionTest() : pool(database.owner_url(), 4) {
    database.Sql("create table parley.counters (id bigint primary key, value bigint not null)");
    database.Sql("insert into parley.counters values (1, 0), (2, 0)");
  }
  int64_t Value(int64_t id) {
    auto value = Transact(pool, Soon(), [&](Transaction& tx) -> absl::StatusOr<int64_t> {
      PARLEY_ASSIGN_OR_RETURN(const Result result, tx.Execute(kRead, Params().Add(id)));
      return result.empty() ? -1 : result[0].GetInt(0);
    });
    EXPECT_THAT(value, Succeeds());
    return value.value_or(-2);
  }

  TestDatabase database;
  Pool pool;
};

TEST_F(TransactionTest, AnErrorRollsBack) {
  const absl::Status status = Transact(pool, Soon(), [&](Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(tx.Execute(kRaise, Params().Add(int64_t{1})).status());
    return QueueFull();
  });
  EXPECT_THAT(status, Fails(absl::StatusCode::kResourceExhausted, error::v1::QUEUE_FULL));
  EXPECT_EQ(Value(1), 0);
}

TEST_F(TransactionTest, ADeadlockRunsAgain) {
  absl::Barrier* both_hold_one = new absl::Barrier(2);
  std::atomic<int> runs = 0;
  auto raise_both = [&](int64_t first, int64_t second) {
    bool first_run = true;
    return Transact(pool, Soon(), [&, first, second](Transaction& tx) -> absl::Status {
      ++runs;
      PARLEY_RETURN_IF_ERROR(tx.Execute(kRaise, Params().Add(first)).status());
      if (std::exchange(first_run, false) && both_hold_one->Block()) delete both_hold_one;
      return tx.Execute(kRaise, Params().Add(second)).status();
    });
  };
  absl::Status other;
  std::thread thread([&] { other = raise_both(2, 1); });
  const absl::Status own = raise_both(1, 2);
  thread.join();
  EXPECT_THAT(own, Succeeds());
  EXPECT_THAT(other, Succeeds());
  EXPECT_GE(runs, 3);
  EXPECT_EQ(Value(1), 2);
  EXPECT_EQ(Value(2), 2);
}

TEST_F(TransactionTest, TheDeadlineEndsAStatement) {
  const absl::Status status =
      Transact(pool, absl::Now() + absl::Seconds(1), [](Transaction& tx) { return tx.Execute(kSleep).status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), testing::HasSubstr("in the database")) << "not before a statement was run";
  EXPECT_EQ(Value(1), 0) << "the pool goes on";
}

TEST_F(TransactionTest, ALostConnectionIsUnavailableAndReplaced) {
  const absl::Status status = Transact(pool, Soon(), [](Transaction& tx) { return tx.Execute(kDie).status(); });
  EXPECT_THAT(status, Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE));
  EXPECT_EQ(Value(1), 0);
}

TEST_F(TransactionTest, IdleConnectionsThatDiedAreNoticedByNobody) {
  EXPECT_EQ(Value(1), 0);
  database.Sql(
      "select pg_terminate_backend(pid) from pg_stat_activity "
      "where datname = current_database() and pid <> pg_backend_pid()");
  EXPECT_EQ(Value(1), 0);
}

TEST_F(TransactionTest, ACommitInDoubtIsSaidAndNotRunAgain) {
  int runs = 0;
  const absl::Status status = Transact(pool, Soon(), [&](Transaction& tx) -> absl::Status {
    ++runs;
    PARLEY_RETURN_IF_ERROR(tx.Execute(kRaise, Params().Add(int64_t{1})).status());
    database.Sql(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
        "where datname = current_database() and state = 'idle in transaction'");
    return absl::OkStatus();
  });
  EXPECT_THAT(status, Fails(absl::StatusCode::kUnknown, error::v1::OUTCOME_UNKNOWN));
  EXPECT_EQ(runs, 1);
}

TEST_F(TransactionTest, AnAbsentDatabaseIsUnavailable) {
  Pool nowhere("postgresql://parley_service@/parley?host=/nonexistent", 1);
  const absl::Status status = Transact(nowhere, Soon(), [](Transaction&) { return absl::OkStatus(); });
  EXPECT_THAT(status, Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE));
}

TEST_F(TransactionTest, ABadUrlIsSaidWithoutItsPassword) {
  Pool bad("postgres//user:SECRET@host/db", 1);
  const absl::Status status = Transact(bad, Soon(), [](Transaction&) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.ToString().find("SECRET"), std::string::npos);
}

TEST_F(TransactionTest, AFailedStatementCannotBeCommitted) {
  const absl::Status status = Transact(pool, Soon(), [&](Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(tx.Execute(kRaise, Params().Add(int64_t{1})).status());
    tx.Execute(kInsert, Params().Add(int64_t{1})).status().IgnoreError();  // violates the primary key
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Value(1), 0);
}

TEST_F(TransactionTest, ABusyPoolWaitsUntilTheDeadline) {
  Pool one(database.owner_url(), 1);
  ASSERT_OK_AND_ASSIGN(auto taken, one.Take(Soon()));
  EXPECT_EQ(one.Take(absl::Now() + absl::Milliseconds(50)).status().code(), absl::StatusCode::kDeadlineExceeded);
  one.GiveBack(std::move(taken));
  EXPECT_THAT(one.Take(Soon()), Succeeds());
}

constexpr Statement kLookUp{"look_up",
                            "select value from unnest($1::int8[]) as w (id) join parley.counters using (id)"};
constexpr Statement kExplain{"explain", "explain execute look_up(null)"};

TEST_F(TransactionTest, WhatWasPlannedForASmallTableIsPlannedAnewWhenItHasGrown) {
  // Otherwise PostgreSQL might do it by itself meanwhile.
  database.Sql("alter table parley.counters set (autovacuum_enabled = false)");
  auto is_looked_up_in_the_index = [&] {
    const auto plan = Transact(pool, Soon(), [](Transaction& tx) -> absl::StatusOr<std::string> {
      const std::vector<int64_t> none;
      PARLEY_RETURN_IF_ERROR(tx.Execute(kLookUp, Params().AddInts(none)).status());
      PARLEY_ASSIGN_OR_RETURN(const Result result, tx.Execute(kExplain));
      std::string lines;
      for (int i = 0; i < result.size(); ++i) lines += std::string(result[i].GetText(0)) + "\n";
      return lines;
    });
    EXPECT_THAT(plan, Succeeds());
    return plan.value_or("").find("Index Scan using counters_pkey") != std::string::npos;
  };
  EXPECT_FALSE(is_looked_up_in_the_index());
  database.Sql("insert into parley.counters select i, 0 from generate_series(3, 100000) i");
  EXPECT_TRUE(test::Eventually(is_looked_up_in_the_index));
}

}  // namespace
}  // namespace parley::data
