// Users' states and roles, and what they mean for credentials (rules U1, U2, U4, U6, T5).
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

class UserStatesTest : public TokenTest {
 protected:
  template <class Request>
  static Request Of(const std::string& name, const std::string& etag = "") {
    Request request;
    request.set_name(name);
    request.set_etag(etag);
    return request;
  }
  absl::StatusOr<v1::User> Deactivate(const rpc::Call& call, const std::string& name, const std::string& etag = "") {
    v1::User user;
    PARLEY_RETURN_IF_ERROR(tokens.DeactivateUser(call, Of<v1::DeactivateUserRequest>(name, etag), user));
    return user;
  }
  absl::StatusOr<v1::User> Activate(const rpc::Call& call, const std::string& name, const std::string& etag = "") {
    v1::User user;
    PARLEY_RETURN_IF_ERROR(tokens.ActivateUser(call, Of<v1::ActivateUserRequest>(name, etag), user));
    return user;
  }
  absl::StatusOr<v1::User> SetRole(const rpc::Call& call, const std::string& name, v1::User::Role role,
                                   const std::string& etag = "") {
    v1::UpdateUserRequest request;
    request.mutable_user()->set_name(name);
    request.mutable_user()->set_role(role);
    request.mutable_user()->set_etag(etag);
    v1::User user;
    PARLEY_RETURN_IF_ERROR(tokens.UpdateUser(call, request, user));
    return user;
  }
  absl::StatusOr<std::vector<v1::User>> ListUsers(const rpc::Call& call, const std::string& address = "") {
    v1::ListUsersRequest request;
    request.set_page_size(2);
    request.set_address(address);
    std::vector<v1::User> users;
    do {
      v1::ListUsersResponse response;
      PARLEY_RETURN_IF_ERROR(tokens.ListUsers(call, request, response));
      EXPECT_LE(response.users_size(), 2);
      users.insert(users.end(), response.users().begin(), response.users().end());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return users;
  }
  const data::User anna = MakeUser("anna@example.com");
  const data::User ben = MakeUser("ben@example.com");
  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const std::string unknown = "users/" + Uuid::TimeOrdered().ToString();
};

const auto kRefused = Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID);

TEST_F(UserStatesTest, U4_ADeactivatedUsersKeysAndEmailTokensAreRefused) {
  const Uuid event_id = MakeEvent({anna, ben});
  const std::string key = MakeApiKey(anna);
  const Guest guest = MakeGuest(event_id, anna);
  ASSERT_OK_AND_ASSIGN(const v1::User deactivated, Deactivate(CallByUser(staff), NameOf(anna)));
  EXPECT_EQ(deactivated.state(), v1::User::DEACTIVATED);
  EXPECT_THAT(Check(key), kRefused);
  EXPECT_THAT(Check(guest.key), kRefused);
  database.Sql("update email_tokens set expire_time = now()");
  EXPECT_THAT(Check(guest.key), kRefused) << "that it has expired as well is not said";
  internal::token::v1::CreateEmailTokensRequest request;
  request.add_holders()->set_event_id(event_id.ToBytes());
  request.mutable_holders(0)->set_user_id(anna.id.ToBytes());
  internal::token::v1::CreateEmailTokensResponse made;
  EXPECT_THAT(credentials.CreateEmailTokens(CallByService("notification"), request, made), Succeeds());
  ASSERT_EQ(made.results_size(), 1);
  EXPECT_EQ(made.results(0).refusal(), internal::token::v1::CreateEmailTokensResponse::Result::USER_DEACTIVATED);
  EXPECT_EQ(made.results(0).key(), "") << "no new token is made";
  v1::CreateApiKeyRequest new_key;
  new_key.set_parent(NameOf(anna));
  v1::ApiKey api_key;
  EXPECT_THAT(tokens.CreateApiKey(CallByUser(staff), new_key, api_key),
              Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE));
  EXPECT_THAT(Check(MakeApiKey(ben)), Succeeds()) << "others are not touched";
}

TEST_F(UserStatesTest, U4_ActivationUndoesDeactivation) {
  const std::string key = MakeApiKey(anna);
  const Guest guest = MakeGuest(MakeEvent({anna, ben}), anna);
  ASSERT_THAT(Deactivate(CallByUser(staff), NameOf(anna)), Succeeds());
  ASSERT_THAT(Deactivate(CallByUser(staff), NameOf(anna)), Succeeds()) << "again changes nothing";
  ASSERT_OK_AND_ASSIGN(const v1::User active, Activate(CallByUser(staff), NameOf(anna)));
  EXPECT_EQ(active.state(), v1::User::ACTIVE);
  EXPECT_THAT(Check(key), Succeeds());
  EXPECT_THAT(Check(guest.key), Succeeds());
  const data::User inactive = MakeInactiveUser("named@example.com");
  ASSERT_OK_AND_ASSIGN(const v1::User activated, Activate(CallByUser(staff), NameOf(inactive)));
  EXPECT_EQ(activated.state(), v1::User::ACTIVE);
  EXPECT_EQ(activated.role(), v1::User::MEMBER);
}

TEST_F(UserStatesTest, U6_ADeactivatedUserCannotBeActedFor) {
  const std::string key = MakeApiKey(staff);
  ASSERT_THAT(Check(key, "anna@example.com"), Succeeds());
  MakeInactiveUser("named@example.com");
  ASSERT_OK_AND_ASSIGN(const auto inactive, Check(key, "named@example.com"));
  EXPECT_EQ(inactive.role(), v1::User::MEMBER);
  EXPECT_EQ(inactive.state(), v1::User::INACTIVE);
  ASSERT_THAT(Deactivate(CallByUser(staff), NameOf(anna)), Succeeds());
  const auto refused = Check(key, "anna@example.com");
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE));
  EXPECT_THAT(DetailOf<google::rpc::ErrorInfo>(refused).metadata(), Contains(Pair("state", "DEACTIVATED")));
  EXPECT_EQ(DetailOf<google::rpc::PreconditionFailure>(refused).violations_size(), 1);
  EXPECT_THAT(refused.status().ToString(absl::StatusToStringMode::kWithEverything), Not(HasSubstr("anna@")));
  EXPECT_THAT(Check(key, "nobody@example.com"), Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Check(MakeApiKey(ben), "anna@example.com"), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

TEST_F(UserStatesTest, U4_OnlyStaffChangeUsers) {
  const Guest guest = MakeGuest(MakeEvent({anna, staff}), staff);
  const auto denied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);
  const auto missing = Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING);
  const std::string before = AllRows();
  for (const std::string& name : {NameOf(anna), unknown}) {
    for (const rpc::Call& call : {CallByUser(anna), CallByUser(ben), guest.call}) {
      EXPECT_THAT(Deactivate(call, name), denied);
      EXPECT_THAT(Activate(call, name), denied);
      EXPECT_THAT(SetRole(call, name, v1::User::STAFF), denied);
      EXPECT_THAT(ListUsers(call), denied);
    }
    EXPECT_THAT(Deactivate(CallByNobody(), name), missing);
    EXPECT_THAT(Activate(CallByNobody(), name), missing);
    EXPECT_THAT(SetRole(CallByNobody(), name, v1::User::STAFF), missing);
    EXPECT_THAT(ListUsers(CallByNobody()), missing);
  }
  const auto absent = Fails(kNotFound, error::v1::NOT_FOUND);
  EXPECT_THAT(Deactivate(CallByUser(staff), unknown), absent);
  EXPECT_THAT(Activate(CallByUser(staff), unknown), absent);
  EXPECT_THAT(SetRole(CallByUser(staff), unknown, v1::User::STAFF), absent);
  const auto bad = Fails(kInvalidArgument, error::v1::INVALID_FIELDS);
  EXPECT_THAT(Deactivate(CallByUser(staff), "users/self"), bad);
  EXPECT_THAT(Activate(CallByUser(staff), ""), bad);
  EXPECT_THAT(SetRole(CallByUser(staff), NameOf(anna), v1::User::ROLE_UNSPECIFIED), bad);
  EXPECT_THAT(ListUsers(CallByUser(staff), "nonsense"), bad);
  EXPECT_EQ(AllRows(), before) << "L1: what fails writes nothing";
}

TEST_F(UserStatesTest, U1_RolesAndEtags) {
  ASSERT_OK_AND_ASSIGN(const v1::User promoted, SetRole(CallByUser(staff), NameOf(anna), v1::User::STAFF));
  EXPECT_EQ(promoted.role(), v1::User::STAFF);
  EXPECT_EQ(Check(MakeApiKey(anna))->role(), v1::User::STAFF);
  const auto stale = SetRole(CallByUser(staff), NameOf(anna), v1::User::MEMBER, anna.etag());
  EXPECT_THAT(stale, Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
  EXPECT_THAT(std::string(stale.status().message()), ::testing::HasSubstr(promoted.etag()));
  EXPECT_THAT(Deactivate(CallByUser(staff), NameOf(anna), anna.etag()),
              Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
  EXPECT_THAT(Activate(CallByUser(staff), NameOf(anna), anna.etag()),
              Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
  ASSERT_OK_AND_ASSIGN(const v1::User deactivated, Deactivate(CallByUser(staff), NameOf(anna), promoted.etag()));
  EXPECT_NE(deactivated.etag(), promoted.etag());
  EXPECT_EQ(deactivated.role(), v1::User::STAFF) << "the role stays";
  const auto staler = Activate(CallByUser(staff), NameOf(anna), promoted.etag());
  EXPECT_THAT(DetailOf<google::rpc::ErrorInfo>(staler).metadata(), Contains(Pair("etag", deactivated.etag())));
  EXPECT_THAT(Activate(CallByUser(staff), NameOf(anna), deactivated.etag()), Succeeds());
}

TEST_F(UserStatesTest, U1_OfManyWithOneEtagOneWins) {
  data::Pool wide(database.service_url(), 20);
  const TokenHandlers many(wide, signer);
  std::vector<absl::StatusOr<v1::User>> answers(40, absl::UnknownError(""));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] {
      if (i % 2 == 0) {
        v1::UpdateUserRequest request;
        request.mutable_user()->set_name(NameOf(anna));
        request.mutable_user()->set_role(v1::User::STAFF);
        request.mutable_user()->set_etag(anna.etag());
        answers[i] = Answer(many, &TokenHandlers::UpdateUser, CallByUser(staff), request);
      } else {
        answers[i] = Answer(many, &TokenHandlers::DeactivateUser, CallByUser(staff),
                            Of<v1::DeactivateUserRequest>(NameOf(anna), anna.etag()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto winner = std::ranges::find_if(answers, [](const auto& answer) { return answer.ok(); });
  ASSERT_NE(winner, answers.end());
  for (const auto& answer : answers) {
    if (&answer == &*winner) continue;
    EXPECT_THAT(answer, Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
    EXPECT_THAT(DetailOf<google::rpc::ErrorInfo>(answer).metadata(), Contains(Pair("etag", (*winner)->etag())));
  }
}

TEST_F(UserStatesTest, U1_ChangesOfRoleAndStateAtOnceAreBothThere) {
  data::Pool wide(database.service_url(), 2);
  const TokenHandlers many(wide, signer);
  for (int i = 0; i < 20; ++i) {
    const data::User user = MakeUser("user" + std::to_string(i) + "@example.com");
    std::thread other([&] {
      EXPECT_THAT(
          Answer(many, &TokenHandlers::DeactivateUser, CallByUser(staff), Of<v1::DeactivateUserRequest>(NameOf(user))),
          Succeeds());
    });
    EXPECT_THAT(SetRole(CallByUser(staff), NameOf(user), v1::User::STAFF), Succeeds());
    other.join();
  }
  EXPECT_EQ(database.Sql("select count(*) || ' ' || min(state) || ' ' || max(state) || ' ' || min(role) "
                         "from users where local_part like 'user%'"),
            "20 DEACTIVATED DEACTIVATED STAFF");
}

TEST_F(UserStatesTest, U4_UpdateUserSetsTheRoleAlone) {
  v1::UpdateUserRequest request;
  request.mutable_user()->set_name(NameOf(anna));
  request.mutable_user()->set_address("other@example.com");
  request.mutable_update_mask()->add_paths("role");
  request.mutable_update_mask()->add_paths("address");
  v1::User user;
  EXPECT_THAT(BadFieldsOf(tokens.UpdateUser(CallByUser(staff), request, user)), ElementsAre("update_mask"));
  request.mutable_update_mask()->clear_paths();
  EXPECT_THAT(BadFieldsOf(tokens.UpdateUser(CallByUser(staff), request, user)), ElementsAre("user"))
      << "nothing to set";
  request.mutable_update_mask()->add_paths("*");
  request.mutable_user()->set_role(v1::User::STAFF);
  ASSERT_THAT(tokens.UpdateUser(CallByUser(staff), request, user), Succeeds());
  EXPECT_EQ(user.address(), "anna@example.com");
  EXPECT_EQ(user.role(), v1::User::STAFF);
  request.mutable_user()->clear_role();
  ASSERT_THAT(tokens.UpdateUser(CallByUser(staff), request, user), Succeeds());
  EXPECT_EQ(user.role(), v1::User::MEMBER) << "which is what no role means";
}

TEST_F(UserStatesTest, ListsAreNewestFirstPageByPage) {
  ASSERT_OK_AND_ASSIGN(const auto users, ListUsers(CallByUser(staff)));
  ASSERT_THAT(users, SizeIs(3));
  EXPECT_EQ(users[0].address(), "staff@example.com");
  EXPECT_EQ(users[2].address(), "anna@example.com");
  ASSERT_OK_AND_ASSIGN(const auto found, ListUsers(CallByUser(staff), "Anna@Example.com"));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].name(), NameOf(anna));
  EXPECT_THAT(*ListUsers(CallByUser(staff), "nobody@example.com"), IsEmpty());
  v1::ListUsersRequest request;
  request.set_page_size(1);
  v1::ListUsersResponse response;
  ASSERT_THAT(tokens.ListUsers(CallByUser(staff), request, response), Succeeds());
  request.set_page_token(response.next_page_token());
  request.set_address("anna@example.com");
  EXPECT_THAT(tokens.ListUsers(CallByUser(staff), request, response),
              Fails(kInvalidArgument, error::v1::CURSOR_INVALID));
}

TEST_F(UserStatesTest, U2_TwoHundredCreationsOfOneAddressMakeOneUser) {
  data::Pool wide(database.service_url(), 30);
  const TokenHandlers many(wide, signer);
  std::vector<absl::Status> created(100);
  std::vector<std::string> named(100);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 100; ++i) {
    threads.emplace_back([&, i] {
      v1::CreateUserRequest request;
      request.mutable_user()->set_address("New@Example.net");
      v1::User user;
      created[i] = many.CreateUser(CallByUser(staff), request, user);
    });
    threads.emplace_back([&, i] {
      const auto users = data::Transact(wide, absl::Now() + absl::Minutes(1), [](data::Transaction& tx) {
        return data::Users(tx).FindOrCreate({*ParseAddress("new@example.NET")});
      });
      if (users.ok()) named[i] = users->front().name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::ranges::count_if(created, [](const auto& status) { return status.ok(); }), 1);
  for (const absl::Status& status : created) {
    if (status.ok()) continue;
    EXPECT_THAT(status, Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS));
  }
  EXPECT_THAT(std::set<std::string>(named.begin(), named.end()), SizeIs(1));
  EXPECT_EQ(database.Sql("select count(*) || ' ' || max(state) from users where address_key = 'new@example.net'"),
            "1 ACTIVE");
}

}  // namespace
}  // namespace parley::token
