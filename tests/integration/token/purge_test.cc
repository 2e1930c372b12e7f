// What is kept for a time only (rule T3; request ids for a day).
#include "services/token/purge.h"

#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;

class PurgeTest : public TokenTest {
 protected:
  // E-mail tokens that expired so long ago.
  void MakeExpired(int count, const std::string& ago) {
    database.Sql("insert into email_tokens select gen_random_uuid(), '" + event_id.ToString() + "', '" +
                 anna.id.ToString() + "', sha256(gen_random_uuid()::text::bytea), now() - interval '100 days', " +
                 "now() - interval '" + ago + "' from generate_series(1, " + std::to_string(count) + ")");
  }
  // Remembered calls that were answered so long ago.
  void MakeRemembered(int count, const std::string& ago) {
    database.Sql("insert into request_records select '" + anna.id.ToString() +
                 "', 'method', gen_random_uuid(), '', '{}', 0, now() - interval '" + ago +
                 "' from generate_series(1, " + std::to_string(count) + ")");
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
  EXPECT_EQ(*PurgeSome(pool), 2);
  EXPECT_EQ(database.Sql("select count(*)::text from email_tokens where expire_time > now() - interval '90 days'"),
            "2");
  EXPECT_EQ(*PurgeSome(pool), 0);
  EXPECT_EQ(Count("email_tokens"), "2");
}

TEST_F(PurgeTest, T3_TheOldestGoFirstAThousandAStep) {
  MakeExpired(1000, "95 days");
  MakeExpired(2, "92 days");
  EXPECT_EQ(*PurgeSome(pool), 1000);
  EXPECT_EQ(database.Sql("select count(*)::text from email_tokens where expire_time > now() - interval '93 days'"),
            "2");
  EXPECT_EQ(*PurgeSome(pool), 2);
  EXPECT_EQ(Count("email_tokens"), "0");
}

TEST_F(PurgeTest, WhatSomebodyHoldsIsNotWaitedFor) {
  constexpr data::Statement kHoldTokens{"hold_tokens", "select from email_tokens limit 1 for update"};
  constexpr data::Statement kHoldRecords{"hold_records", "select from request_records limit 1 for update"};
  MakeExpired(3, "91 days");
  MakeRemembered(3, "26 hours");
  {
    auto holder = data::Transaction::Begin(pool, absl::InfiniteFuture());
    ASSERT_THAT(holder, Succeeds());
    ASSERT_THAT((*holder)->Execute(kHoldTokens), Succeeds());
    ASSERT_THAT((*holder)->Execute(kHoldRecords), Succeeds());
    EXPECT_EQ(*PurgeSome(pool), 4);
  }
  EXPECT_EQ(*PurgeSome(pool), 2);
}

TEST_F(PurgeTest, WhatIsRememberedIsPurgedAfterADay) {
  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  v1::CreateUserRequest request;
  request.mutable_user()->set_address("new@example.com");
  request.set_request_id(Uuid::TimeOrdered().ToString());
  auto create = [&] { return Answer(tokens, &TokenHandlers::CreateUser, CallByUser(staff), request); };
  ASSERT_THAT(create(), Succeeds());
  EXPECT_EQ(*PurgeSome(pool), 0);
  database.Sql("update request_records set create_time = now() - interval '23 hours 59 minutes'");
  EXPECT_EQ(*PurgeSome(pool), 0);
  ASSERT_THAT(create(), Succeeds()) << "within a day it is answered again";
  database.Sql("update request_records set create_time = now() - interval '24 hours 1 second'");
  EXPECT_THAT(create(), Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS))
      << "after a day it is as new";
  database.Sql("update request_records set create_time = now() - interval '26 hours'");
  EXPECT_EQ(*PurgeSome(pool), 1);
}

TEST_F(PurgeTest, WithoutTheDatabaseItIsUnavailable) {
  data::Pool away("host=/nowhere", 1);
  EXPECT_THAT(PurgeSome(away), Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE));
}

// The pause between two steps is a minute where there was nothing to do: the test ends long before.
TEST_F(PurgeTest, RunsByItselfUntilAllIsPurgedAndEndsAtOnce) {
  MakeExpired(1500, "91 days");
  {
    Purge purge(pool);
    purge.Start();
    purge.Start();
    while (Count("email_tokens") != "0") {
    }
  }
  const Purge never_started(pool);
}

}  // namespace
}  // namespace parley::token
