#include "common/data/request_records.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Succeeds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

class RequestRecordsTest : public testing::Test {
 protected:
  // Runs `fn(RequestRecords&)` in a transaction that must succeed.
  template <class Fn>
  auto In(Fn fn) {
    auto result = Transact(pool, Soon(), [&](Transaction& tx) {
      RequestRecords records(tx);
      return fn(records);
    });
    if (!result.ok()) ADD_FAILURE() << StatusOf(result);
    return result;
  }
  void Insert(const std::vector<RequestRecord>& records) {
    EXPECT_THAT(In([&](RequestRecords& all) { return all.Insert(records); }), Succeeds());
  }
  std::map<RequestKey, RequestRecord> Find(const std::vector<RequestKey>& keys) {
    return *In([&](RequestRecords& all) { return all.Find(keys); });
  }
  int64_t Purge() {
    return In([](RequestRecords& all) { return all.Purge(absl::InfinitePast()); })->rows;
  }
  void Age(const std::string& age) const {
    database.Sql("update parley.request_records set create_time = now() - interval '" + age + "'");
  }
  std::string Count() const { return database.Sql("select count(*)::text from parley.request_records"); }
  // Whether somebody waits for a key that another one has.
  bool SomebodyWaits() const {
    return database.Sql(
               "select count(*)::text from pg_locks where locktype = 'advisory' and not granted and database "
               "= (select oid from pg_database where datname = current_database())") == "1";
  }

  test::TestDatabase database;
  Pool pool{database.service_url(), 4};
  const Uuid user = Uuid::TimeOrdered();
  const RequestKey key{user, "parley.test.v1.DoRequest", Uuid::TimeOrdered()};
  const Uuid first = Uuid::TimeOrdered();
  const Uuid second = Uuid::TimeOrdered();
};

TEST_F(RequestRecordsTest, WhatIsInsertedIsFound) {
  RequestKey bare = key;
  bare.request_id = Uuid::TimeOrdered();
  RequestKey last = key;
  last.request_id = Uuid::TimeOrdered();
  Insert({{key, std::string("a\0\xff", 3), {{first, second}, 7}}, {bare, "b", {{}, 0}}, {last, "c", {{second}, 1}}});
  const auto found = Find({last, key, bare});
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found.at(key).key, key);
  EXPECT_EQ(found.at(key).digest, std::string("a\0\xff", 3));
  EXPECT_EQ(found.at(key).result.ids, (std::vector{first, second}));
  EXPECT_EQ(found.at(key).result.sequence, 7);
  EXPECT_THAT(found.at(bare).result.ids, IsEmpty());
  EXPECT_EQ(found.at(bare).result.sequence, 0);
  EXPECT_EQ(found.at(last).result.ids, std::vector{second});
}

TEST_F(RequestRecordsTest, OfOneUserAndOneMethod) {
  Insert({{key, "a", {{first}, 0}}});
  EXPECT_THAT(Find({{Uuid::TimeOrdered(), key.method, key.request_id}}), IsEmpty());
  EXPECT_THAT(Find({{user, "parley.test.v1.OtherRequest", key.request_id}}), IsEmpty());
  EXPECT_THAT(Find({{user, key.method, Uuid::TimeOrdered()}}), IsEmpty());
  EXPECT_THAT(Find({}), IsEmpty());
}

TEST_F(RequestRecordsTest, FoundForADay) {
  Insert({{key, "a", {{first}, 0}}});
  Age("23 hours 59 minutes");
  EXPECT_THAT(Find({key}), SizeIs(1));
  Age("24 hours");
  EXPECT_THAT(Find({key}), IsEmpty());
}

TEST_F(RequestRecordsTest, OneThatIsTooOldIsOverwritten) {
  Insert({{key, "a", {{first}, 3}}});
  Age("24 hours");
  Insert({{key, "b", {{second, first}, 4}}});
  const auto found = Find({key});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found.at(key).digest, "b");
  EXPECT_EQ(found.at(key).result.ids, (std::vector{second, first}));
  EXPECT_EQ(found.at(key).result.sequence, 4);
  EXPECT_EQ(Count(), "1");
}

TEST_F(RequestRecordsTest, PurgeLeavesWhatIsFound) {
  Insert({{key, "a", {{first}, 0}}});
  for (const char* age : {"0", "23 hours 59 minutes", "24 hours 59 minutes"}) {
    Age(age);
    EXPECT_EQ(Purge(), 0) << age;
  }
  Age("25 hours");
  EXPECT_EQ(Purge(), 1);
  EXPECT_EQ(Count(), "0");
}

// The second one waits, and then finds what the first one has remembered, or nothing where that was rolled back.
TEST_F(RequestRecordsTest, OneAtATimeHasAKey) {
  for (const bool commits : {false, true}) {
    auto holder = Transaction::Begin(pool, Soon());
    ASSERT_THAT(holder, Succeeds());
    ASSERT_THAT(RequestRecords(**holder).Lock({key}), Succeeds());
    size_t found = 2;
    std::thread other([&] {
      const auto records = In([&](RequestRecords& all) -> absl::StatusOr<std::map<RequestKey, RequestRecord>> {
        PARLEY_RETURN_IF_ERROR(all.Lock({key}));
        return all.Find({key});
      });
      if (records.ok()) found = records->size();
    });
    while (!SomebodyWaits()) {
    }
    EXPECT_THAT(RequestRecords(**holder).Insert({{key, "a", {{first}, 0}}}), Succeeds());
    if (commits) {
      EXPECT_THAT((*holder)->Commit(), Succeeds());
    } else {
      holder->reset();
    }
    other.join();
    EXPECT_EQ(found, commits ? 1u : 0u);
  }
}

TEST_F(RequestRecordsTest, ManyKeysInAnyOrderLockUpNobody) {
  std::vector<RequestKey> keys;
  for (int i = 0; i < 8; ++i) keys.push_back({user, key.method, Uuid::TimeOrdered()});
  keys.push_back(keys.front());  // a repeat in one batch
  auto lock_often = [&](std::vector<RequestKey> order) {
    for (int i = 0; i < 100; ++i) {
      std::rotate(order.begin(), order.begin() + 1, order.end());
      // One transaction: none is run again after a deadlock.
      auto tx = Transaction::Begin(pool, Soon());
      ASSERT_THAT(tx, Succeeds());
      ASSERT_THAT(RequestRecords(**tx).Lock(order), Succeeds());
      ASSERT_THAT((*tx)->Commit(), Succeeds());
    }
  };
  std::thread backwards([&] { lock_often({keys.rbegin(), keys.rend()}); });
  std::thread again([&] { lock_often(keys); });
  lock_often(keys);
  backwards.join();
  again.join();
}

}  // namespace
}  // namespace parley::data
