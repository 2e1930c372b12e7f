// What is kept for a time only goes, in steps that cost the same however much there is, by one process at a time.
#include "common/data/purge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/data/request_records.h"
#include "tests/support/database.h"
#include "tests/support/process.h"
#include "tests/support/purging.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Succeeds;

absl::StatusOr<Purged> PurgeRecords(Transaction& tx, absl::Time from) { return RequestRecords(tx).Purge(from); }

class PurgeTest : public testing::Test {
 protected:
  // Of all ages up to so long ago, those of one time not side by side.
  void MakeRecords(int count, const std::string& at_least, const std::string& at_most) const {
    database.Sql(
        absl::StrCat("insert into parley.request_records select gen_random_uuid(), 'method', gen_random_uuid(), '', "
                     "'{}', 0, now() - "
                     "interval '",
                     at_least, "' - (i * 7919 % ", count, ") * (interval '", at_most, "' - interval '", at_least,
                     "') / ", count, " from generate_series(1, ", count, ") i"));
  }
  std::string Count(const std::string& where = "true") const {
    return database.Sql("select count(*)::text from parley.request_records where " + where);
  }
  // Steps that count: the first so many are full.
  PurgeStep Counted(int full, int& steps) const {
    return {"nothing", [full, &steps](Transaction&, absl::Time) -> absl::StatusOr<Purged> {
              const bool is_full = ++steps <= full;
              return Purged{is_full ? kPurgeRows : 0, is_full};
            }};
  }

  const test::TestDatabase database;
  Pool pool{database.service_url(), 10};
  Pool other_pool{database.service_url(), 10};
};

TEST_F(PurgeTest, OneAtATimeHasItsTurnUntilAllIsDone) {
  int first = 0, second = 0, others = 0;
  Purge one(pool, PurgeTurn::kToken, {Counted(2, first), Counted(0, second)});
  Purge other(other_pool, PurgeTurn::kToken, {Counted(0, others)});
  Purge of_another_service(other_pool, PurgeTurn::kNotification, {Counted(0, others)});
  const auto other_waits = [&] { return other.DoSome() == absl::Minutes(1) && others == 0; };
  const auto is_pause = [](absl::Duration pause) { return absl::ZeroDuration() < pause && pause < absl::Seconds(30); };
  EXPECT_TRUE(is_pause(one.DoSome()));
  EXPECT_TRUE(other_waits()) << "nobody else begins between two steps";
  EXPECT_EQ(one.DoSome(), absl::ZeroDuration()) << "the next kind, of which there is none";
  EXPECT_EQ(second, 1);
  EXPECT_TRUE(other_waits());
  EXPECT_TRUE(is_pause(one.DoSome()));
  EXPECT_TRUE(other_waits());
  EXPECT_EQ(one.DoSome(), absl::Minutes(1));
  EXPECT_EQ(first, 3);
  EXPECT_EQ(second, 1);
  other.DoSome();
  EXPECT_EQ(others, 1) << "its turn was over";
  one.DoSome();
  EXPECT_EQ(first, 4) << "and theirs";
  of_another_service.DoSome();
  EXPECT_EQ(others, 2) << "which has its own";
}

TEST_F(PurgeTest, WhoIsLostLosesTheTurn) {
  int steps = 0, others = 0;
  Purge one(pool, PurgeTurn::kToken, {Counted(100, steps)});
  Purge other(other_pool, PurgeTurn::kToken, {Counted(100, others)});
  one.DoSome();
  // By its own login: the owner may not.
  static constexpr Statement kEnd{"end_holder", R"sql(
    select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database()))sql"};
  EXPECT_THAT(Transact(other_pool, absl::InfiniteFuture(), [&](Transaction& tx) { return tx.Execute(kEnd); }),
              Succeeds());
  EXPECT_TRUE(test::Eventually([&] {
    other.DoSome();
    return others == 1;
  }));
  EXPECT_EQ(one.DoSome(), absl::Minutes(1)) << "it learns that its turn is over";
  EXPECT_EQ(one.DoSome(), absl::Minutes(1)) << "and that it is another's";
  EXPECT_EQ(steps, 1);
}

TEST_F(PurgeTest, EachStepBeginsWhereTheLastOneEndedInTheNextTurnToo) {
  std::vector<absl::Time> begins;
  const absl::Time time = absl::FromUnixSeconds(1000);
  std::vector<Purged> ends{{1, true, time}, {0, true, time}, {0, false, absl::InfinitePast()}};
  PurgeStep step{"nothing", [&](Transaction&, absl::Time from) -> absl::StatusOr<Purged> {
                   begins.push_back(from);
                   return ends.at(begins.size() - 1);
                 }};
  Purge purge(pool, PurgeTurn::kToken, {std::move(step)});
  EXPECT_LT(purge.DoSome(), absl::Minutes(1));
  EXPECT_EQ(purge.DoSome(), absl::Minutes(1)) << "where somebody has locked all that there is, not again and again";
  EXPECT_EQ(purge.DoSome(), absl::Minutes(1));
  EXPECT_EQ(begins, (std::vector{absl::InfinitePast(), time, time}));
}

TEST_F(PurgeTest, AKindThatFailsHoldsUpNoOther) {
  int steps = 0;
  PurgeStep failing{"nothing",
                    [](Transaction&, absl::Time) -> absl::StatusOr<Purged> { return absl::InternalError("broken"); }};
  Purge purge(pool, PurgeTurn::kToken, {failing, Counted(0, steps)});
  purge.DoSome();
  EXPECT_EQ(purge.DoSome(), absl::Minutes(1));
  EXPECT_EQ(steps, 1);
}

TEST_F(PurgeTest, ByItselfUntilNothingOldIsLeftAndEndsAtOnce) {
  MakeRecords(3 * static_cast<int>(kPurgeRows) + 1, "26 hours", "50 hours");
  MakeRecords(100, "0 hours", "24 hours 59 minutes");
  {
    Purge purge(pool, PurgeTurn::kToken, {{"records", &PurgeRecords}});
    purge.Start();
    purge.Start();
    EXPECT_TRUE(test::Eventually([&] { return Count("create_time < now() - interval '25 hours'") == "0"; }));
    purge.EndSoon();
  }
  EXPECT_EQ(Count(), "100");
  const Purge never_started(pool, PurgeTurn::kToken, {});
}

TEST_F(PurgeTest, NothingIsPurgedTwiceOrMissed) {
  constexpr int kOld = 20000;
  MakeRecords(kOld, "26 hours", "50 hours");
  MakeRecords(100, "0 hours", "24 hours 59 minutes");
  std::atomic<int64_t> purged = 0;
  std::vector<std::thread> purgers;
  for (int i = 0; i < 4; ++i) {
    purgers.emplace_back([&] {
      absl::Time from = absl::InfinitePast();
      for (bool more = true; more;) {
        const auto step =
            Transact(pool, absl::InfiniteFuture(), [&](Transaction& tx) { return PurgeRecords(tx, from); });
        ASSERT_THAT(step, Succeeds());
        purged += step->rows;
        from = std::max(from, step->last);
        more = step->more;
      }
    });
  }
  for (std::thread& purger : purgers) purger.join();
  // What one had locked the others have passed over: it has gone all the same.
  EXPECT_EQ(purged, kOld);
  EXPECT_EQ(Count(), "100");
}

TEST_F(PurgeTest, AStepCostsTheSameHoweverMuchHasGoneAndHoweverMuchStays) {
  constexpr int kSteps = 30;
  MakeRecords(2 * kSteps * static_cast<int>(kPurgeRows) + 1, "0 hours", "50 hours");
  const test::LongReader reader(pool);
  const auto costs = test::CostOfSteps(pool, &PurgeRecords);
  test::ExpectEqualCosts(costs, kSteps);
  EXPECT_LE(costs.back().rows, 2 * kPurgeRows) << "where only what is young is left";
}

}  // namespace
}  // namespace parley::data
