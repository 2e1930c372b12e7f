// Every row of the table of errors in proto/README.md, made through the gateway and compared whole.
#include <algorithm>
#include <atomic>
#include <future>

#include "absl/strings/str_join.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/database_proxy.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;

// The ErrorInfo's metadata but for the call_id, and each further detail in a line.
struct Details {
  std::map<std::string, std::string> metadata;
  std::vector<std::string> others;
};

std::string Describe(absl::string_view type, const std::string& bytes) {
  if (type == "google.rpc.BadRequest") {
    google::rpc::BadRequest detail;
    detail.ParseFromString(bytes);
    std::vector<std::string> paths;
    for (const auto& violation : detail.field_violations()) {
      EXPECT_NE(violation.description(), "");
      paths.push_back(violation.field());
    }
    return "BadRequest " + absl::StrJoin(paths, " ");
  }
  if (type == "google.rpc.ResourceInfo") {
    google::rpc::ResourceInfo detail;
    detail.ParseFromString(bytes);
    return absl::StrCat("ResourceInfo ", detail.resource_type(), " ", detail.resource_name());
  }
  if (type == "google.rpc.PreconditionFailure") {
    google::rpc::PreconditionFailure detail;
    detail.ParseFromString(bytes);
    EXPECT_EQ(detail.violations_size(), 1);
    EXPECT_NE(detail.violations(0).description(), "");
    return absl::StrCat("PreconditionFailure ", detail.violations(0).type(), " ", detail.violations(0).subject());
  }
  if (type == "google.rpc.RetryInfo") {
    google::rpc::RetryInfo detail;
    detail.ParseFromString(bytes);
    EXPECT_TRUE(detail.retry_delay().seconds() > 0 || detail.retry_delay().nanos() > 0);
    return "RetryInfo";
  }
  return std::string(type);
}

// Compares all of it.
void ExpectError(const absl::Status& status, const Client& client, StatusCode code, Reason reason,
                 const Details& expected) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(status.message(), "");
  Details found;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    const absl::string_view type = url.substr(url.rfind('/') + 1);
    if (type != "google.rpc.ErrorInfo") return found.others.push_back(Describe(type, std::string(payload)));
    google::rpc::ErrorInfo info;
    info.ParseFromString(std::string(payload));
    EXPECT_EQ(info.domain(), "parley");
    EXPECT_EQ(info.reason(), error::v1::Reason_Name(reason));
    found.metadata = {info.metadata().begin(), info.metadata().end()};
  });
  EXPECT_NE(client.call_id(), "");
  EXPECT_EQ(found.metadata["call_id"], client.call_id());
  found.metadata.erase("call_id");
  EXPECT_EQ(found.metadata, expected.metadata) << status;
  EXPECT_THAT(found.others, ::testing::UnorderedElementsAreArray(expected.others)) << status;
}

class ErrorsTest : public E2eTest {
 protected:
  // Fails the test where the call that `make` makes is not answered by exactly this error, or writes an entry.
  template <class Make>
  void Expect(const Make& make, Client& client, StatusCode code, Reason reason, const Details& details = {}) {
    const std::string before = Rows();
    ExpectError(make().status(), client, code, reason, details);
    EXPECT_EQ(Rows(), before) << "L1: what fails writes nothing";
  }
  static std::string Rows() {
    return database->Sql(
        "select concat((select count(*) from parley.log_entries), ' ', (select count(*) from parley.events), ' ', "
        "(select count(*) from parley.users), ' ', (select count(*) from parley.notifications), ' ', "
        "(select sum(revision) from parley.events), ' ', (select count(*) from parley.request_records))");
  }

  static Details Of(const std::string& type, const std::string& name) {
    return {{{"resource", name}}, {absl::StrCat("ResourceInfo parley.", type, " ", name)}};
  }
  static Details OfEvent(const std::string& name) { return Of("event.v1.Event", name); }
};

TEST_F(ErrorsTest, Unauthenticated) {
  Client nobody = system->As("");
  Expect([&] { return nobody.Call(&Events::ListEvents, {}); }, nobody, StatusCode::kUnauthenticated,
         error::v1::CREDENTIAL_MISSING);
  Client unknown = system->As("parley_api_0123456789012345678901234567890123456789");
  Expect([&] { return unknown.Call(&Events::ListEvents, {}); }, unknown, StatusCode::kUnauthenticated,
         error::v1::CREDENTIAL_INVALID);
  // A guest whose key was mailed, and has expired since.
  Client member = Member("tokens@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event,
                       member.Call(&Events::CreateEvent, Proposal({"late@example.org"}, {SlotIn(2)})));
  ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {"late@example.org"})), Succeeds());
  const std::string key = MailedKey("late@example.org", 0);
  Client guest = system->As(key);
  ASSERT_THAT(guest.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  database->Sql("update parley.email_tokens set expire_time = now()");
  ASSERT_TRUE(Eventually([&] { return !guest.Call(&Events::GetEvent, Named(event.name())).ok(); }));
  Expect([&] { return guest.Call(&Events::GetEvent, Named(event.name())); }, guest, StatusCode::kUnauthenticated,
         error::v1::TOKEN_EXPIRED);
}

TEST_F(ErrorsTest, PermissionDeniedAndNotFound) {
  Client member = Member("owner@example.com");
  Client stranger = Member("stranger@example.com");
  Client staff = system->As(system->staff_key());
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  Expect([&] { return stranger.Call(&Events::GetEvent, Named(event.name())); }, stranger, StatusCode::kPermissionDenied,
         error::v1::PERMISSION_DENIED, OfEvent(event.name()));
  const std::string missing = "events/" + Uuid::TimeOrdered().ToString();
  Expect([&] { return stranger.Call(&Events::GetEvent, Named(missing)); }, stranger, StatusCode::kPermissionDenied,
         error::v1::PERMISSION_DENIED, OfEvent(missing));
  Expect([&] { return staff.Call(&Events::GetEvent, Named(missing)); }, staff, StatusCode::kNotFound,
         error::v1::NOT_FOUND, OfEvent(missing));
  Expect([&] { return staff.Call(&Events::ConfirmEvent, Confirmation(event)); }, staff, StatusCode::kPermissionDenied,
         error::v1::PERMISSION_DENIED, {{}, {"ResourceInfo parley.event.v1.Event " + event.name()}});
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(event)), Succeeds());
  Expect([&] { return member.Call(&Events::GetEvent, Named(event.name())); }, member, StatusCode::kNotFound,
         error::v1::NOT_FOUND, OfEvent(event.name()));
  // Of a call that names nothing.
  Expect([&] { return member.Call(&Tokens::ListUsers, {}); }, member, StatusCode::kPermissionDenied,
         error::v1::PERMISSION_DENIED);
}

TEST_F(ErrorsTest, EachKindOfResourceIsNamedWhereItIsHiddenOrAbsent) {
  Client stranger = Member("other.stranger@example.com");
  Client staff = Staff();
  const std::string id = Uuid::TimeOrdered().ToString();
  token::v1::GetUserRequest user;
  user.set_name("users/" + id);
  token::v1::RevokeApiKeyRequest api_key;
  api_key.set_name(absl::StrCat("users/", id, "/apiKeys/", id));
  token::v1::GetEmailTokenRequest email_token;
  email_token.set_name(absl::StrCat("events/", id, "/emailTokens/", id));
  auto expect_both = [&](const auto& call, const Details& details) {
    Expect([&] { return call(stranger); }, stranger, StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED,
           details);
    Expect([&] { return call(staff); }, staff, StatusCode::kNotFound, error::v1::NOT_FOUND, details);
  };
  expect_both([&](Client& client) { return client.Call(&Tokens::GetUser, user); }, Of("token.v1.User", user.name()));
  expect_both([&](Client& client) { return client.Call(&Tokens::RevokeApiKey, api_key); },
              Of("token.v1.ApiKey", api_key.name()));
  expect_both([&](Client& client) { return client.Call(&Tokens::GetEmailToken, email_token); },
              Of("token.v1.EmailToken", email_token.name()));
  // A notification of an event that is there.
  ASSERT_OK_AND_ASSIGN(const Event event, stranger.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  notification::v1::GetNotificationRequest notification;
  notification.set_name(absl::StrCat(event.name(), "/notifications/", id));
  Expect([&] { return stranger.Call(&NotificationStub::GetNotification, notification); }, stranger,
         StatusCode::kNotFound, error::v1::NOT_FOUND, Of("notification.v1.Notification", notification.name()));
}

TEST_F(ErrorsTest, U6_OfActingForSomebody) {
  Client member = Member("acts@example.com");
  Client not_staff = system->As(system->MakeMember("no.staff@example.com"), {{"parley-act-for", "acts@example.com"}});
  Expect([&] { return not_staff.Call(&Events::ListEvents, {}); }, not_staff, StatusCode::kPermissionDenied,
         error::v1::PERMISSION_DENIED);
  Client no_address = StaffFor("nonsense");
  Expect([&] { return no_address.Call(&Events::ListEvents, {}); }, no_address, StatusCode::kInvalidArgument,
         error::v1::INVALID_FIELDS,
         {{{"parley-act-for", "must be an e-mail address with one @"}}, {"BadRequest parley-act-for"}});
  // The address stands in no error.
  const std::string named = "the user that parley-act-for names";
  Client unknown = StaffFor("never.heard.of@example.com");
  Expect([&] { return unknown.Call(&Events::ListEvents, {}); }, unknown, StatusCode::kNotFound, error::v1::NOT_FOUND,
         Of("token.v1.User", named));
  Client acting = StaffFor("acts@example.com");
  ASSERT_THAT(acting.Call(&Events::ListEvents, {}), Succeeds());
  token::v1::DeactivateUserRequest deactivate;
  deactivate.set_name(UserOf("acts@example.com"));
  ASSERT_THAT(Staff().Call(&Tokens::DeactivateUser, deactivate), Succeeds());
  ASSERT_TRUE(Eventually([&] { return !acting.Call(&Events::ListEvents, {}).ok(); }));
  Expect([&] { return acting.Call(&Events::ListEvents, {}); }, acting, StatusCode::kFailedPrecondition,
         error::v1::USER_STATE, {{{"state", "DEACTIVATED"}}, {"PreconditionFailure USER_STATE " + named}});
}

TEST_F(ErrorsTest, InvalidArgument) {
  Client member = Member("fields@example.com");
  auto request = Proposal({"fine@example.org", "not an address"}, {SlotIn(1), SlotIn(-1)});
  request.mutable_event()->mutable_slots(0)->clear_duration();
  request.mutable_event()->set_title("\t");
  request.mutable_event()->set_time_zone("Berlin");
  request.set_request_id("17");
  Expect([&] { return member.Call(&Events::CreateEvent, request); }, member, StatusCode::kInvalidArgument,
         error::v1::INVALID_FIELDS,
         {{{"request_id", "must be a UUID"},
           {"event.title", "must not have control characters"},
           {"event.parties[1].address", "must be an e-mail address with one @"},
           {"event.slots[0].duration", "is required"},
           {"event.time_zone", "must be a name of the IANA time zone database, such as Europe/Berlin"}},
          {"BadRequest request_id event.title event.parties[1].address event.slots[0].duration event.time_zone "
           "event.slots[1]"}});
  // Added slots that have ended; recipients that are not parties.
  Expect(
      [&] {
        return member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1), SlotIn(-1)}));
      },
      member, StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS,
      {{{"event.slots[1]", "must not have ended"}}, {"BadRequest event.slots[1]"}});
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({"a@example.org"}, {SlotIn(2)})));
  const auto notice = Notice(event, {"b@example.org", "a@example.org", "c@example.org"});
  Expect([&] { return member.Call(&NotificationStub::NotifyParties, notice); }, member, StatusCode::kInvalidArgument,
         error::v1::INVALID_FIELDS,
         {{{"recipients[0]", "must be a party of the event"}, {"recipients[2]", "must be a party of the event"}},
          {"BadRequest recipients[0] recipients[2]"}});
  event::v1::ListEventsRequest list;
  list.set_page_token("forged");
  Expect([&] { return member.Call(&Events::ListEvents, list); }, member, StatusCode::kInvalidArgument,
         error::v1::CURSOR_INVALID);

  const std::string id = Uuid::TimeOrdered().ToString();
  auto once = Proposal({"a@example.org"}, {SlotIn(2)});
  once.set_request_id(id);
  ASSERT_THAT(member.Call(&Events::CreateEvent, once), Succeeds());
  once.mutable_event()->set_title("another");
  Expect([&] { return member.Call(&Events::CreateEvent, once); }, member, StatusCode::kInvalidArgument,
         error::v1::REQUEST_ID_REUSED, {{{"request_id", id}}, {}});
}

TEST_F(ErrorsTest, AbortedAndAlreadyExists) {
  Client member = Member("aborted@example.com");
  Client staff = system->As(system->staff_key());
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2), SlotIn(3)})));
  ASSERT_OK_AND_ASSIGN(const Event now, member.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(4), SlotIn(5)})));
  Expect([&] { return member.Call(&Events::ConfirmEvent, Confirmation(event)); }, member, StatusCode::kAborted,
         error::v1::ETAG_MISMATCH, {{{"etag", now.etag()}}, {}});
  token::v1::CreateUserRequest request;
  request.mutable_user()->set_address("Aborted@Example.com");
  token::v1::GetUserRequest self;
  self.set_name("users/self");
  const std::string name = member.Call(&Tokens::GetUser, self)->name();
  Expect([&] { return staff.Call(&Tokens::CreateUser, request); }, staff, StatusCode::kAlreadyExists,
         error::v1::ALREADY_EXISTS, {{{"resource", name}}, {"ResourceInfo parley.token.v1.User " + name}});
}

TEST_F(ErrorsTest, FailedPrecondition) {
  Client member = Member("closed@example.com");
  Client staff = system->As(system->staff_key());
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event agreed, member.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(agreed.state(), Event::AGREED);
  Expect([&] { return member.Call(&Events::ConfirmEvent, Confirmation(agreed)); }, member,
         StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED,
         {{{"state", "AGREED"}}, {"PreconditionFailure EVENT_CLOSED " + event.name()}});
  event::v1::ReopenEventRequest reopen;
  reopen.set_name(agreed.name());
  reopen.set_etag(agreed.etag());
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, reopen));
  Expect([&] { return member.Call(&Events::ReopenEvent, reopen); }, member, StatusCode::kFailedPrecondition,
         error::v1::EVENT_REOPENED,
         {{{"successor", successor.name()}}, {"PreconditionFailure EVENT_REOPENED " + event.name()}});
  auto notice = Notice(successor, {"closed@example.com"});
  *notice.mutable_slots()->add_slots() = SlotIn(9);
  Expect([&] { return member.Call(&NotificationStub::NotifyParties, notice); }, member, StatusCode::kFailedPrecondition,
         error::v1::SLOTS_MISMATCH, {{}, {"PreconditionFailure SLOTS_MISMATCH " + successor.name()}});

  ASSERT_OK_AND_ASSIGN(const auto told,
                       member.Call(&NotificationStub::NotifyParties, Notice(successor, {"closed@example.com"})));
  const std::string name = told.notifications(0).name();
  ASSERT_TRUE(Eventually([&] {
    notification::v1::GetNotificationRequest get;
    get.set_name(name);
    return member.Call(&NotificationStub::GetNotification, get)->state() == Notification::SENT;
  }));
  notification::v1::CancelNotificationRequest cancel;
  cancel.set_name(name);
  const Details sent{{{"state", "SENT"}}, {"PreconditionFailure NOTIFICATION_STATE " + name}};
  Expect([&] { return member.Call(&NotificationStub::CancelNotification, cancel); }, member,
         StatusCode::kFailedPrecondition, error::v1::NOTIFICATION_STATE, sent);
  notification::v1::RetryNotificationRequest retry;
  retry.set_name(name);
  Expect([&] { return staff.Call(&NotificationStub::RetryNotification, retry); }, staff,
         StatusCode::kFailedPrecondition, error::v1::NOTIFICATION_STATE, sent);

  token::v1::ListUsersRequest list;
  list.set_address("nobody.yet@example.org");
  ASSERT_THAT(member.Call(&Events::CreateEvent, Proposal({"nobody.yet@example.org"}, {})), Succeeds());
  token::v1::CreateApiKeyRequest key;
  key.set_parent(staff.Call(&Tokens::ListUsers, list)->users(0).name());
  Expect([&] { return staff.Call(&Tokens::CreateApiKey, key); }, staff, StatusCode::kFailedPrecondition,
         error::v1::USER_STATE, {{{"state", "INACTIVE"}}, {"PreconditionFailure USER_STATE " + key.parent()}});
}

TEST_F(ErrorsTest, Internal) {
  Client member = Member("internal@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  database->Sql("alter table parley.log_entries rename column data to other");
  Expect([&] { return member.Call(&Events::ConfirmEvent, Confirmation(event)); }, member, StatusCode::kInternal,
         error::v1::INTERNAL);
  // The caller is told nothing of what it was; the log of the service is.
  const std::string message(member.Call(&Events::ConfirmEvent, Confirmation(event)).status().message());
  EXPECT_THAT(message, HasSubstr(member.call_id()));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("column")));
  EXPECT_TRUE(Eventually([&] {
    const auto lines = system->Log("event");
    return std::any_of(lines.begin(), lines.end(), [&](const nlohmann::json& line) {
      return line["message"] == "internal error" && line["call_id"] == member.call_id() &&
             line["error"].get<std::string>().find("column") != std::string::npos;
    });
  }));
  database->Sql("alter table parley.log_entries rename column other to data");
  EXPECT_THAT(member.Call(&Events::ConfirmEvent, Confirmation(event)), Succeeds());
}

// Each with a system of its own, whose limits are low.

TEST(LimitsTest, N8_WhoAsksTooMuchIsRefusedAndNobodyIsTold) {
  const TestDatabase database;
  System system({database.service_url(),
                 {{"event", {{"views-per-minute", "2"}}},
                  {"notification", {{"max-daily-notifications", "1"}, {"max-daily-recipients", "2"}}},
                  {"gateway", {{"bad-keys-per-second", "1"}, {"bad-keys-burst", "1"}}}}});
  system.Start();
  Client member = system.As(system.MakeMember("member@example.com"));
  ASSERT_OK_AND_ASSIGN(
      const Event event,
      member.Call(&Events::CreateEvent, Proposal({"a@example.org", "b@example.org", "c@example.org"}, {SlotIn(2)})));
  const Details retry{{}, {"RetryInfo"}};
  auto entries = [&] { return database.Sql("select count(*)::text from parley.log_entries"); };
  ASSERT_THAT(member.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  ASSERT_THAT(member.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  ExpectError(member.Call(&Events::GetEvent, Named(event.name())).status(), member, StatusCode::kResourceExhausted,
              error::v1::RATE_LIMITED, retry);
  EXPECT_EQ(entries(), "3");
  ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {"a@example.org"})), Succeeds());
  EXPECT_EQ(entries(), "4");
  ExpectError(member.Call(&NotificationStub::NotifyParties, Notice(event, {"b@example.org", "a@example.org"})).status(),
              member, StatusCode::kResourceExhausted, error::v1::RATE_LIMITED, retry);
  ExpectError(member.Call(&NotificationStub::NotifyParties, Notice(event, {"b@example.org", "c@example.org"})).status(),
              member, StatusCode::kResourceExhausted, error::v1::RATE_LIMITED, retry);
  EXPECT_EQ(entries(), "4") << "nobody was told";
  // T2: guesses at keys.
  absl::Status refused;
  ASSERT_TRUE(Eventually([&] {
    Client guess = system.As("parley_api_" + std::string(40, '0'));
    refused = guess.Call(&Events::ListEvents, {}).status();
    if (refused.code() == StatusCode::kUnauthenticated) return false;
    ExpectError(refused, guess, StatusCode::kResourceExhausted, error::v1::RATE_LIMITED, retry);
    return true;
  }));
  EXPECT_THAT(member.Call(&Events::ListEvents, {}), Succeeds()) << "a known key is not shut out";
  ExpectGoodEnd(system, database);
}

TEST(LimitsTest, AFullQueueRefusesAtOnce) {
  const TestDatabase database;
  System system({database.service_url(), {{"event", {{"queue-capacity", "1"}, {"workers", "1"}}}}});
  system.Start();
  const std::string key = system.MakeMember("member@example.com");
  Client member = system.As(key);
  ASSERT_OK_AND_ASSIGN(const Event event,
                       member.Call(&Events::CreateEvent, Proposal({"other@example.org"}, {SlotIn(2)})));
  // One runs, and waits for the row; one waits for it.
  std::unique_ptr<data::Connection> blocker = *data::Connection::Open(database.owner_url());
  ASSERT_TRUE(blocker->Script("begin; select from parley.events for update").ok());
  std::atomic<int> full = 0;
  std::vector<std::future<void>> calls;
  auto confirm = [&] {
    calls.push_back(std::async(std::launch::async, [client = system.As(key), &event, &full]() mutable {
      const absl::Status status = client.Call(&Events::ConfirmEvent, Confirmation(event)).status();
      if (status.ok()) return;
      ExpectError(status, client, StatusCode::kResourceExhausted, error::v1::QUEUE_FULL, {{}, {"RetryInfo"}});
      ++full;
    }));
  };
  confirm();
  // Until it has left the queue, the others find no place there.
  ASSERT_TRUE(Eventually([&] {
    return database.Sql(
               "select count(*)::text from pg_locks join pg_stat_activity using (pid) "
               "where datname = current_database() and not granted") == "1";
  }));
  for (int i = 0; i < 5; ++i) confirm();
  EXPECT_TRUE(Eventually([&] { return full == 4; }));
  blocker.reset();
  calls.clear();
  EXPECT_EQ(full, 4);
  ExpectGoodEnd(system, database);
}

TEST(LimitsTest, WhoCallsTooOftenIsRefused) {
  const TestDatabase database;
  System system({database.service_url(), {{"gateway", {{"calls-per-second", "1"}, {"burst", "5"}}}}});
  system.Start();
  Client member = system.As(system.MakeMember("member@example.com"));
  absl::Status refused;
  ASSERT_TRUE(Eventually([&] {
    refused = member.Call(&Events::ListEvents, {}).status();
    return !refused.ok();
  }));
  ExpectError(refused, member, StatusCode::kResourceExhausted, error::v1::RATE_LIMITED, {{}, {"RetryInfo"}});
  ExpectGoodEnd(system, database);
}

TEST(AwayTest, WhatIsAwayOrInDoubtIsSaidSo) {
  const TestDatabase database;
  auto proxy = std::make_unique<test::DatabaseProxy>(database.service_url());
  System system({proxy->url()});
  system.Start();
  Client member = system.As(system.MakeMember("member@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));

  // A commit in doubt, without a request_id and with one.
  auto proposal = Proposal({}, {SlotIn(2)});
  proxy->CutAtCommit(test::DatabaseProxy::Cut::kBeforeCommit, "insert_events");
  ExpectError(member.Call(&Events::CreateEvent, proposal).status(), member, StatusCode::kUnknown,
              error::v1::OUTCOME_UNKNOWN, {});
  const Details database_away{{{"away", "the database"}}, {"RetryInfo"}};
  proposal.set_request_id(Uuid::TimeOrdered().ToString());
  proxy->CutAtCommit(test::DatabaseProxy::Cut::kBeforeCommit, "insert_events");
  ExpectError(member.Call(&Events::CreateEvent, proposal).status(), member, StatusCode::kUnavailable,
              error::v1::UNAVAILABLE, database_away);

  system.Kill("event");
  ExpectError(member.Call(&Events::ListEvents, {}).status(), member, StatusCode::kUnavailable, error::v1::UNAVAILABLE,
              {{{"away", "the event service"}}, {"RetryInfo"}});
  system.Start("event");
  ASSERT_TRUE(Eventually([&] { return member.Call(&Events::ListEvents, {}).ok(); }));

  proxy.reset();
  // Of the gateway's connections to the service some may not have found it yet since it returned.
  absl::Status away;
  EXPECT_TRUE(Eventually([&] {
    away = member.Call(&Events::GetEvent, Named(event.name())).status();
    return InfoOf(away, "away") == "the database";
  }));
  ExpectError(away, member, StatusCode::kUnavailable, error::v1::UNAVAILABLE, database_away);
  ExpectGoodEnd(system, database);
}

}  // namespace
}  // namespace parley::e2e
