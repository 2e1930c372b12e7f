// request_id (proto/README.md): a call that is sent twice has one effect, whatever has happened in between.
#include <future>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;
using notification::v1::NotifyPartiesResponse;
using notification::v1::Webhook;
using ::testing::SizeIs;
using token::v1::ApiKey;
using token::v1::User;

std::string NewId() { return Uuid::TimeOrdered().ToString(); }

// What is told once, or goes on by itself.
template <class Response>
void Settle(Response&) {}
void Settle(ApiKey& key) { key.clear_key(); }
void Settle(Webhook& webhook) {
  webhook.clear_secret();
  webhook.clear_cursor();
}
void Settle(Notification& notification) {
  notification.clear_attempts();
  if (notification.state() != Notification::CANCELLED) notification.clear_state();
}
void Settle(NotifyPartiesResponse& response) {
  for (Notification& notification : *response.mutable_notifications()) {
    notification.clear_attempts();
    notification.clear_state();
  }
}

// A call with a request_id.
struct Case {
  std::string method;
  bool by_staff;
  std::map<std::string, int> effect;  // on the counts below
  std::string event;                  // of which it is; empty for none
  // Sends it, and answers with the bytes that must be the same each time.
  std::function<absl::StatusOr<std::string>(Client&)> send;
  // Sends other content with the same request_id.
  std::function<absl::Status(Client&)> send_other;
};

template <class Stub, class Request, class Response>
Case MakeCase(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              std::type_identity_t<Request> request, std::function<void(std::type_identity_t<Request>&)> change) {
  Case made;
  made.method = Request::descriptor()->name();
  made.method.resize(made.method.size() - std::string_view("Request").size());
  request.set_request_id(NewId());
  Request other = request;
  change(other);
  made.send = [=](Client& client) -> absl::StatusOr<std::string> {
    auto response = client.Call(method, request);
    if (!response.ok()) return response.status();
    Settle(*response);
    return response->SerializeAsString();
  };
  made.send_other = [=](Client& client) { return client.Call(method, other).status(); };
  return made;
}

class RequestIdTest : public E2eTest {
 protected:
  // One that was deferred waits for long.
  static void SetUpTestSuite() {
    StartSystem({{"notification", {{"retry-pause", "1h"}, {"max-daily-recipients", "1000"}}},
                 {"event", {{"views-per-minute", "100000"}}}});
  }

  // All that calls have an effect on.
  static std::map<std::string, int> Counts() {
    static const std::vector<std::pair<std::string, std::string>> counts = {
        {"entries", "count(*) from log_entries"},
        {"events", "count(*) from events"},
        {"revisions", "coalesce(sum(revision), 0) from events"},
        {"users", "count(*) from users"},
        {"active", "count(*) from users where state = 'ACTIVE'"},
        {"deactivated", "count(*) from users where state = 'DEACTIVATED'"},
        {"staff", "count(*) from users where role = 'STAFF'"},
        {"keys", "count(*) from api_keys"},
        {"revoked keys", "count(*) from api_keys where revoke_time is not null"},
        // Those of attempts that the mail server refused, for good or for now, are revoked meanwhile.
        {"revoked tokens",
         "count(*) from email_tokens join users using (user_id) where revoke_time is not null and local_part !~ "
         "'^(refuse|defer)'"},
        {"notifications", "count(*) from notifications"},
        {"cancelled", "count(*) from notifications where state = 'CANCELLED'"},
        {"retried", "count(*) from notifications where retried_after > 0"},
        {"suppressions", "count(*) from suppressions where detail = 'of a test'"},
        {"webhooks", "count(*) from webhooks where delete_time is null"},
        {"remembered", "count(*) from request_records"}};
    std::vector<std::string> selects;
    for (const auto& [name, select] : counts) selects.push_back("(select " + select + ")");
    const std::vector<std::string> numbers =
        absl::StrSplit(database->Sql(absl::StrCat("set search_path = parley; select concat_ws(' ', ",
                                                  absl::StrJoin(selects, ", "), ")")),
                       ' ');
    std::map<std::string, int> found;
    for (size_t i = 0; i < counts.size(); ++i) found[counts[i].first] = std::stoi(numbers.at(i));
    return found;
  }
  // Those that are not as they were, and by how much.
  static std::map<std::string, int> ChangeSince(const std::map<std::string, int>& before) {
    std::map<std::string, int> changes;
    for (const auto& [name, count] : Counts()) {
      if (count != before.at(name)) changes[name] = count - before.at(name);
    }
    return changes;
  }

  // One case for each method that takes a request_id, with people and events of its own; the member has this address.
  static std::vector<Case> MakeCases(const std::string& member_address) {
    Client staff = Staff();
    Client member = Member(member_address);
    const std::string refusing = "refuse." + member_address;
    const std::string deferring = "defer." + member_address;
    auto made = [&] {
      return *member.Call(&Events::CreateEvent, Proposal({refusing, deferring}, {SlotIn(2), SlotIn(3)}));
    };
    auto target = [&](const std::string& what) {
      token::v1::CreateUserRequest request;
      request.mutable_user()->set_address(what + "." + member_address);
      return *staff.Call(&Tokens::CreateUser, request);
    };
    // The notification, once its first attempt is over.
    auto notified = [&](const Event& event, const std::string& recipient) {
      notification::v1::GetNotificationRequest get;
      get.set_name(member.Call(&NotificationStub::NotifyParties, Notice(event, {recipient}))->notifications(0).name());
      EXPECT_TRUE(Eventually([&] {
        const auto read = member.Call(&NotificationStub::GetNotification, get);
        return read.ok() && read->attempts_size() == 1 && read->attempts(0).has_end_time();
      }));
      return get.name();
    };

    std::vector<Case> cases;
    auto add = [&cases](Case made_case, bool by_staff, std::map<std::string, int> effect,
                        const std::string& event = "") {
      made_case.by_staff = by_staff;
      made_case.effect = std::move(effect);
      made_case.effect["remembered"] = 1;
      made_case.event = event;
      cases.push_back(std::move(made_case));
    };

    Event event;
    add(MakeCase(&Events::CreateEvent, Proposal({"new." + member_address}, {SlotIn(2), SlotIn(3)}),
                 [](auto& request) { request.mutable_event()->set_title("another"); }),
        false, {{"entries", 1}, {"events", 1}, {"revisions", 1}, {"users", 1}});
    event = made();
    add(MakeCase(&Events::UpdateEvent, Narrowed(event, {SlotIn(4), SlotIn(5)}),
                 [](auto& request) { request.mutable_event()->set_title("another"); }),
        false, {{"entries", 1}, {"revisions", 1}}, event.name());
    event = made();
    add(MakeCase(&Events::ConfirmEvent, Confirmation(event), [](auto& request) { request.set_etag("7"); }), false,
        {{"entries", 1}}, event.name());
    event = made();
    add(MakeCase(&Events::ReopenEvent, Reopening(event), [](auto& request) { request.mutable_slots(); }), false,
        {{"entries", 2}, {"events", 1}, {"revisions", 2}}, event.name());
    event = made();
    add(MakeCase(&Events::DeleteEvent, Deletion(event), [](auto& request) { request.set_etag("7"); }), true,
        {{"entries", 1}, {"revisions", 1}}, event.name());
    event = made();
    add(MakeCase(&NotificationStub::NotifyParties, Notice(event, {refusing, deferring}),
                 [](auto& request) { request.clear_recipients(), request.add_recipients("nobody@example.org"); }),
        false, {{"entries", 2}, {"notifications", 2}}, event.name());
    event = made();
    notification::v1::CancelNotificationRequest cancel;
    cancel.set_name(notified(event, deferring));
    add(MakeCase(&NotificationStub::CancelNotification, cancel,
                 [=](auto& request) { request.set_name(event.name() + "/notifications/" + NewId()); }),
        false, {{"cancelled", 1}}, event.name());
    event = made();
    notification::v1::RetryNotificationRequest retry;
    retry.set_name(notified(event, refusing));
    add(MakeCase(&NotificationStub::RetryNotification, retry,
                 [=](auto& request) { request.set_name(event.name() + "/notifications/" + NewId()); }),
        true, {{"retried", 1}}, event.name());

    notification::v1::DeleteSuppressionRequest lift;
    lift.set_name(MakeSuppression());
    add(MakeCase(&NotificationStub::DeleteSuppression, lift,
                 [](auto& request) { request.set_name("suppressions/" + NewId()); }),
        true, {{"suppressions", -1}});

    notification::v1::CreateWebhookRequest hook;
    *hook.mutable_webhook() = NewWebhook();
    const std::string webhook = staff.Call(&WebhookStub::CreateWebhook, hook)->name();
    const std::string other_webhook = staff.Call(&WebhookStub::CreateWebhook, hook)->name();
    add(MakeCase(&WebhookStub::CreateWebhook, hook,
                 [](auto& request) { request.mutable_webhook()->set_url("https://another.invalid/"); }),
        true, {{"webhooks", 1}});
    notification::v1::DeleteWebhookRequest end;
    end.set_name(webhook);
    add(MakeCase(&WebhookStub::DeleteWebhook, end, [=](auto& request) { request.set_name(other_webhook); }), true,
        {{"webhooks", -1}});
    // What it does is looked for at once, and over soon.
    notification::v1::ReplayWebhookRequest replay;
    replay.set_name(other_webhook);
    add(MakeCase(&WebhookStub::ReplayWebhook, replay, [=](auto& request) { request.set_name(webhook); }), true, {});

    token::v1::CreateUserRequest create;
    create.mutable_user()->set_address("registered." + member_address);
    add(MakeCase(&Tokens::CreateUser, create, [](auto& request) { request.mutable_user()->set_role(User::STAFF); }),
        true, {{"users", 1}, {"active", 1}});
    token::v1::UpdateUserRequest promote;
    promote.mutable_user()->set_name(target("promoted").name());
    promote.mutable_user()->set_role(User::STAFF);
    add(MakeCase(&Tokens::UpdateUser, promote, [](auto& request) { request.mutable_user()->set_role(User::MEMBER); }),
        true, {{"staff", 1}});
    token::v1::ActivateUserRequest activate;
    activate.set_name(UserOf(refusing));
    add(MakeCase(&Tokens::ActivateUser, activate, [](auto& request) { request.set_etag("7"); }), true, {{"active", 1}});
    token::v1::DeactivateUserRequest deactivate;
    deactivate.set_name(target("deactivated").name());
    add(MakeCase(&Tokens::DeactivateUser, deactivate, [](auto& request) { request.set_etag("7"); }), true,
        {{"active", -1}, {"deactivated", 1}});
    token::v1::EraseUserRequest erase;
    erase.set_name(target("erased").name());
    const std::string survivor = target("survivor").name();
    add(MakeCase(&Tokens::EraseUser, erase, [=](auto& request) { request.set_name(survivor); }), true,
        {{"active", -1}, {"users", -1}});
    token::v1::CreateApiKeyRequest create_key;
    create_key.set_parent(target("keyed").name());
    const std::string other_user = target("other").name();
    add(MakeCase(&Tokens::CreateApiKey, create_key, [=](auto& request) { request.set_parent(other_user); }), true,
        {{"keys", 1}});
    token::v1::RevokeApiKeyRequest revoke_key;
    create_key.set_parent(UserOf(member_address));
    revoke_key.set_name(staff.Call(&Tokens::CreateApiKey, create_key)->name());
    add(MakeCase(&Tokens::RevokeApiKey, revoke_key,
                 [=](auto& request) { request.set_name(create_key.parent() + "/apiKeys/" + NewId()); }),
        true, {{"revoked keys", 1}});

    event = made();
    EXPECT_NE(GuestKey(member, event, member_address), "");
    token::v1::ListEmailTokensRequest list;
    list.set_parent(event.name());
    token::v1::RevokeEmailTokenRequest revoke;
    revoke.set_name(member.Call(&Tokens::ListEmailTokens, list)->email_tokens(0).name());
    add(MakeCase(&Tokens::RevokeEmailToken, revoke,
                 [=](auto& request) { request.set_name(event.name() + "/emailTokens/" + NewId()); }),
        true, {{"revoked tokens", 1}}, event.name());
    return cases;
  }
};

TEST_F(RequestIdTest, EveryMethodThatTakesOneIsTried) {
  std::set<std::string> tried, methods;
  for (const Case& each : MakeCases("all@example.com")) tried.insert(each.method);
  for (const auto* file :
       {event::v1::GetEventRequest::descriptor()->file(), token::v1::GetUserRequest::descriptor()->file(),
        notification::v1::GetNotificationRequest::descriptor()->file(),
        notification::v1::GetWebhookRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto* method = file->service(i)->method(j);
        if (method->input_type()->FindFieldByName("request_id") != nullptr) methods.insert(method->name());
      }
    }
  }
  EXPECT_EQ(tried, methods);
}

TEST_F(RequestIdTest, FiftyEqualCallsAtOnceHaveOneEffectAndEqualAnswers) {
  const auto cases = MakeCases("fifty@example.com");
  for (const Case& each : cases) {
    SCOPED_TRACE(each.method);
    const auto before = Counts();
    std::vector<std::future<absl::StatusOr<std::string>>> calls;
    for (int i = 0; i < 50; ++i) {
      Client client = each.by_staff ? Staff() : StaffFor("fifty@example.com");
      calls.push_back(std::async(std::launch::async, [client, &each]() mutable { return each.send(client); }));
    }
    std::set<std::string> answers;
    for (auto& call : calls) {
      const auto answer = call.get();
      EXPECT_THAT(answer, Succeeds());
      if (answer.ok()) answers.insert(*answer);
    }
    EXPECT_THAT(answers, SizeIs(1));
    EXPECT_EQ(ChangeSince(before), each.effect);
  }
}

TEST_F(RequestIdTest, OfFiftyEqualCallsOneHasTheKey) {
  const std::string user = [] {
    system->MakeMember("one.key@example.com");
    return UserOf("one.key@example.com");
  }();
  token::v1::CreateApiKeyRequest request;
  request.set_parent(user);
  request.set_request_id(NewId());
  std::vector<std::future<absl::StatusOr<ApiKey>>> calls;
  for (int i = 0; i < 50; ++i) {
    calls.push_back(std::async(std::launch::async, [client = Staff(), &request]() mutable {
      return client.Call(&Tokens::CreateApiKey, request);
    }));
  }
  std::vector<std::string> keys;
  for (auto& call : calls) {
    const auto key = call.get();
    ASSERT_THAT(key, Succeeds());
    if (!key->key().empty()) keys.push_back(key->key());
  }
  ASSERT_THAT(keys, SizeIs(1));
  EXPECT_THAT(system->As(keys[0]).Call(&Events::ListEvents, {}), Succeeds());
}

TEST_F(RequestIdTest, TheAnswerStaysTheSameWhateverHappensToTheEventAndToTheServices) {
  const std::string address = "restart@example.com";
  const auto cases = MakeCases(address);
  Client staff = Staff();
  std::vector<std::string> first;
  for (const Case& each : cases) {
    Client client = each.by_staff ? Staff() : StaffFor(address);
    const auto answer = each.send(client);
    ASSERT_THAT(answer, Succeeds()) << each.method;
    first.push_back(*answer);
  }
  auto expect_the_same = [&](const char* when) {
    const auto before = Counts();
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(absl::StrCat(cases[i].method, " ", when));
      Client client = cases[i].by_staff ? Staff() : StaffFor(address);
      const auto answer = cases[i].send(client);
      ASSERT_THAT(answer, Succeeds());
      EXPECT_EQ(*answer, first[i]);
      EXPECT_THAT(cases[i].send_other(client), Fails(StatusCode::kInvalidArgument, Reason::REQUEST_ID_REUSED));
    }
    EXPECT_THAT(ChangeSince(before), IsEmpty());
  };
  // All events that can still change, among them those that the calls made.
  auto each_event = [&](const std::function<absl::Status(const Event&)>& change, auto... states) {
    for (int i = 0; const Case& each : cases) {
      Event event;
      if (each.method == "CreateEvent" || each.method == "ReopenEvent")
        event.ParseFromString(first[static_cast<size_t>(i)]);
      ++i;
      for (const std::string& name : std::set<std::string>{event.name(), each.event}) {
        if (name.empty()) continue;
        const auto now = staff.Call(&Events::GetEvent, Named(name));
        if (!now.ok() || ((now->state() != states) && ...)) continue;
        EXPECT_THAT(change(*now), Succeeds()) << each.method;
      }
    }
  };
  expect_the_same("at once");
  each_event(
      [&](const Event& event) {
        auto request = Narrowed(event, {SlotIn(20), SlotIn(21)});
        request.mutable_event()->set_title("it goes on");
        return staff.Call(&Events::UpdateEvent, request).status();
      },
      Event::OPEN);
  expect_the_same("after the event has changed");
  each_event([&](const Event& event) { return staff.Call(&Events::ReopenEvent, Reopening(event)).status(); },
             Event::OPEN);
  expect_the_same("after the event has closed");
  for (const char* name : {"gateway", "notification", "event", "token"}) system->Kill(name);
  for (const char* name : {"token", "event", "notification", "gateway"}) system->Start(name);
  staff = Staff();
  expect_the_same("after a restart of every service");
  each_event([&](const Event& event) { return staff.Call(&Events::DeleteEvent, Deletion(event)).status(); },
             Event::OPEN, Event::SUPERSEDED);
  EXPECT_TRUE(Eventually([] {  // E10
    return database->Sql(
               "select count(*)::text from parley.notifications join parley.events using (event_id) where "
               "delete_time is not null and notifications.state = 'PENDING'") == "0";
  }));
  expect_the_same("after the event was deleted");
}

TEST_F(RequestIdTest, UsersAreAnsweredInTheirPresentState) {
  Client staff = Staff();
  token::v1::CreateUserRequest create;
  create.mutable_user()->set_address("present@example.com");
  create.set_request_id(NewId());
  ASSERT_OK_AND_ASSIGN(const User user, staff.Call(&Tokens::CreateUser, create));
  EXPECT_EQ(user.state(), User::ACTIVE);
  token::v1::DeactivateUserRequest deactivate;
  deactivate.set_name(user.name());
  deactivate.set_request_id(create.request_id());  // of another method: another call
  ASSERT_OK_AND_ASSIGN(const User deactivated, staff.Call(&Tokens::DeactivateUser, deactivate));
  EXPECT_EQ(deactivated.state(), User::DEACTIVATED);
  ASSERT_OK_AND_ASSIGN(const User again, staff.Call(&Tokens::CreateUser, create));
  EXPECT_EQ(again.SerializeAsString(), deactivated.SerializeAsString());
  token::v1::ActivateUserRequest activate;
  activate.set_name(user.name());
  ASSERT_THAT(staff.Call(&Tokens::ActivateUser, activate), Succeeds());
  ASSERT_OK_AND_ASSIGN(const User still, staff.Call(&Tokens::DeactivateUser, deactivate));
  EXPECT_EQ(still.state(), User::ACTIVE) << "it was sent before: nothing is done again";
}

TEST_F(RequestIdTest, AnIdBelongsToOneUserWhateverTheCredential) {
  Client owner = Member("owner@example.com");
  Client party = Member("by.all@example.com");
  Client acting = StaffFor("By.All@example.com");
  ASSERT_OK_AND_ASSIGN(
      const Event event,
      owner.Call(&Events::CreateEvent, Proposal({"by.all@example.com", "third@example.org"}, {SlotIn(2)})));
  Client guest = system->As(GuestKey(owner, event, "by.all@example.com"));
  const size_t before = LogOf(owner, event.name()).size();
  auto confirmation = Confirmation(event);
  confirmation.set_request_id(NewId());
  ASSERT_OK_AND_ASSIGN(const Event confirmed, guest.Call(&Events::ConfirmEvent, confirmation));
  for (Client* same : {&party, &acting, &guest}) {
    ASSERT_OK_AND_ASSIGN(const Event again, same->Call(&Events::ConfirmEvent, confirmation));
    EXPECT_EQ(again.SerializeAsString(), confirmed.SerializeAsString());
  }
  const auto log = LogOf(owner, event.name());
  ASSERT_THAT(log, SizeIs(before + 1));
  EXPECT_NE(log.back().data().email_token(), "");
  // Another user's is a call of its own: of the owner, and of staff as such.
  EXPECT_THAT(owner.Call(&Events::ConfirmEvent, confirmation), Succeeds());
  EXPECT_THAT(LogOf(owner, event.name()), SizeIs(before + 2));
  EXPECT_THAT(Staff().Call(&Events::ConfirmEvent, confirmation),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));

  auto proposal = Proposal({"third@example.org"}, {SlotIn(2)});
  proposal.set_request_id(confirmation.request_id());
  std::set<std::string> names;
  for (Client* client : {&owner, &party, &acting}) {
    ASSERT_OK_AND_ASSIGN(const Event made, client->Call(&Events::CreateEvent, proposal));
    names.insert(made.name());
  }
  EXPECT_THAT(names, SizeIs(2));
}

TEST_F(RequestIdTest, AFailedCallIsNotRemembered) {
  Client member = Member("failed@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event,
                       member.Call(&Events::CreateEvent, Proposal({"third@example.org"}, {SlotIn(2), SlotIn(3)})));
  const auto before = Counts();
  auto update = Narrowed(event, {SlotIn(2)});
  update.set_request_id(NewId());
  update.mutable_event()->set_etag("7");
  EXPECT_THAT(member.Call(&Events::UpdateEvent, update), Fails(StatusCode::kAborted, Reason::ETAG_MISMATCH));
  EXPECT_THAT(member.Call(&Events::UpdateEvent, update), Fails(StatusCode::kAborted, Reason::ETAG_MISMATCH));
  EXPECT_THAT(ChangeSince(before), IsEmpty());
  // So it may be sent with other content, and be right now.
  update.mutable_event()->set_etag(event.etag());
  ASSERT_OK_AND_ASSIGN(const Event narrowed, member.Call(&Events::UpdateEvent, update));
  ASSERT_OK_AND_ASSIGN(const Event again, member.Call(&Events::UpdateEvent, update));
  EXPECT_EQ(again.SerializeAsString(), narrowed.SerializeAsString());
  EXPECT_EQ(narrowed.revision(), 2);
}

TEST_F(RequestIdTest, OfTwoContentsAtOnceOneWins) {
  const std::string key = system->MakeMember("two.contents@example.com");
  const auto before = Counts();
  auto request = Proposal({"two.contents@example.com"}, {SlotIn(2)});
  request.set_request_id(NewId());
  std::vector<std::future<absl::StatusOr<Event>>> calls;
  for (int i = 0; i < 50; ++i) {
    request.mutable_event()->set_title(i % 2 == 0 ? "even" : "odd");
    calls.push_back(std::async(std::launch::async, [client = system->As(key), request]() mutable {
      return client.Call(&Events::CreateEvent, request);
    }));
  }
  std::set<std::string> answers;
  int refused = 0;
  for (auto& call : calls) {
    const auto event = call.get();
    if (event.ok()) {
      answers.insert(event->SerializeAsString());
    } else {
      EXPECT_THAT(event, Fails(StatusCode::kInvalidArgument, Reason::REQUEST_ID_REUSED));
      ++refused;
    }
  }
  EXPECT_THAT(answers, SizeIs(1));
  EXPECT_EQ(refused, 25);
  EXPECT_EQ(ChangeSince(before),
            (std::map<std::string, int>{{"entries", 1}, {"events", 1}, {"revisions", 1}, {"remembered", 1}}));
}

}  // namespace
}  // namespace parley::e2e
