// Calls of the token service that are sent twice (proto/README.md, "request_id").
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <set>
#include <thread>

#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::SizeIs;

const auto kReused = Fails(kInvalidArgument, error::v1::REQUEST_ID_REUSED);

class RequestIdTest : public TokenTest {
 protected:
  template <class Request, class Response>
  using Handler = absl::Status (TokenHandlers::*)(const rpc::Call&, const Request&, Response&) const;

  template <class Request, class Response>
  absl::StatusOr<Response> Call(Handler<Request, Response> handler, const rpc::Call& call, const Request& request) {
    return Answer(many, handler, call, request);
  }

  // Fifty at once, then once more: all answers, which all must succeed.
  template <class Request, class Response>
  std::vector<Response> CallOften(Handler<Request, Response> handler, const rpc::Call& call, const Request& request) {
    std::vector<absl::StatusOr<Response>> answers(50, absl::UnknownError(""));
    std::vector<std::thread> threads;
    for (auto& answer : answers) threads.emplace_back([&] { answer = Call(handler, call, request); });
    for (std::thread& thread : threads) thread.join();
    answers.push_back(Call(handler, call, request));
    std::vector<Response> good;
    for (const auto& answer : answers) {
      EXPECT_THAT(answer, Succeeds());
      if (answer.ok()) good.push_back(*answer);
    }
    return good;
  }

  template <class Response>
  static void ExpectEqual(const std::vector<Response>& answers) {
    ASSERT_THAT(answers, SizeIs(51));
    for (const Response& answer : answers) {
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(answer, answers.front()));
    }
  }

  data::Pool wide{database.service_url(), 20};
  const TokenHandlers many{wide, signer};
  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("anna@example.com");
  const std::string id = Uuid::TimeOrdered().ToString();
};

TEST_F(RequestIdTest, CreateUserMakesOneUser) {
  v1::CreateUserRequest request;
  request.mutable_user()->set_address("new@example.com");
  request.set_request_id(id);
  const auto users = CallOften(&TokenHandlers::CreateUser, CallByUser(staff), request);
  ExpectEqual(users);
  EXPECT_EQ(Count("users"), "3");
  v1::CreateUserRequest other = request;
  other.mutable_user()->set_address("other@example.com");
  EXPECT_THAT(Call(&TokenHandlers::CreateUser, CallByUser(staff), other), kReused);
  other.set_request_id("17");
  EXPECT_THAT(Call(&TokenHandlers::CreateUser, CallByUser(staff), other),
              Fails(kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_EQ(Count("users"), "3");
  const data::User second = MakeUser("second@example.com", v1::User::STAFF);
  EXPECT_THAT(Call(&TokenHandlers::CreateUser, CallByUser(second), request),
              Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS))
      << "another user's id is another call";
}

TEST_F(RequestIdTest, AFailedCallIsNotRemembered) {
  v1::CreateApiKeyRequest request;
  const data::User named = MakeInactiveUser("named@example.com");
  request.set_parent(NameOf(named));
  request.set_request_id(id);
  EXPECT_THAT(Call(&TokenHandlers::CreateApiKey, CallByUser(staff), request),
              Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE));
  EXPECT_EQ(Count("request_records"), "0");
  database.Sql("update users set state = 'ACTIVE'");
  EXPECT_THAT(Call(&TokenHandlers::CreateApiKey, CallByUser(staff), request), Succeeds());
}

TEST_F(RequestIdTest, U4_CreateApiKeyShowsItsKeyOnce) {
  v1::CreateApiKeyRequest request;
  request.set_parent(NameOf(anna));
  request.set_request_id(id);
  const auto api_keys = CallOften(&TokenHandlers::CreateApiKey, CallByUser(staff), request);
  std::set<std::string> names;
  int keys = 0;
  for (const v1::ApiKey& api_key : api_keys) {
    names.insert(api_key.name());
    keys += !api_key.key().empty();
  }
  EXPECT_THAT(names, SizeIs(1));
  EXPECT_EQ(keys, 1);
  EXPECT_EQ(Count("api_keys"), "1");
}

TEST_F(RequestIdTest, ChangesOfUsersAreAnsweredInTheirPresentState) {
  v1::DeactivateUserRequest deactivate;
  deactivate.set_name(NameOf(anna));
  deactivate.set_etag(anna.etag());
  deactivate.set_request_id(id);
  ExpectEqual(CallOften(&TokenHandlers::DeactivateUser, CallByUser(staff), deactivate));
  v1::ActivateUserRequest activate;
  activate.set_name(NameOf(anna));
  activate.set_request_id(id);
  ExpectEqual(CallOften(&TokenHandlers::ActivateUser, CallByUser(staff), activate));
  ASSERT_OK_AND_ASSIGN(const v1::User again, Call(&TokenHandlers::DeactivateUser, CallByUser(staff), deactivate));
  EXPECT_EQ(again.state(), v1::User::ACTIVE) << "it was not done again";
  v1::UpdateUserRequest update;
  update.mutable_user()->set_name(NameOf(anna));
  update.mutable_user()->set_role(v1::User::STAFF);
  update.set_request_id(id);
  ExpectEqual(CallOften(&TokenHandlers::UpdateUser, CallByUser(staff), update));
  update.mutable_user()->set_role(v1::User::MEMBER);
  EXPECT_THAT(Call(&TokenHandlers::UpdateUser, CallByUser(staff), update), kReused);
}

TEST_F(RequestIdTest, RevocationsAreAnsweredAgain) {
  MakeApiKey(anna);
  v1::RevokeApiKeyRequest api_key;
  api_key.set_name(NameOf(anna) + "/apiKeys/" + database.Sql("select api_key_id::text from api_keys"));
  api_key.set_request_id(id);
  ExpectEqual(CallOften(&TokenHandlers::RevokeApiKey, CallByUser(anna), api_key));

  const Uuid event_id = MakeEvent({anna, staff});
  const Guest guest = MakeGuest(event_id, anna);
  v1::RevokeEmailTokenRequest email_token;
  email_token.set_name("events/-/emailTokens/self");
  email_token.set_request_id(id);
  ExpectEqual(CallOften(&TokenHandlers::RevokeEmailToken, guest.call, email_token));
  EXPECT_THAT(Call(&TokenHandlers::RevokeEmailToken, MakeGuest(event_id, anna).call, email_token), kReused)
      << "self is another token there";
  email_token.set_name(guest.name);
  email_token.set_request_id(Uuid::TimeOrdered().ToString());
  ASSERT_OK_AND_ASSIGN(const auto first, Call(&TokenHandlers::RevokeEmailToken, CallByUser(staff), email_token));
  Delete(event_id);
  ASSERT_OK_AND_ASSIGN(const auto later, Call(&TokenHandlers::RevokeEmailToken, CallByUser(staff), email_token));
  EXPECT_EQ(later.SerializeAsString(), first.SerializeAsString()) << "also after the event has gone";
  email_token.set_request_id("");
  EXPECT_THAT(Call(&TokenHandlers::RevokeEmailToken, CallByUser(staff), email_token),
              Fails(kNotFound, error::v1::NOT_FOUND));
}

TEST_F(RequestIdTest, WhatIsRememberedHoldsNoAddressAndNoKey) {
  v1::CreateUserRequest request;
  request.mutable_user()->set_address("canary@example.com");
  request.set_request_id(id);
  ASSERT_THAT(Call(&TokenHandlers::CreateUser, CallByUser(staff), request), Succeeds());
  EXPECT_EQ(database.Sql("select count(*)::text from request_records r where r::text like '%canary%'"), "0");
  EXPECT_EQ(Count("request_records"), "1");
}

}  // namespace
}  // namespace parley::token
