// What is kept for a time only (rule T3; request ids for a day).
#include "common/data/request_records.h"
#include "services/token/email_tokens.h"
#include "tests/integration/token/token_test.h"
#include "tests/support/purging.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;

absl::StatusOr<data::Purged> PurgeTokens(data::Transaction& tx, absl::Time from) { return EmailTokens(tx).Purge(from); }
absl::StatusOr<data::Purged> PurgeRecords(data::Transaction& tx, absl::Time from) {
  return data::RequestRecords(tx).Purge(from);
}

class PurgeTest : public TokenTest {
 protected:
  // E-mail tokens that expired so long ago.
  void MakeExpired(int count, const std::string& ago) {
    database.Sql("insert into email_tokens select gen_random_uuid(), '" + event_id.ToString() + "', '" +
                 anna.id.ToString() + "', sha256(gen_random_uuid()::text::bytea), now() - interval '100 days', " +
                 "now() - interval '" + ago + "' from generate_series(1, " + std::to_string(count) + ")");
  }
  // One step of it from the oldest on; how many rows have gone.
  int64_t Purge(absl::StatusOr<data::Purged> (*purge)(data::Transaction&, absl::Time)) {
    return InTransaction([&](data::Transaction& tx) { return purge(tx, absl::InfinitePast()); }).rows;
  }

  const data::User anna = MakeUser("anna@example.com");
  const Uuid event_id = MakeEvent({anna});
};

TEST_F(PurgeTest, T3_ExpiredTokensArePurgedAfterNinetyDaysNotEarlier) {
  MakeExpired(1, "90 days");
  MakeExpired(1, "91 days");
  MakeExpired(1, "89 days 23 hours 59 minutes");
  MakeExpired(1, "-1 day");
  database.Sql("update email_tokens set revoke_time = create_time where expire_time > now() - interval '90 days'");
  EXPECT_EQ(Purge(&PurgeTokens), 2);
  EXPECT_EQ(database.Sql("select count(*)::text from email_tokens where expire_time > now() - interval '90 days'"),
            "2");
  EXPECT_EQ(Purge(&PurgeTokens), 0);
  EXPECT_EQ(Count("email_tokens"), "2");
}

TEST_F(PurgeTest, T3_TheOldestGoFirstAStepFull) {
  MakeExpired(2, "92 days");
  MakeExpired(static_cast<int>(data::kPurgeRows), "95 days");
  EXPECT_EQ(Purge(&PurgeTokens), data::kPurgeRows);
  EXPECT_EQ(database.Sql("select count(*)::text from email_tokens where expire_time > now() - interval '93 days'"),
            "2");
  EXPECT_EQ(Purge(&PurgeTokens), 2);
  EXPECT_EQ(Count("email_tokens"), "0");
}

TEST_F(PurgeTest, AStepOfTokensCostsTheSameHoweverMuchHasGoneAndHoweverMuchStays) {
  constexpr int kSteps = static_cast<int>(5000 / data::kPurgeRows);
  // Of all ages, those of one time not side by side.
  database.Sql("insert into email_tokens select gen_random_uuid(), '" + event_id.ToString() + "', '" +
               anna.id.ToString() + "', sha256(gen_random_uuid()::text::bytea), now() - interval '200 days', now() - " +
               "(i * 7919 % 10001) * interval '180 days' / 10001 from generate_series(1, 10001) i");
  const test::LongReader reader(pool);
  const auto costs = test::CostOfSteps(pool, &PurgeTokens);
  test::ExpectEqualCosts(costs, kSteps);
  EXPECT_LE(costs.back().rows, 2 * data::kPurgeRows) << "where only what is young is left";
  EXPECT_EQ(Count("email_tokens"), "5001");
}

TEST_F(PurgeTest, WhatSomebodyHoldsIsNotWaitedFor) {
  constexpr data::Statement kHoldTokens{"hold_tokens", "select from email_tokens limit 1 for update"};
  MakeExpired(3, "91 days");
  {
    auto holder = data::Transaction::Begin(pool, absl::InfiniteFuture());
    ASSERT_THAT(holder, Succeeds());
    ASSERT_THAT((*holder)->Execute(kHoldTokens), Succeeds());
    EXPECT_EQ(Purge(&PurgeTokens), 2);
  }
  EXPECT_EQ(Purge(&PurgeTokens), 1);
}

TEST_F(PurgeTest, WhatIsRememberedIsPurgedAfterADay) {
  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  v1::CreateUserRequest request;
  request.mutable_user()->set_address("new@example.com");
  request.set_request_id(Uuid::TimeOrdered().ToString());
  auto create = [&] { return Answer(tokens, &TokenHandlers::CreateUser, CallByUser(staff), request); };
  ASSERT_THAT(create(), Succeeds());
  EXPECT_EQ(Purge(&PurgeRecords), 0);
  database.Sql("update request_records set create_time = now() - interval '23 hours 59 minutes'");
  EXPECT_EQ(Purge(&PurgeRecords), 0);
  ASSERT_THAT(create(), Succeeds()) << "within a day it is answered again";
  database.Sql("update request_records set create_time = now() - interval '24 hours 1 second'");
  EXPECT_THAT(create(), Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS))
      << "after a day it is as new";
  database.Sql("update request_records set create_time = now() - interval '26 hours'");
  EXPECT_EQ(Purge(&PurgeRecords), 1);
}

}  // namespace
}  // namespace parley::token
