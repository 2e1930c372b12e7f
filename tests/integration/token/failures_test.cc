// Every method of this service in every way in which it can fail (rule L1): the error, and that nothing was written.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <functional>
#include <map>
#include <set>

#include "common/data/key.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::Matcher;

namespace internal_v1 = internal::token::v1;

std::string Quoted(const std::string& bytes) {
  std::string text = "'";
  for (const char c : bytes) {
    constexpr char kDigits[] = "01234567";
    const auto byte = static_cast<unsigned char>(c);
    text += {'\\', kDigits[byte >> 6], kDigits[byte >> 3 & 7], kDigits[byte & 7]};
  }
  return text + "'";
}

// A method that takes its request as text.
struct Method {
  std::string request_type;
  bool has_request_id;
  std::function<absl::Status(const rpc::Call&, const std::string&)> run;
};

template <class Handlers, class Request, class Response>
Method MethodOf(const Handlers& handlers,
                absl::Status (Handlers::*handler)(const rpc::Call&, const Request&, Response&) const) {
  auto run = [&handlers, handler](const rpc::Call& call, const std::string& text) {
    Request request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
    Response response;
    return (handlers.*handler)(call, request, response);
  };
  return {Request::descriptor()->full_name(), Request::descriptor()->FindFieldByName("request_id") != nullptr, run};
}

std::map<std::string, Method> PublicMethods(const TokenHandlers& handlers) {
  return {{"CreateUser", MethodOf(handlers, &TokenHandlers::CreateUser)},
          {"GetUser", MethodOf(handlers, &TokenHandlers::GetUser)},
          {"ListUsers", MethodOf(handlers, &TokenHandlers::ListUsers)},
          {"UpdateUser", MethodOf(handlers, &TokenHandlers::UpdateUser)},
          {"ActivateUser", MethodOf(handlers, &TokenHandlers::ActivateUser)},
          {"DeactivateUser", MethodOf(handlers, &TokenHandlers::DeactivateUser)},
          {"EraseUser", MethodOf(handlers, &TokenHandlers::EraseUser)},
          {"CreateApiKey", MethodOf(handlers, &TokenHandlers::CreateApiKey)},
          {"ListApiKeys", MethodOf(handlers, &TokenHandlers::ListApiKeys)},
          {"RevokeApiKey", MethodOf(handlers, &TokenHandlers::RevokeApiKey)},
          {"GetEmailToken", MethodOf(handlers, &TokenHandlers::GetEmailToken)},
          {"ListEmailTokens", MethodOf(handlers, &TokenHandlers::ListEmailTokens)},
          {"RevokeEmailToken", MethodOf(handlers, &TokenHandlers::RevokeEmailToken)}};
}

std::map<std::string, Method> InternalMethods(const CredentialHandlers& handlers) {
  return {{"CheckCredential", MethodOf(handlers, &CredentialHandlers::CheckCredential)},
          {"RecheckCredentials", MethodOf(handlers, &CredentialHandlers::RecheckCredentials)},
          {"CreateEmailTokens", MethodOf(handlers, &CredentialHandlers::CreateEmailTokens)},
          {"FindEmailToken", MethodOf(handlers, &CredentialHandlers::FindEmailToken)},
          {"RevokeEmailTokens", MethodOf(handlers, &CredentialHandlers::RevokeEmailTokens)}};
}

std::set<std::string> NamesIn(const google::protobuf::ServiceDescriptor& service) {
  std::set<std::string> names;
  for (int i = 0; i < service.method_count(); ++i) names.insert(service.method(i)->name());
  return names;
}

template <class Map>
std::set<std::string> KeysOf(const Map& map) {
  std::set<std::string> keys;
  for (const auto& [key, value] : map) keys.insert(key);
  return keys;
}

const auto kMissing = Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING);
const auto kInvalidCredential = Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID);
const auto kExpired = Fails(kUnauthenticated, error::v1::TOKEN_EXPIRED);
const auto kDenied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);
const auto kBad = Fails(kInvalidArgument, error::v1::INVALID_FIELDS);
const auto kBadCursor = Fails(kInvalidArgument, error::v1::CURSOR_INVALID);
const auto kReused = Fails(kInvalidArgument, error::v1::REQUEST_ID_REUSED);
const auto kAbsent = Fails(kNotFound, error::v1::NOT_FOUND);
const auto kExists = Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS);
const auto kStale = Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH);
const auto kUserState = Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE);
const auto kAway = Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE);
const auto kUnforeseen = Fails(absl::StatusCode::kInternal, error::v1::INTERNAL);

class FailuresTest : public TokenTest {
 protected:
  // What a method is called with when it succeeds.
  struct Good {
    rpc::Call call;
    std::string request;
  };
  struct Failure {
    std::string method;
    rpc::Call call;
    std::string request;
    Matcher<absl::Status> error;
  };

  std::map<std::string, Good> GoodPublicCalls() const {
    const rpc::Call by_staff = CallByUser(staff);
    const rpc::Call by_anna = CallByUser(anna);
    return {{"CreateUser", {by_staff, "user { address: 'new@example.com' }"}},
            {"GetUser", {by_anna, "name: 'users/self'"}},
            {"ListUsers", {by_staff, ""}},
            {"UpdateUser", {by_staff, "user { name: '" + NameOf(ben) + "' role: STAFF }"}},
            {"ActivateUser", {by_staff, "name: '" + NameOf(named) + "'"}},
            {"DeactivateUser", {by_staff, "name: '" + NameOf(ben) + "'"}},
            {"EraseUser", {by_staff, "name: '" + NameOf(leaving) + "'"}},
            {"CreateApiKey", {by_staff, "parent: '" + NameOf(anna) + "'"}},
            {"ListApiKeys", {by_anna, "parent: 'users/self'"}},
            {"RevokeApiKey", {by_anna, "name: '" + api_key + "'"}},
            {"GetEmailToken", {by_anna, "name: '" + guest.name + "'"}},
            {"ListEmailTokens", {by_anna, "parent: '" + event + "'"}},
            {"RevokeEmailToken", {guest.call, "name: 'events/-/emailTokens/self'"}}};
  }

  std::map<std::string, Good> GoodInternalCalls() const {
    const rpc::Call by_notification = CallByService("notification");
    return {{"CheckCredential", {CallByService("gateway"), "key: '" + guest.key + "'"}},
            {"RecheckCredentials",
             {CallByService("event"),
              "callers { email_token: true credential_id: " + Quoted(guest.call.principal.credential_id.ToBytes()) +
                  " user_id: " + Quoted(anna.id.ToBytes()) + " }"}},
            {"CreateEmailTokens",
             {by_notification,
              "holders { event_id: " + Quoted(event_id.ToBytes()) + " user_id: " + Quoted(anna.id.ToBytes()) + " }"}},
            {"FindEmailToken", {by_notification, "key_hash: " + Quoted(data::HashKey(guest.key))}},
            {"RevokeEmailTokens",
             {by_notification, "email_token_ids: " + Quoted(guest.call.principal.credential_id.ToBytes())}}};
  }

  // Each fails so, and writes nothing.
  void ExpectFailures(const std::map<std::string, Method>& methods, const std::vector<Failure>& failures) {
    const std::string before = AllRows();
    for (const Failure& failure : failures) {
      EXPECT_THAT(methods.at(failure.method).run(failure.call, failure.request), failure.error)
          << failure.method << " " << failure.request;
      ASSERT_EQ(AllRows(), before) << failure.method << " " << failure.request;
    }
  }

  // Of each method one failure: its good call by another caller, or with more text in its request.
  static std::vector<Failure> ByAll(const std::map<std::string, Good>& good, const rpc::Call& call,
                                    const Matcher<absl::Status>& error) {
    std::vector<Failure> failures;
    for (const auto& [method, its] : good) failures.push_back({method, call, its.request, error});
    return failures;
  }
  std::vector<Failure> WithRequestId(const std::string& id, const Matcher<absl::Status>& error) const {
    std::vector<Failure> failures;
    for (const auto& [method, good] : GoodPublicCalls()) {
      if (!PublicMethods(tokens).at(method).has_request_id) continue;
      failures.push_back({method, good.call, good.request + " request_id: '" + id + "'", error});
    }
    EXPECT_EQ(failures.size(), 8u);
    return failures;
  }

  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("anna@example.com");
  const data::User ben = MakeUser("ben@example.com");
  const data::User eve = MakeUser("eve@example.com");
  const data::User named = MakeInactiveUser("named@example.com");
  const data::User leaving = MakeUser("leaving@example.com");
  const Uuid event_id = MakeEvent({anna, ben});
  const std::string event = "events/" + event_id.ToString();
  const Guest guest = MakeGuest(event_id, anna);
  const Guest other_guest = MakeGuest(event_id, ben);
  const std::string anna_key = MakeApiKey(anna);
  const std::string staff_key = MakeApiKey(staff);
  const std::string api_key =
      NameOf(anna) + "/apiKeys/" +
      database.Sql("select api_key_id::text from api_keys where user_id = '" + anna.id.ToString() + "'");
  const std::string unknown = Uuid::TimeOrdered().ToString();
};

TEST_F(FailuresTest, EveryMethodOfTheContractsIsTried) {
  const auto& public_service = *v1::GetUserRequest::descriptor()->file()->service(0);
  EXPECT_EQ(KeysOf(PublicMethods(tokens)), NamesIn(public_service));
  EXPECT_EQ(KeysOf(GoodPublicCalls()), NamesIn(public_service));
  const auto& internal_service = *internal_v1::CheckCredentialRequest::descriptor()->file()->service(0);
  EXPECT_EQ(KeysOf(InternalMethods(credentials)), NamesIn(internal_service));
  EXPECT_EQ(KeysOf(GoodInternalCalls()), NamesIn(internal_service));
}

TEST_F(FailuresTest, L1_NoMethodOfThisServiceWritesLogEntries) {
  const auto public_calls = GoodPublicCalls();
  for (const auto& [name, method] : PublicMethods(tokens)) {
    EXPECT_THAT(method.run(public_calls.at(name).call, public_calls.at(name).request), Succeeds()) << name;
  }
  database.Sql("update email_tokens set revoke_time = null");
  const auto internal_calls = GoodInternalCalls();
  for (const auto& [name, method] : InternalMethods(credentials)) {
    EXPECT_THAT(method.run(internal_calls.at(name).call, internal_calls.at(name).request), Succeeds()) << name;
  }
  EXPECT_EQ(Count("log_entries"), "0");
  EXPECT_EQ(database.Sql("select last_sequence::text from events"), "0");
}

TEST_F(FailuresTest, L1_CallersWhoAreNotUsers) {
  const auto methods = PublicMethods(tokens);
  ExpectFailures(methods, ByAll(GoodPublicCalls(), CallByNobody(), kMissing));
  ExpectFailures(methods, ByAll(GoodPublicCalls(), CallByService("gateway"), kDenied));
}

TEST_F(FailuresTest, L1_CallersWhoAreNotServices) {
  const auto methods = InternalMethods(credentials);
  ExpectFailures(methods, ByAll(GoodInternalCalls(), CallByNobody(), kMissing));
  ExpectFailures(methods, ByAll(GoodInternalCalls(), CallByUser(staff), kDenied));
  ExpectFailures(methods, ByAll(GoodInternalCalls(), guest.call, kDenied));
  auto mailing = GoodInternalCalls();
  mailing.erase("CheckCredential");
  mailing.erase("RecheckCredentials");
  ExpectFailures(methods, ByAll(mailing, CallByService("gateway"), kDenied));
}

TEST_F(FailuresTest, L1_T4_CallersWhoMayNot) {
  const auto methods = PublicMethods(tokens);
  auto hers = GoodPublicCalls();
  ExpectFailures(methods, {{"GetUser", CallByUser(eve), "name: '" + NameOf(anna) + "'", kDenied},
                           {"GetUser", CallByUser(eve), "name: 'users/" + unknown + "'", kDenied},
                           {"ListApiKeys", CallByUser(eve), "parent: '" + NameOf(anna) + "'", kDenied},
                           {"GetEmailToken", other_guest.call, "name: '" + guest.name + "'", kDenied},
                           {"RevokeEmailToken", other_guest.call, "name: '" + guest.name + "'", kDenied},
                           {"GetEmailToken", CallByUser(ben), "name: '" + guest.name + "'", kDenied},
                           {"RevokeEmailToken", CallByUser(ben), "name: '" + guest.name + "'", kDenied},
                           {"ListEmailTokens", guest.call, "parent: '" + event + "'", kDenied}});
  // These name the caller in their good requests.
  hers.erase("GetUser");
  hers.erase("ListApiKeys");
  ExpectFailures(methods, ByAll(hers, CallByUser(eve), kDenied));
  rpc::Call acting = CallByUser(eve);
  acting.principal.acting_id = staff.id;
  ExpectFailures(methods, ByAll(hers, acting, kDenied));
  auto others = GoodPublicCalls();
  others.erase("GetEmailToken");
  others.erase("RevokeEmailToken");
  for (rpc::Call call : {guest.call, MakeGuest(MakeEvent({staff, anna}), staff).call}) {
    call.principal.staff = true;  // which no guest is, whatever a principal says
    ExpectFailures(methods, ByAll(others, call, kDenied));
  }
}

TEST_F(FailuresTest, L1_RequestsThatAreNotWellFormed) {
  const rpc::Call by_staff = CallByUser(staff);
  const rpc::Call by_anna = CallByUser(anna);
  const std::string user = NameOf(anna);
  ExpectFailures(
      PublicMethods(tokens),
      {{"CreateUser", by_staff, "", kBad},
       {"CreateUser", by_staff, "user { address: 'new' }", kBad},
       {"CreateUser", by_staff, "user { address: 'New <new@example.com>' }", kBad},
       {"CreateUser", by_staff, "user { address: 'new@example.com' role: 7 }", kBad},
       {"GetUser", by_anna, "", kBad},
       {"ListUsers", by_staff, "page_size: -1", kBad},
       {"ListUsers", by_staff, "address: 'new'", kBad},
       {"ListUsers", by_staff, "page_token: 'x'", kBadCursor},
       {"UpdateUser", by_staff, "", kBad},
       {"UpdateUser", by_staff, "user { name: '" + user + "' }", kBad},
       {"UpdateUser", by_staff, "user { name: 'users/self' role: STAFF }", kBad},
       {"UpdateUser", by_staff, "user { name: '" + user + "' role: 7 }", kBad},
       {"UpdateUser", by_staff, "user { name: '" + user + "' role: STAFF } update_mask { }", kBad},
       {"UpdateUser", by_staff, "user { name: '" + user + "' role: STAFF } update_mask { paths: 'state' }", kBad},
       {"UpdateUser", by_staff,
        "user { name: '" + user + "' role: STAFF } update_mask { paths: 'role' paths: 'user.role' }", kBad},
       {"ActivateUser", by_staff, "", kBad},
       {"ActivateUser", by_staff, "name: 'users/self'", kBad},
       {"DeactivateUser", by_staff, "", kBad},
       {"DeactivateUser", by_staff, "name: 'users/self'", kBad},
       {"EraseUser", by_staff, "", kBad},
       {"EraseUser", by_staff, "name: 'users/anna'", kBad},
       {"CreateApiKey", by_staff, "parent: 'users/self'", kBad},
       {"ListApiKeys", by_anna, "parent: 'users/self' page_size: -1", kBad},
       {"ListApiKeys", by_anna, "parent: 'users/self' page_token: 'x'", kBadCursor},
       {"RevokeApiKey", by_anna, "name: '" + user + "'", kBad},
       {"GetEmailToken", by_anna, "name: '" + event + "'", kBad},
       {"GetEmailToken", guest.call, "name: '" + event + "/emailTokens/self'", kBad},
       {"ListEmailTokens", by_anna, "parent: 'events/-'", kBad},
       {"ListEmailTokens", by_anna, "parent: '" + event + "' page_token: 'x'", kBadCursor},
       {"RevokeEmailToken", by_anna, "name: '" + event + "'", kBad}});
  const rpc::Call by_notification = CallByService("notification");
  ExpectFailures(
      InternalMethods(credentials),
      {{"CheckCredential", by_notification, "", kInvalidCredential},
       {"CheckCredential", by_notification, "key: '" + staff_key + "' act_for: 'anna'", kBad},
       {"RecheckCredentials", by_notification, "callers {}", kBad},
       {"RecheckCredentials", by_notification,
        "callers { credential_id: " + Quoted(event_id.ToBytes()) + " user_id: " + Quoted(event_id.ToBytes()) +
            " acting_user_id: 'x' }",
        kBad},
       {"CreateEmailTokens", by_notification, "holders {}", kBad},
       {"CreateEmailTokens", by_notification, "holders { event_id: " + Quoted(event_id.ToBytes()) + " }", kBad},
       {"FindEmailToken", by_notification, "key_hash: 'short'", kBad},
       {"RevokeEmailTokens", by_notification, "email_token_ids: 'short'", kBad}});
}

TEST_F(FailuresTest, L1_WhatIsAbsent) {
  const rpc::Call by_staff = CallByUser(staff);
  const std::string user = "users/" + unknown;
  const std::string email_token = "/emailTokens/" + unknown;
  ExpectFailures(PublicMethods(tokens),
                 {{"GetUser", by_staff, "name: '" + user + "'", kAbsent},
                  {"UpdateUser", by_staff, "user { name: '" + user + "' role: STAFF }", kAbsent},
                  {"ActivateUser", by_staff, "name: '" + user + "'", kAbsent},
                  {"DeactivateUser", by_staff, "name: '" + user + "'", kAbsent},
                  {"EraseUser", by_staff, "name: '" + user + "'", kAbsent},
                  {"CreateApiKey", by_staff, "parent: '" + user + "'", kAbsent},
                  {"ListApiKeys", by_staff, "parent: '" + user + "'", kAbsent},
                  {"RevokeApiKey", by_staff, "name: '" + NameOf(anna) + "/apiKeys/" + unknown + "'", kAbsent},
                  {"GetEmailToken", by_staff, "name: '" + event + email_token + "'", kAbsent},
                  {"ListEmailTokens", by_staff, "parent: 'events/" + unknown + "'", kAbsent},
                  {"RevokeEmailToken", by_staff, "name: '" + event + email_token + "'", kAbsent}});
  const rpc::Call by_notification = CallByService("notification");
  ExpectFailures(
      InternalMethods(credentials),
      {{"CheckCredential", by_notification, "key: '" + data::MakeKey(data::kApiKeyPrefix) + "'", kInvalidCredential},
       {"CheckCredential", by_notification, "key: '" + data::MakeKey(data::kGuestKeyPrefix) + "'", kInvalidCredential},
       {"CheckCredential", by_notification, "key: '" + staff_key + "' act_for: 'who@example.com'", kAbsent},
       {"FindEmailToken", by_notification, "key_hash: " + Quoted(data::HashKey("another")), kAbsent}});
}

TEST_F(FailuresTest, L1_WhatIsInTheWrongState) {
  const rpc::Call by_staff = CallByUser(staff);
  const std::string stale = " etag: '1.2'";
  ExpectFailures(PublicMethods(tokens),
                 {{"CreateUser", by_staff, "user { address: 'anna@example.com' }", kExists},
                  {"UpdateUser", by_staff, "user { name: '" + NameOf(anna) + "' role: STAFF" + stale + " }", kStale},
                  {"ActivateUser", by_staff, "name: '" + NameOf(anna) + "'" + stale, kStale},
                  {"DeactivateUser", by_staff, "name: '" + NameOf(anna) + "'" + stale, kStale},
                  {"CreateApiKey", by_staff, "parent: '" + NameOf(named) + "'", kUserState}});
  const auto internal_calls = GoodInternalCalls();
  auto both = [&](const Matcher<absl::Status>& check, const Matcher<absl::Status>& find) {
    std::vector<Failure> failures;
    for (const auto& [method, error] :
         std::map<std::string, Matcher<absl::Status>>{{"CheckCredential", check}, {"FindEmailToken", find}}) {
      failures.push_back({method, internal_calls.at(method).call, internal_calls.at(method).request, error});
    }
    return failures;
  };
  database.Sql("update email_tokens set expire_time = now()");
  ExpectFailures(InternalMethods(credentials), {both(kExpired, kAbsent).front()});
  database.Sql("update users set state = 'DEACTIVATED' where local_part = 'anna'");
  const rpc::Call by_gateway = CallByService("gateway");
  ExpectFailures(InternalMethods(credentials),
                 {both(kInvalidCredential, kAbsent).front(),
                  {"CheckCredential", by_gateway, "key: '" + anna_key + "'", kInvalidCredential},
                  {"CheckCredential", by_gateway, "key: '" + staff_key + "' act_for: 'anna@example.com'", kUserState}});
  ExpectFailures(PublicMethods(tokens), {{"CreateUser", by_staff, "user { address: 'anna@example.com' }", kExists},
                                         {"CreateApiKey", by_staff, "parent: '" + NameOf(anna) + "'", kUserState}});
  database.Sql("update users set state = 'ACTIVE' where local_part = 'anna'");
  Delete(event_id);
  ExpectFailures(InternalMethods(credentials), both(kInvalidCredential, kAbsent));
  ExpectFailures(PublicMethods(tokens),
                 {{"GetEmailToken", CallByUser(anna), "name: '" + guest.name + "'", kAbsent},
                  {"ListEmailTokens", CallByUser(anna), "parent: '" + event + "'", kAbsent},
                  {"RevokeEmailToken", guest.call, "name: 'events/-/emailTokens/self'", kAbsent}});
}

TEST_F(FailuresTest, L1_RequestIds) {
  ExpectFailures(PublicMethods(tokens), WithRequestId("17", kBad));
  // As if each had been sent before, with other content.
  for (const auto& [name, method] : PublicMethods(tokens)) {
    const Uuid caller = GoodPublicCalls().at(name).call.principal.user_id;
    database.Sql("insert into request_records values ('" + caller.ToString() + "', '" + method.request_type + "', '" +
                 unknown + "', 'x', array['" + unknown + "'::uuid], 0, now())");
  }
  ExpectFailures(PublicMethods(tokens), WithRequestId(unknown, kReused));
}

TEST_F(FailuresTest, L1_TheDatabaseIsAwayOrTooSlow) {
  data::Pool away("host=/nowhere", 1);
  const TokenHandlers tokens_away(away, signer);
  const CredentialHandlers credentials_away(away, kLifetime);
  auto failing = [](const std::map<std::string, Good>& calls, bool too_late) {
    std::vector<Failure> failures;
    for (const auto& [method, good] : calls) {
      rpc::Call call = good.call;
      if (too_late) call.deadline = absl::Now();
      const Matcher<absl::Status> error =
          too_late ? Fails(absl::StatusCode::kDeadlineExceeded, error::v1::REASON_UNSPECIFIED) : kAway;
      failures.push_back({method, call, good.request, error});
    }
    return failures;
  };
  ExpectFailures(PublicMethods(tokens_away), failing(GoodPublicCalls(), false));
  ExpectFailures(InternalMethods(credentials_away), failing(GoodInternalCalls(), false));
  ExpectFailures(PublicMethods(tokens), failing(GoodPublicCalls(), true));
  ExpectFailures(InternalMethods(credentials), failing(GoodInternalCalls(), true));
}

// A change and what is remembered of it are one transaction.
TEST_F(FailuresTest, L1_WhatCannotBeRememberedIsNotDone) {
  database.Sql(
      "create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$; "
      "create trigger refuse before insert on request_records for each row execute function refuse()");
  ExpectFailures(PublicMethods(tokens), WithRequestId(unknown, kUnforeseen));
}

// Whoever changes a user has its row, and is waited for until the deadline.
TEST_F(FailuresTest, L1_AUserWhomSomebodyElseChanges) {
  auto holder = data::Transaction::Begin(pool, absl::InfiniteFuture());
  ASSERT_THAT(holder, Succeeds());
  for (const data::User& user : {anna, ben, named}) ASSERT_THAT(data::Users(**holder).Lock(user.id), Succeeds());
  const auto methods = PublicMethods(tokens);
  const std::string before = AllRows();
  for (const char* method : {"UpdateUser", "ActivateUser", "DeactivateUser", "CreateApiKey"}) {
    Good good = GoodPublicCalls().at(method);
    good.call.deadline = absl::Now() + absl::Milliseconds(200);
    EXPECT_EQ(methods.at(method).run(good.call, good.request).message(), "the deadline passed in the database")
        << method;
    EXPECT_EQ(AllRows(), before) << method;
  }
}

}  // namespace
}  // namespace parley::token
