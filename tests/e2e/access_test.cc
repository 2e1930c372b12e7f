// Who may do what: every method of the contracts, tried as every kind of caller.
#include <functional>
#include <map>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/data/key.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/stream.h"

namespace parley::e2e {
namespace {

using token::v1::User;

// What a call may name. Made anew where calls use it up; or of things that do not exist.
struct World {
  Event event;               // of the party, the partner and the inactive user
  std::string user;          // the party's
  std::string api_key;       // one of the party's
  std::string email_token;   // the party's, by which the guest calls
  std::string notification;  // in the party's name
  std::string suppression;
  std::string unsubscribe_token;
  std::string webhook;
  User target;  // somebody whom staff may change
};

using Call = std::function<absl::Status(Client&, const World&)>;

// The columns of the table, in their order.
enum Caller {
  kNobody,
  kGuest,
  kStaffGuest,
  kGuestOfOther,
  kParty,
  kOutsider,
  kInactive,
  kStaff,
  kStaffForParty,
  kCallers
};
constexpr const char* kNames[kCallers] = {"nobody",
                                          "guest",
                                          "guest whose user is staff",
                                          "guest of another event",
                                          "party",
                                          "outsider",
                                          "inactive user acted for",
                                          "staff",
                                          "staff acting for the party"};

struct Row {
  Call call;
  const char* may;     // by caller: `y` may, `n` may not, `-` has no credential
  bool hides = false;  // names an event or what is below it: to those who may not see it, it might as well not exist
};

template <class Request, class Stub, class Response>
Call Do(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
        std::function<void(Request&, const World&)> fill) {
  return [method, fill](Client& client, const World& world) {
    Request request;
    fill(request, world);
    return client.Call(method, request).status();
  };
}

// OK once the stream tells something.
template <class Request, class Response, class Stub>
Call Watch(std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*, const Request&),
           std::function<void(Request&, const World&)> fill) {
  return [method, fill](Client& client, const World& world) -> absl::Status {
    Request request;
    fill(request, world);
    test::Stream<Response> stream(client, method, request);
    Eventually([&] { return stream.has_ended() || !stream.messages().empty(); });
    return stream.messages().empty() ? stream.AwaitEnd() : absl::OkStatus();
  };
}

template <class Request>
void SetName(Request& request, const std::string& name, const std::string& etag) {
  request.set_name(name);
  request.set_etag(etag);
}

const std::map<std::string, Row>& Table() {
  using namespace event::v1;         // NOLINT
  using namespace token::v1;         // NOLINT
  using namespace notification::v1;  // NOLINT
  static const std::map<std::string, Row> table = {
      {"CreateEvent",
       {Do<CreateEventRequest>(&Events::CreateEvent,
                               [](auto& request, const World&) { request = Proposal({"x@example.org"}, {SlotIn(1)}); }),
        "-nnnyynyy"}},
      {"GetEvent",
       {Do<GetEventRequest>(&Events::GetEvent, [](auto& r, const World& w) { r.set_name(w.event.name()); }),
        "-yynynyyy", true}},
      {"ListEvents", {Do<ListEventsRequest>(&Events::ListEvents, [](auto&, const World&) {}), "-nnnyyyyy"}},
      {"UpdateEvent",
       {Do<UpdateEventRequest>(&Events::UpdateEvent,
                               [](auto& r, const World& w) {
                                 r.mutable_event()->set_name(w.event.name());
                                 r.mutable_event()->set_etag(w.event.etag());
                                 r.mutable_event()->set_title("another");
                               }),
        "-yynynyyy", true}},
      {"ConfirmEvent",
       {Do<ConfirmEventRequest>(&Events::ConfirmEvent,
                                [](auto& r, const World& w) { SetName(r, w.event.name(), w.event.etag()); }),
        "-yynynyny", true}},
      {"ReopenEvent",
       {Do<ReopenEventRequest>(&Events::ReopenEvent,
                               [](auto& r, const World& w) { SetName(r, w.event.name(), w.event.etag()); }),
        "-nnnynnyy", true}},
      {"DeleteEvent",
       {Do<DeleteEventRequest>(&Events::DeleteEvent,
                               [](auto& r, const World& w) { SetName(r, w.event.name(), w.event.etag()); }),
        "-nnnnnnyn", true}},
      {"ListLogEntries",
       {Do<ListLogEntriesRequest>(&Events::ListLogEntries,
                                  [](auto& r, const World& w) { r.set_parent(w.event.name()); }),
        "-yynynyyy", true}},

      {"WatchEvent",
       {Watch<WatchEventRequest, WatchEventResponse>(&Events::WatchEvent,
                                                     [](auto& r, const World& w) { r.set_name(w.event.name()); }),
        "-yynynyyy", true}},
      {"WatchEvents",
       {Watch<WatchEventsRequest, WatchEventsResponse>(&Events::WatchEvents,
                                                       [](auto& r, const World&) { r.set_only_new(true); }),
        "-nnnyyyyy"}},
      {"GetCheckpoint", {Do<GetCheckpointRequest>(&Logs::GetCheckpoint, [](auto&, const World&) {}), "-yyyyyyyy"}},
      {"GetInclusionProof",
       {Do<GetInclusionProofRequest>(&Logs::GetInclusionProof,
                                     [](auto& r, const World& w) { r.set_name(w.event.name() + "/logEntries/1"); }),
        "-yynynyyy", true}},
      {"GetConsistencyProof",
       {Do<GetConsistencyProofRequest>(&Logs::GetConsistencyProof,
                                       [](auto& r, const World&) { r.set_first_tree_size(1); }),
        "-yyyyyyyy"}},

      {"CreateUser",
       {Do<CreateUserRequest>(
            &Tokens::CreateUser,
            [](auto& r, const World& w) { r.mutable_user()->set_address("new-" + w.target.address()); }),
        "-nnnnnnyn"}},
      {"GetUser",
       {Do<GetUserRequest>(&Tokens::GetUser, [](auto& r, const World& w) { r.set_name(w.user); }), "-nnnynnyy"}},
      {"ListUsers", {Do<ListUsersRequest>(&Tokens::ListUsers, [](auto&, const World&) {}), "-nnnnnnyn"}},
      {"UpdateUser",
       {Do<UpdateUserRequest>(&Tokens::UpdateUser,
                              [](auto& r, const World& w) {
                                r.mutable_user()->set_name(w.target.name());
                                r.mutable_user()->set_role(User::STAFF);
                              }),
        "-nnnnnnyn"}},
      {"ActivateUser",
       {Do<ActivateUserRequest>(&Tokens::ActivateUser, [](auto& r, const World& w) { r.set_name(w.target.name()); }),
        "-nnnnnnyn"}},
      {"DeactivateUser",
       {Do<DeactivateUserRequest>(&Tokens::DeactivateUser,
                                  [](auto& r, const World& w) { r.set_name(w.target.name()); }),
        "-nnnnnnyn"}},
      {"EraseUser",
       {Do<EraseUserRequest>(&Tokens::EraseUser, [](auto& r, const World& w) { r.set_name(w.target.name()); }),
        "-nnnnnnyn"}},
      {"CreateApiKey",
       {Do<CreateApiKeyRequest>(&Tokens::CreateApiKey, [](auto& r, const World& w) { r.set_parent(w.target.name()); }),
        "-nnnnnnyn"}},
      {"ListApiKeys",
       {Do<ListApiKeysRequest>(&Tokens::ListApiKeys, [](auto& r, const World& w) { r.set_parent(w.user); }),
        "-nnnynnyy"}},
      {"RevokeApiKey",
       {Do<RevokeApiKeyRequest>(&Tokens::RevokeApiKey, [](auto& r, const World& w) { r.set_name(w.api_key); }),
        "-nnnynnyy"}},
      {"GetEmailToken",
       {Do<GetEmailTokenRequest>(&Tokens::GetEmailToken, [](auto& r, const World& w) { r.set_name(w.email_token); }),
        "-ynnynnyy", true}},
      {"ListEmailTokens",
       {Do<ListEmailTokensRequest>(&Tokens::ListEmailTokens,
                                   [](auto& r, const World& w) { r.set_parent(w.event.name()); }),
        "-nnnynyyy", true}},
      {"RevokeEmailToken",
       {Do<RevokeEmailTokenRequest>(&Tokens::RevokeEmailToken,
                                    [](auto& r, const World& w) { r.set_name(w.email_token); }),
        "-ynnynnyy", true}},

      {"NotifyParties",
       {Do<NotifyPartiesRequest>(&NotificationStub::NotifyParties,
                                 [](auto& r, const World& w) { r = Notice(w.event, {w.event.parties(0).address()}); }),
        "-yynynyyy", true}},
      {"GetNotification",
       {Do<GetNotificationRequest>(&NotificationStub::GetNotification,
                                   [](auto& r, const World& w) { r.set_name(w.notification); }),
        "-yynynyyy", true}},
      {"ListNotifications",
       {Do<ListNotificationsRequest>(&NotificationStub::ListNotifications,
                                     [](auto& r, const World& w) { r.set_parent(w.event.name()); }),
        "-yynynyyy", true}},
      {"CancelNotification",
       {Do<CancelNotificationRequest>(&NotificationStub::CancelNotification,
                                      [](auto& r, const World& w) { r.set_name(w.notification); }),
        "-ynnynnyy", true}},
      {"RetryNotification",
       {Do<RetryNotificationRequest>(&NotificationStub::RetryNotification,
                                     [](auto& r, const World& w) { r.set_name(w.notification); }),
        "-nnnnnnyn"}},
      {"RequestEmailToken",
       {Do<RequestEmailTokenRequest>(&NotificationStub::RequestEmailToken,
                                     [](auto& r, const World& w) {
                                       r.mutable_party()->set_event(w.event.name());
                                       r.mutable_party()->set_address(w.event.parties(0).address());
                                     }),
        "yyyyyyyyy"}},
      {"Unsubscribe",
       {Do<UnsubscribeRequest>(&NotificationStub::Unsubscribe,
                               [](auto& r, const World& w) { r.set_token(w.unsubscribe_token); }),
        "yyyyyyyyy"}},
      {"GetSuppression",
       {Do<GetSuppressionRequest>(&NotificationStub::GetSuppression,
                                  [](auto& r, const World& w) { r.set_name(w.suppression); }),
        "-nnnnnnyn"}},
      {"ListSuppressions",
       {Do<ListSuppressionsRequest>(&NotificationStub::ListSuppressions, [](auto&, const World&) {}), "-nnnnnnyn"}},
      {"DeleteSuppression",
       {Do<DeleteSuppressionRequest>(&NotificationStub::DeleteSuppression,
                                     [](auto& r, const World& w) { r.set_name(w.suppression); }),
        "-nnnnnnyn"}},

      {"CreateWebhook",
       {Do<CreateWebhookRequest>(&WebhookStub::CreateWebhook,
                                 [](auto& r, const World&) { *r.mutable_webhook() = NewWebhook(); }),
        "-nnnnnnyn"}},
      {"GetWebhook",
       {Do<GetWebhookRequest>(&WebhookStub::GetWebhook, [](auto& r, const World& w) { r.set_name(w.webhook); }),
        "-nnnnnnyn"}},
      {"ListWebhooks", {Do<ListWebhooksRequest>(&WebhookStub::ListWebhooks, [](auto&, const World&) {}), "-nnnnnnyn"}},
      {"DeleteWebhook",
       {Do<DeleteWebhookRequest>(&WebhookStub::DeleteWebhook, [](auto& r, const World& w) { r.set_name(w.webhook); }),
        "-nnnnnnyn"}},
      {"ReplayWebhook",
       {Do<ReplayWebhookRequest>(&WebhookStub::ReplayWebhook, [](auto& r, const World& w) { r.set_name(w.webhook); }),
        "-nnnnnnyn"}},
      {"ListWebhookDeliveries",
       {Do<ListWebhookDeliveriesRequest>(&WebhookStub::ListWebhookDeliveries,
                                         [](auto& r, const World& w) { r.set_parent(w.webhook); }),
        "-nnnnnnyn"}},
  };
  return table;
}

class AccessTest : public E2eTest {
 protected:
  static constexpr char kPartyAddress[] = "party@example.com";
  static constexpr char kInactiveAddress[] = "never.registered@example.org";
  static constexpr char kStaffPartyAddress[] = "staff.and.party@example.com";

  static void SetUpTestSuite() {
    E2eTest::SetUpTestSuite();
    staff_client = std::make_unique<Client>(system->As(system->staff_key()));
    party_key = system->MakeMember(kPartyAddress);
    outsider_key = system->MakeMember("outsider@example.com");
    party_client = std::make_unique<Client>(system->As(party_key));
    user = UserOf(kPartyAddress);
    system->MakeMember(kStaffPartyAddress);
    staff_party = UserOf(kStaffPartyAddress);
    token::v1::UpdateUserRequest promote;
    promote.mutable_user()->set_name(staff_party);
    promote.mutable_user()->set_role(User::STAFF);
    ASSERT_THAT(staff_client->Call(&Tokens::UpdateUser, promote), Succeeds());
    ASSERT_THAT(party_client->Call(&NotificationStub::NotifyParties, Notice(MakeEvent(), {kInactiveAddress})),
                Succeeds());
    unsubscribe_token = MailedUnsubscribeToken(kInactiveAddress, 0);
    webhook = MakeWebhook();
  }
  static void TearDownTestSuite() {
    staff_client.reset();
    party_client.reset();
    E2eTest::TearDownTestSuite();
  }

  static Event MakeEvent() {
    return *party_client->Call(&Events::CreateEvent,
                               Proposal({kPartyAddress, kStaffPartyAddress, kInactiveAddress}, {SlotIn(1), SlotIn(2)}));
  }

  // The key of one for this user; its name in `name`.
  static std::string MakeEmailToken(const Event& event, const std::string& of, std::string& name,
                                    const std::string& expiry = "1 day") {
    std::string key = data::MakeKey(data::kGuestKeyPrefix);
    const std::string hash = data::HashKey(key);
    std::string hex;
    for (const char c : hash) hex += absl::StrCat(absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    const std::string id = Uuid::TimeOrdered().ToString();
    database->Sql(absl::StrCat("insert into parley.email_tokens values ('", id, "', '", event.name().substr(7), "', '",
                               of.substr(6), "', '\\x", hex, "', now(), now() + interval '", expiry, "')"));
    name = absl::StrCat(event.name(), "/emailTokens/", id);
    return key;
  }

  // A world in which this method does what it does for those who may; and the guest's key to it.
  static World MakeWorld(const std::string& method, std::string& guest_key) {
    World world;
    world.event = MakeEvent();
    world.unsubscribe_token = unsubscribe_token;
    if (method.ends_with("Suppression")) world.suppression = MakeSuppression();
    world.webhook = method == "DeleteWebhook" ? MakeWebhook() : webhook;
    world.user = user;
    guest_key = MakeEmailToken(world.event, user, world.email_token);
    if (method.ends_with("Proof") || method == "GetCheckpoint") {
      EXPECT_TRUE(Eventually([&] {
        return database->Sql(
                   "select (checkpoint_size > leaf_index)::text from parley.log_tree, parley.log_leaves "
                   "where event_id = '" +
                   world.event.name().substr(7) + "' and sequence = 1") == "true";
      }));
    }
    if (method == "RevokeApiKey") {
      token::v1::CreateApiKeyRequest request;
      request.set_parent(user);
      world.api_key = staff_client->Call(&Tokens::CreateApiKey, request)->name();
    }
    if (method.ends_with("Notification")) {
      const std::string id = Uuid::TimeOrdered().ToString();
      database->Sql(absl::StrCat(
          "insert into parley.notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, ",
          "attempts, next_attempt_time, pending_since, cause) values ('", id, "', '", world.event.name().substr(7),
          "', '", user.substr(6), "', '", user.substr(6), "', '", method == "RetryNotification" ? "FAILED" : "PENDING",
          "', now(), 0, now() + interval '1 day', now(), 'NOTIFY_PARTIES')"));
      world.notification = absl::StrCat(world.event.name(), "/notifications/", id);
    }
    if (method.ends_with("User") || method == "CreateApiKey") {
      token::v1::CreateUserRequest request;
      request.mutable_user()->set_address(absl::StrCat("target-", Uuid::TimeOrdered().ToString(), "@example.org"));
      world.target = *staff_client->Call(&Tokens::CreateUser, request);
    }
    return world;
  }

  static std::string MakeWebhook() {
    notification::v1::CreateWebhookRequest request;
    *request.mutable_webhook() = NewWebhook();
    return staff_client->Call(&WebhookStub::CreateWebhook, request)->name();
  }

  // The same, of nothing that exists.
  static World MissingWorld(const World& world) {
    World missing = world;
    const std::string event = "events/" + Uuid::TimeOrdered().ToString();
    missing.event.set_name(event);
    missing.email_token = absl::StrCat(event, "/emailTokens/", Uuid::TimeOrdered().ToString());
    missing.notification = absl::StrCat(event, "/notifications/", Uuid::TimeOrdered().ToString());
    return missing;
  }

  static Client ClientOf(Caller caller, const World& world, const std::string& guest_key) {
    std::string name;
    switch (caller) {
      case kNobody:
        return system->As("");
      case kGuest:
        return system->As(guest_key);
      case kStaffGuest:
        return system->As(MakeEmailToken(world.event, staff_party, name));
      case kGuestOfOther:
        return system->As(MakeEmailToken(MakeEvent(), user, name));
      case kParty:
        return system->As(party_key);
      case kOutsider:
        return system->As(outsider_key);
      case kInactive:
        return system->As(system->staff_key(), {{"parley-act-for", kInactiveAddress}});
      case kStaff:
        return system->As(system->staff_key());
      default:
        return system->As(system->staff_key(), {{"parley-act-for", kPartyAddress}});
    }
  }

  static std::string LogLength(const World& world) {
    return database->Sql("select count(*)::text from parley.log_entries where event_id = '" +
                         world.event.name().substr(7) + "'");
  }

  // The error as it came, but for the call_id and the names of `world`.
  static std::string BytesOf(const absl::Status& status, const World& world) {
    std::vector<std::string> payloads;
    status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
      payloads.push_back(absl::StrCat(type, "=", std::string(payload)));
    });
    std::sort(payloads.begin(), payloads.end());
    std::string bytes = absl::StrCat(status.code(), " ", status.message());
    for (const std::string& payload : payloads) absl::StrAppend(&bytes, "\n", payload);
    return absl::StrReplaceAll(bytes, {{InfoOf(status, "call_id"), "CALL"},
                                       {world.email_token, "NAME"},
                                       {world.notification.empty() ? "no notification" : world.notification, "NAME"},
                                       {world.event.name(), "NAME"}});
  }

  static inline std::unique_ptr<Client> staff_client, party_client;
  static inline std::string party_key, outsider_key, user, staff_party, unsubscribe_token, webhook;
};

TEST_F(AccessTest, EveryMethodOfTheContractsHasARow) {
  // As the running gateway tells it, so that none is forgotten.
  const auto list = [](const std::vector<std::string>& of) {
    std::vector<std::string> command{test::Given("PARLEY_TEST_GRPCURL"), "-plaintext", system->address("gateway"),
                                     "list"};
    command.insert(command.end(), of.begin(), of.end());
    const auto output = test::Run(command);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    return std::vector<std::string>(absl::StrSplit(output.out, '\n', absl::SkipEmpty()));
  };
  std::set<std::string> methods, rows;
  for (const std::string& service : list({})) {
    if (!service.starts_with("parley.")) continue;
    for (const std::string& method : list({service})) methods.insert(method.substr(method.rfind('.') + 1));
  }
  for (const auto& [method, row] : Table()) {
    rows.insert(method);
    EXPECT_EQ(std::string(row.may).size(), size_t{kCallers}) << method;
  }
  EXPECT_EQ(methods, rows);
}

TEST_F(AccessTest, T4_U4_U6_EachCallerMayDoWhatTheTableSays) {
  for (const auto& [method, row] : Table()) {
    for (int caller = 0; caller < kCallers; ++caller) {
      SCOPED_TRACE(absl::StrCat(method, " as ", kNames[caller]));
      std::string guest_key;
      const World world = MakeWorld(method, guest_key);
      Client client = ClientOf(static_cast<Caller>(caller), world, guest_key);
      const std::string before = LogLength(world);
      const absl::Status status = row.call(client, world);
      if (row.may[caller] == 'y') {
        EXPECT_THAT(status, Succeeds());
        continue;
      }
      EXPECT_THAT(status, row.may[caller] == '-'
                              ? Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING)
                              : Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
      EXPECT_EQ(LogLength(world), before) << "L1: what fails writes no entry";
    }
  }
}

TEST_F(AccessTest, HiddenAndMissingAreTheSameBytes) {
  for (const auto& [method, row] : Table()) {
    if (!row.hides) continue;
    for (const Caller caller : {kOutsider, kGuestOfOther}) {
      SCOPED_TRACE(absl::StrCat(method, " as ", kNames[caller]));
      std::string guest_key;
      const World world = MakeWorld(method, guest_key);
      const World missing = MissingWorld(world);
      Client client = ClientOf(caller, world, guest_key);
      EXPECT_EQ(BytesOf(row.call(client, world), world), BytesOf(row.call(client, missing), missing));
    }
  }
}

TEST_F(AccessTest, U4_T3_T5_BadCredentialsOpenNothing) {
  std::string guest_key, name, used;
  World world = MakeWorld("CancelNotification", guest_key);
  world.target = MakeWorld("UpdateUser", used).target;
  world.api_key = user + "/apiKeys/" + Uuid::TimeOrdered().ToString();
  struct Bad {
    const char* what;
    std::string key;
    Reason reason;
  };
  std::vector<Bad> credentials;
  credentials.push_back(
      {"an expired e-mail token", MakeEmailToken(world.event, user, name, "0"), error::v1::TOKEN_EXPIRED});
  credentials.push_back(
      {"a revoked e-mail token", MakeEmailToken(world.event, user, name), error::v1::CREDENTIAL_INVALID});
  token::v1::RevokeEmailTokenRequest revoke;
  revoke.set_name(name);
  ASSERT_THAT(party_client->Call(&Tokens::RevokeEmailToken, revoke), Succeeds());

  credentials.push_back(
      {"a revoked API key", system->MakeMember("revoked@example.com"), error::v1::CREDENTIAL_INVALID});
  Client revoked = system->As(credentials.back().key);
  token::v1::ListApiKeysRequest list;
  list.set_parent("users/self");
  token::v1::RevokeApiKeyRequest revoke_key;
  revoke_key.set_name(revoked.Call(&Tokens::ListApiKeys, list)->api_keys(0).name());
  ASSERT_THAT(revoked.Call(&Tokens::RevokeApiKey, revoke_key), Succeeds());

  const std::string key = system->MakeMember("shut.out@example.com");
  credentials.push_back({"a deactivated user's API key", key, error::v1::CREDENTIAL_INVALID});
  Client shut_out = system->As(key);
  const Event event = *shut_out.Call(&Events::CreateEvent, Proposal({kPartyAddress}, {}));
  token::v1::GetUserRequest self;
  self.set_name("users/self");
  token::v1::DeactivateUserRequest deactivate;
  deactivate.set_name(shut_out.Call(&Tokens::GetUser, self)->name());
  credentials.push_back({"a deactivated user's e-mail token", MakeEmailToken(event, deactivate.name(), name),
                         error::v1::CREDENTIAL_INVALID});
  ASSERT_THAT(staff_client->Call(&Tokens::DeactivateUser, deactivate), Succeeds());

  credentials.push_back({"a key of nobody", data::MakeKey(data::kApiKeyPrefix), error::v1::CREDENTIAL_INVALID});
  for (const Bad& bad : credentials) {
    Client client = system->As(bad.key);
    // T5: within a second it holds everywhere.
    ASSERT_TRUE(Eventually([&] { return ReasonOf(Table().at("ListEvents").call(client, world)) == bad.reason; }))
        << bad.what;
    for (const auto& [method, row] : Table()) {
      EXPECT_THAT(row.call(client, world), Fails(absl::StatusCode::kUnauthenticated, bad.reason))
          << method << " by " << bad.what;
    }
  }
}

TEST_F(AccessTest, TheInternalServicesHaveNoRoute) {
  Client client = system->As(system->staff_key());
  for (const char* method : {"CheckCredential", "CreateEmailToken", "FindEmailToken", "RevokeEmailToken"}) {
    EXPECT_EQ(client.CallPath(absl::StrCat("/parley.internal.token.v1.CredentialService/", method)).code(),
              absl::StatusCode::kUnimplemented)
        << method;
  }
}

}  // namespace
}  // namespace parley::e2e
