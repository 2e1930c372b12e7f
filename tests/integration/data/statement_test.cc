#include "common/data/statement.h"

#include <gtest/gtest.h>

#include "common/data/connection.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

constexpr Statement kEcho{"echo", R"sql(
  select $1::uuid, $2::int8, $3::bool, $4::timestamptz, $5::text, $6::bytea, $7::uuid[], $8::text[], $9::tstzrange[],
         null::uuid, $8::text[] = '{}')sql"};

TEST(StatementTest, ValuesGoThereAndBack) {
  test::TestDatabase database(test::TestDatabase::Schema::kNone);
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database.service_url()));
  const Uuid id = Uuid::TimeOrdered();
  const absl::Time time = absl::FromUnixMicros(-62135596800000000);
  const std::string text = "'; drop table users; -- ü";
  const std::string bytes("\0\1\xff", 3);
  const std::vector<Slot> slots{{time, absl::Microseconds(1)},
                                {absl::FromUnixSeconds(253402300799), absl::Hours(8784)}};
  for (const auto& texts : {std::vector<std::string>{}, std::vector<std::string>{text, "", "{}"}}) {
    Params params;
    params.Add(id).Add(int64_t{-5}).Add(true).Add(time).Add(text).AddBytes(bytes).AddUuids({id, Uuid{}});
    params.AddTexts(texts).AddSlots(slots);
    ASSERT_OK_AND_ASSIGN(const Result result, connection->Execute(kEcho, params));
    const Row row = result[0];
    EXPECT_EQ(row.GetUuid(0), id);
    EXPECT_EQ(row.GetInt(1), -5);
    EXPECT_TRUE(row.GetBool(2));
    EXPECT_EQ(row.GetTime(3), time);
    EXPECT_EQ(row.GetText(4), text);
    EXPECT_EQ(row.GetText(5), bytes);
    EXPECT_EQ(row.GetUuids(6), (std::vector<Uuid>{id, Uuid{}}));
    EXPECT_EQ(row.GetTexts(7), texts);
    EXPECT_EQ(row.GetSlots(8), slots);
    EXPECT_TRUE(row.IsNull(9));
    EXPECT_EQ(row.GetBool(10), texts.empty());
  }
}

constexpr Statement kPoisoned{"poisoned", R"sql(
  select array['empty', tstzrange(null, '2033-01-01'), tstzrange('2033-01-01', null), null, '[2033-01-01, 2033-01-02)'],
         array[null, 'x'], array[array['x'], array['y']], array[null]::uuid[])sql"};

TEST(StatementTest, WhatNobodyOfUsWroteEndsNoProcess) {
  test::TestDatabase database(test::TestDatabase::Schema::kNone);
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database.service_url()));
  ASSERT_OK_AND_ASSIGN(const Result result, connection->Execute(kPoisoned, {}));
  const auto slots = result[0].GetSlots(0);
  ASSERT_EQ(slots.size(), 5u);
  for (size_t i = 0; i < 4; ++i) EXPECT_FALSE(IsValid(slots[i])) << i;
  EXPECT_TRUE(IsValid(slots[4]));
  EXPECT_EQ(result[0].GetTexts(1), (std::vector<std::string>{"", "x"}));
  EXPECT_EQ(result[0].GetTexts(2), std::vector<std::string>{""});
  EXPECT_EQ(result[0].GetUuids(3), std::vector<Uuid>{Uuid{}});
}

}  // namespace
}  // namespace parley::data
