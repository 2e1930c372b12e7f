// EraseUser: who may, what is gone at once, and that nothing comes back (rule A7).
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "absl/strings/ascii.h"
#include "common/data/entry_record.h"
#include "common/data/erasures.h"
#include "common/data/log_entries.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;

class EraseUserTest : public TokenTest {
 protected:
  absl::Status Erase(const rpc::Call& call, const std::string& name, const std::string& request_id = "") {
    v1::EraseUserRequest request;
    request.set_name(name);
    request.set_request_id(request_id);
    google::protobuf::Empty response;
    return tokens.EraseUser(call, request, response);
  }

  // Whether this text, in lower case, stands in any row of any table, in whatever case.
  bool Stands(const std::string& text) const {
    return absl::AsciiStrToLower(AllRows()).find(text) != std::string::npos;
  }

  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("Anna.Canary@example.com");
  const data::User ben = MakeUser("ben@example.com");
};

TEST_F(EraseUserTest, A7_TheAddressIsInNoTableAndNothingOpensAnymore) {
  const std::string key = MakeApiKey(anna);
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest guest = MakeGuest(event_id, anna);
  const std::string user_id = anna.id.ToString();
  ASSERT_TRUE(Stands("anna.canary"));
  database.Sql("analyze users, event_parties, event_staff");
  EXPECT_EQ(database.Sql("select count(*)::text from pg_stats where schemaname = 'parley' and "
                         "pg_stats::text ilike '%anna.canary%'"),
            "0");
  ASSERT_THAT(Erase(CallByUser(anna), "users/self", Uuid::TimeOrdered().ToString()), Succeeds());
  EXPECT_FALSE(Stands("anna.canary"));
  EXPECT_EQ(database.Sql("select count(*)::text from users where user_id = '" + user_id + "'"), "0");
  for (const std::string& each : {key, guest.key}) {
    EXPECT_THAT(Check(each), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  }
  v1::GetUserRequest get;
  get.set_name(NameOf(anna));
  v1::User shown;
  EXPECT_THAT(tokens.GetUser(CallByUser(staff), get, shown), Fails(kNotFound, error::v1::NOT_FOUND));
  const auto event = InTransaction([&](data::Transaction& tx) { return data::Events(tx).Find({event_id}); }).front();
  EXPECT_EQ(event.parties[0].address.Shown(), "erased");
  EXPECT_EQ(event.parties[1].address.Shown(), "ben@example.com");
  EXPECT_EQ(event.initiator.Shown(), "erased");
  EXPECT_NE(event.FindParty(anna.id), nullptr) << "it counts until its log says so";
}

TEST_F(EraseUserTest, A7_WhoIsNamedAgainIsSomebodyElse) {
  MakeEvent({anna, ben});
  ASSERT_THAT(Erase(CallByUser(staff), NameOf(anna)), Succeeds());
  const data::User again = MakeInactiveUser("anna.canary@EXAMPLE.com");
  EXPECT_NE(again.id, anna.id);
  EXPECT_EQ(again.state, v1::User::INACTIVE);
  EXPECT_EQ(database.Sql("select count(*)::text from event_parties where user_id = '" + again.id.ToString() + "'"),
            "0");
  EXPECT_THAT(Erase(CallByUser(staff), NameOf(anna)), Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Erase(CallByUser(staff), NameOf(again)), Succeeds()) << "and can be erased as well";
}

TEST_F(EraseUserTest, A7_TheUserAndStaffMay) {
  const Uuid event_id = MakeEvent({anna, ben});
  rpc::Call acting = CallByUser(anna);
  acting.principal.acting_id = staff.id;
  const auto denied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);
  EXPECT_THAT(Erase(CallByUser(ben), NameOf(anna)), denied);
  EXPECT_THAT(Erase(CallByUser(ben), "users/" + Uuid::TimeOrdered().ToString()), denied);
  EXPECT_THAT(Erase(MakeGuest(event_id, anna).call, NameOf(anna)), denied);
  EXPECT_THAT(Erase(acting, NameOf(ben)), denied);
  EXPECT_THAT(Erase(acting, "users/self"), Succeeds());
  EXPECT_EQ(database.Sql("select effector_id || ' ' || acted_by_id from erasures"),
            anna.id.ToString() + " " + staff.id.ToString());
  database.Sql("update users set state = 'DEACTIVATED' where user_id = '" + ben.id.ToString() + "'");
  EXPECT_THAT(Erase(CallByUser(staff), NameOf(ben)), Succeeds());
  EXPECT_THAT(Erase(CallByUser(staff), "users/self"), Succeeds());
}

TEST_F(EraseUserTest, A7_CallsThatWereRememberedAreAnsweredWithoutThePerson) {
  const std::string id = Uuid::TimeOrdered().ToString();
  v1::CreateUserRequest create;
  create.mutable_user()->set_address("remembered@example.com");
  create.set_request_id(id);
  v1::User made;
  ASSERT_THAT(tokens.CreateUser(CallByUser(staff), create, made), Succeeds());
  v1::CreateApiKeyRequest create_key;
  create_key.set_parent(made.name());
  create_key.set_request_id(id);
  v1::ApiKey api_key;
  ASSERT_THAT(tokens.CreateApiKey(CallByUser(staff), create_key, api_key), Succeeds());
  v1::RevokeApiKeyRequest revoke;
  revoke.set_name(api_key.name());
  revoke.set_request_id(id);
  ASSERT_THAT(tokens.RevokeApiKey(CallByUser(staff), revoke, api_key), Succeeds());
  ASSERT_THAT(Erase(CallByUser(staff), made.name(), id), Succeeds());
  EXPECT_THAT(Erase(CallByUser(staff), made.name(), id), Succeeds()) << "it was done before";
  const auto absent = Fails(kNotFound, error::v1::NOT_FOUND);
  EXPECT_THAT(tokens.CreateUser(CallByUser(staff), create, made), absent);
  EXPECT_THAT(tokens.CreateApiKey(CallByUser(staff), create_key, api_key), absent);
  EXPECT_THAT(tokens.RevokeApiKey(CallByUser(staff), revoke, api_key), absent);
}

// Whoever names an address while it is erased either comes before, and is swept along, or after, and makes a new user.
TEST_F(EraseUserTest, A7_NoAddressComesBackByACallThatWasUnderWay) {
  std::atomic<bool> done = false;
  std::atomic<int> named = 0;
  std::vector<std::thread> namers;
  for (int i = 0; i < 3; ++i) {
    namers.emplace_back([&] {
      while (!done) {
        const auto status =
            data::Transact(pool, absl::Now() + absl::Minutes(1), [&](data::Transaction& tx) -> absl::Status {
              PARLEY_RETURN_IF_ERROR(data::Erasures(tx).Hold());
              PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindOrCreate({{"raced", "example.com"}}));
              data::Event event;
              event.id = Uuid::TimeOrdered();
              event.title = "race";
              event.parties = {{users.front().id, users.front().address, data::MakeSalt()}};
              event.initiator_id = ben.id;
              event.create_time = event.update_time = tx.now();
              return data::Events(tx).Insert({event});
            });
        EXPECT_THAT(status, Succeeds());
        ++named;
      }
    });
  }
  for (int erased = 0; erased < 30;) {
    const std::string id = database.Sql("select user_id from users where local_part = 'raced'");
    if (id.empty()) continue;
    EXPECT_THAT(Erase(CallByUser(staff), "users/" + id), Succeeds());
    ++erased;
  }
  done = true;
  for (std::thread& thread : namers) thread.join();
  EXPECT_GT(named, 30);
  EXPECT_EQ(database.Sql("select count(*)::text from event_parties p where local_part <> '' "
                         "and not exists (select from users u where u.user_id = p.user_id)"),
            "0");
}

}  // namespace
}  // namespace parley::token
