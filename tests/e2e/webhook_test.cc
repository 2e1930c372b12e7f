// Webhooks, with a real receiver: what it is told, in which order, and what becomes of it when it, or Parley, fails.
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/webhook_receiver.h"

namespace parley::e2e {
namespace {

using nlohmann::json;
using notification::v1::Webhook;
using notification::v1::WebhookDelivery;
using test::WebhookReceiver;
using test::WebhookRequest;
using ::testing::Ge;
using ::testing::Not;
using ::testing::SizeIs;

// It must stand in no log: the query of each url, as a key in it would.
constexpr char kCanary[] = "canary-of-the-url";

class WebhookTest : public E2eTest {
 protected:
  static void SetUpTestSuite() { StartWith({}); }
  static void StartWith(std::map<std::string, std::string> flags) {
    receiver = std::make_unique<WebhookReceiver>();
    flags.merge(std::map<std::string, std::string>{{"webhook-private-targets", "true"},
                                                   {"webhook-ca-file", receiver->certificate_file()},
                                                   {"webhook-retry-pause", "100ms"}});
    StartSystem({{"notification", std::move(flags)}, {"event", {{"views-per-minute", "100000"}}}});
  }
  static void TearDownTestSuite() {
    for (const char* process : {"notification", "event", "gateway"}) {
      for (const json& line : system->Log(process)) {
        EXPECT_THAT(line.dump(), Not(HasSubstr(kCanary))) << process;
        EXPECT_THAT(line.dump(), Not(HasSubstr("whsec_"))) << process;
      }
    }
    E2eTest::TearDownTestSuite();
    receiver.reset();
  }

  static notification::v1::CreateWebhookRequest ForAll(const std::string& url) {
    notification::v1::CreateWebhookRequest request;
    request.mutable_webhook()->set_url(absl::StrCat(url, "?key=", kCanary));
    for (int kind = Webhook::CREATED; kind <= Webhook::DELETED; ++kind) {
      request.mutable_webhook()->add_kinds(static_cast<Webhook::Kind>(kind));
    }
    return request;
  }
  // A call by staff. After a restart the gateway's connections find the way again one by one.
  template <class Request, class Response>
  static absl::StatusOr<Response> Ask(grpc::Status (WebhookStub::*method)(grpc::ClientContext*, const Request&,
                                                                          Response*),
                                      const std::type_identity_t<Request>& request) {
    absl::StatusOr<Response> answer = absl::UnknownError("");
    Eventually([&] { return !absl::IsUnavailable((answer = Staff().Call(method, request)).status()); });
    return answer;
  }

  // Of all that this user does with own events.
  static Webhook Make(const std::string& path, const std::string& initiator) {
    auto request = ForAll(receiver->url(path));
    request.mutable_webhook()->set_initiator(initiator);
    const auto made = Ask(&WebhookStub::CreateWebhook, request);
    EXPECT_THAT(made, Succeeds());
    return made.value_or(Webhook());
  }
  static void Delete(const Webhook& webhook) {
    notification::v1::DeleteWebhookRequest request;
    request.set_name(webhook.name());
    EXPECT_THAT(Ask(&WebhookStub::DeleteWebhook, request), Succeeds());
  }
  static void Replay(const Webhook& webhook, const std::string& cursor) {
    notification::v1::ReplayWebhookRequest request;
    request.set_name(webhook.name());
    request.set_cursor(cursor);
    EXPECT_THAT(Ask(&WebhookStub::ReplayWebhook, request), Succeeds());
  }
  // In the order of the log.
  static std::vector<WebhookDelivery> DeliveriesOf(const Webhook& webhook) {
    notification::v1::ListWebhookDeliveriesRequest request;
    request.set_parent(webhook.name());
    request.set_page_size(100);
    const auto listed = Ask(&WebhookStub::ListWebhookDeliveries, request);
    EXPECT_THAT(listed, Succeeds());
    if (!listed.ok()) return {};
    return {listed->webhook_deliveries().rbegin(), listed->webhook_deliveries().rend()};
  }
  // The one of the first delivery's attempts that ended first; waits for it.
  static WebhookDelivery::Attempt FirstAttemptOf(const Webhook& webhook) {
    WebhookDelivery::Attempt attempt;
    EXPECT_TRUE(Eventually([&] {
      const auto deliveries = DeliveriesOf(webhook);
      if (deliveries.empty() || deliveries[0].attempts().empty()) return false;
      attempt = deliveries[0].attempts(0);
      return attempt.has_end_time();
    }));
    return attempt;
  }
  static bool Delivers(const Webhook& webhook, size_t count) {
    return Eventually([&] {
      const auto deliveries = DeliveriesOf(webhook);
      return deliveries.size() == count && std::ranges::all_of(deliveries, [](const WebhookDelivery& delivery) {
               return delivery.state() == WebhookDelivery::DELIVERED;
             });
    });
  }

  static std::vector<WebhookRequest> Came(const std::string& path) { return receiver->Requests(path); }
  static bool Comes(const std::string& path, size_t count) {
    return Eventually([&] { return Came(path).size() >= count; });
  }
  // `events/.../logEntries/2 UPDATED AGREED` of each request, each once where it came again and again.
  static std::vector<std::string> ToldAt(const std::string& path) {
    std::vector<std::string> told;
    for (const WebhookRequest& request : Came(path)) {
      const json body = request.json();
      std::string line = body["logEntry"]["name"];
      for (const std::string kind : body["kinds"]) absl::StrAppend(&line, " ", kind);
      if (told.empty() || told.back() != line) told.push_back(line);
    }
    return told;
  }

  static inline std::unique_ptr<WebhookReceiver> receiver;
};

TEST_F(WebhookTest, AWholeNegotiationIsToldInOrderAndSigned) {
  Client ann = Member("ann@whole.example"), bob = Member("bob@whole.example");
  const Webhook webhook = Make("/whole", "ann@whole.example");
  ASSERT_THAT(webhook.secret(), SizeIs(6 + 44));
  ASSERT_OK_AND_ASSIGN(
      Event event, ann.Call(&Events::CreateEvent, Proposal({"bob@whole.example"}, {SlotIn(2), SlotIn(3), SlotIn(4)})));
  ASSERT_OK_AND_ASSIGN(event, bob.Call(&Events::UpdateEvent, Narrowed(event, {event.slots(0), event.slots(1)})));
  ASSERT_THAT(ann.Call(&Events::GetEvent, Named(event.name())), Succeeds());  // is not told
  ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::UpdateEvent, Narrowed(event, {event.slots(1)})));
  ASSERT_OK_AND_ASSIGN(event, bob.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(event.state(), Event::AGREED);
  ASSERT_OK_AND_ASSIGN(Event next, ann.Call(&Events::ReopenEvent, Reopening(event)));
  ASSERT_OK_AND_ASSIGN(const Event last, ann.Call(&Events::ReopenEvent, Reopening(next)));
  ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::GetEvent, Named(event.name())));
  ASSERT_THAT(Staff().Call(&Events::DeleteEvent, Deletion(event)), Succeeds());
  ASSERT_OK_AND_ASSIGN(const Event given_up, ann.Call(&Events::UpdateEvent, [&] {
    auto request = Narrowed(last, {});
    request.mutable_update_mask()->add_paths("slots");
    return request;
  }()));
  ASSERT_OK_AND_ASSIGN(const Event abandoned, bob.Call(&Events::ConfirmEvent, Confirmation(given_up)));
  ASSERT_EQ(abandoned.state(), Event::ABANDONED);

  ASSERT_TRUE(Delivers(webhook, 11));
  // Of each event in its order.
  std::map<std::string, std::vector<std::string>> told;
  for (const std::string& line : ToldAt("/whole")) {
    told[line.substr(0, line.find("/logEntries/"))].push_back(line.substr(line.find(' ') + 1));
  }
  EXPECT_THAT(told[event.name()], ElementsAre("CREATED", "UPDATED", "UPDATED", "AGREED", "REOPENED", "DELETED"));
  EXPECT_THAT(told[next.name()], ElementsAre("CREATED", "SUPERSEDED REOPENED"));
  EXPECT_THAT(told[last.name()], ElementsAre("CREATED", "UPDATED", "ABANDONED"));
  EXPECT_EQ(told.size(), 3u);
  const auto log = LogOf(ann, last.name());
  for (const WebhookRequest& request : Came("/whole")) {
    EXPECT_TRUE(request.IsSignedBy(webhook.secret()));
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.header("content-type"), "application/json");
    const json body = request.json();
    EXPECT_EQ(body["delivery"], webhook.name() + "/deliveries/" + request.header("webhook-id"));
    EXPECT_EQ(body["event"]["initiator"], "ann@whole.example");
    if (body["event"]["name"] != last.name()) continue;
    // As they then stood.
    const auto& entry = log.at(static_cast<size_t>(std::stoi(body["logEntry"]["sequence"].get<std::string>())) - 1);
    EXPECT_EQ(body["event"]["revision"], std::to_string(entry.revision()));
    EXPECT_EQ(body["event"].value("slots", json::array()).size(), static_cast<size_t>(entry.slots_size()));
  }
}

TEST_F(WebhookTest, AReadingThatAgreesIsTold) {
  Client ann = Member("ann@view.example"), bob = Member("bob@view.example");
  const Webhook webhook = Make("/view", "ann@view.example");
  auto proposal = Proposal({"bob@view.example"}, {SlotIn(2)});
  proposal.mutable_event()->mutable_agreement_policy()->set_confirmed_by(event::v1::AgreementPolicy::VIEW);
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, proposal));
  ASSERT_OK_AND_ASSIGN(const Event seen, bob.Call(&Events::GetEvent, Named(event.name())));
  ASSERT_EQ(seen.state(), Event::AGREED);
  ASSERT_TRUE(Delivers(webhook, 2));
  EXPECT_THAT(ToldAt("/view"),
              ElementsAre(event.name() + "/logEntries/1 CREATED", event.name() + "/logEntries/2 AGREED"));
}

TEST_F(WebhookTest, KindsAndInitiatorAreFilters) {
  Client ann = Member("ann@filter.example"), bob = Member("bob@filter.example");
  Make("/all-of-ann", "Ann@Filter.example");
  auto request = ForAll(receiver->url("/deleted"));
  request.mutable_webhook()->clear_kinds();
  request.mutable_webhook()->add_kinds(Webhook::DELETED);
  ASSERT_OK_AND_ASSIGN(const Webhook of_all, Ask(&WebhookStub::CreateWebhook, request));
  std::vector<std::string> names;
  for (Client* client : {&ann, &bob}) {
    ASSERT_OK_AND_ASSIGN(const Event event, client->Call(&Events::CreateEvent, Proposal({"cid@filter.example"}, {})));
    ASSERT_THAT(Staff().Call(&Events::DeleteEvent, Deletion(event)), Succeeds());
    names.push_back(event.name());
  }
  ASSERT_TRUE(Comes("/all-of-ann", 2));
  ASSERT_TRUE(Eventually([&] { return ToldAt("/deleted").size() >= 2; }));
  EXPECT_THAT(ToldAt("/all-of-ann"),
              ElementsAre(names[0] + "/logEntries/1 CREATED", names[0] + "/logEntries/2 DELETED"));
  EXPECT_THAT(ToldAt("/deleted"),
              UnorderedElementsAre(names[0] + "/logEntries/2 DELETED", names[1] + "/logEntries/2 DELETED"));
  Delete(of_all);
}

TEST_F(WebhookTest, TheSecretIsShownOnceAndWhoMakesNoUserIsToldSo) {
  Member("ann@once.example");
  Webhook webhook = Make("/once", "ann@once.example");
  webhook.clear_secret();
  notification::v1::GetWebhookRequest get;
  get.set_name(webhook.name());
  ASSERT_OK_AND_ASSIGN(const Webhook read, Ask(&WebhookStub::GetWebhook, get));
  EXPECT_EQ(read.secret(), "");
  EXPECT_EQ(read.url(), webhook.url());
  ASSERT_OK_AND_ASSIGN(const auto listed, Ask(&WebhookStub::ListWebhooks, {}));
  for (const Webhook& each : listed.webhooks()) EXPECT_EQ(each.secret(), "");
  auto request = ForAll("https://example.com/");
  request.mutable_webhook()->set_initiator("nobody@once.example");
  EXPECT_THAT(Ask(&WebhookStub::CreateWebhook, request), Fails(absl::StatusCode::kNotFound, Reason::NOT_FOUND));
  notification::v1::ReplayWebhookRequest replay;
  replay.set_name(webhook.name());
  replay.set_cursor("no cursor");
  const auto refused = Ask(&WebhookStub::ReplayWebhook, replay).status();
  EXPECT_THAT(refused, Fails(absl::StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  EXPECT_EQ(test::DetailOf<google::rpc::BadRequest>(refused)->field_violations(0).field(), "cursor");
  // As far away as no test gets.
  replay.set_cursor("123456789-0123456789abcdef");
  EXPECT_THAT(Ask(&WebhookStub::ReplayWebhook, replay), Fails(absl::StatusCode::kOutOfRange, Reason::CURSOR_INVALID));
}

TEST_F(WebhookTest, WhatWasRefusedOrNobodyTookComesAgainInOrder) {
  Client ann = Member("ann@again.example");
  const Webhook webhook = Make("/again", "ann@again.example");
  receiver->Do("/again", "500");
  ASSERT_OK_AND_ASSIGN(Event event, ann.Call(&Events::CreateEvent, Proposal({"bob@again.example"}, {SlotIn(2)})));
  ASSERT_TRUE(Comes("/again", 2));
  receiver->Stop();
  for (int days = 3; days < 6; ++days) {
    ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(days)})));
  }
  ASSERT_TRUE(Eventually([&] {
    const auto deliveries = DeliveriesOf(webhook);
    return deliveries.size() == 4 && deliveries[0].attempts().rbegin()->http_status() == 0 &&
           !deliveries[0].attempts().rbegin()->detail().empty();
  }));
  receiver->Do("/again", "200");
  receiver->Start();
  ASSERT_TRUE(Delivers(webhook, 4));
  const std::string entries = event.name() + "/logEntries/";
  EXPECT_THAT(ToldAt("/again"),
              ElementsAre(entries + "1 CREATED", entries + "2 UPDATED", entries + "3 UPDATED", entries + "4 UPDATED"));
  const auto attempts = DeliveriesOf(webhook)[0].attempts();
  ASSERT_THAT(attempts.size(), Ge(3));
  EXPECT_EQ(attempts[0].http_status(), 500);
  EXPECT_EQ(attempts[0].detail(), "the answer was 500");
  std::set<std::string> ids;
  for (const WebhookRequest& request : Came("/again")) {
    if (request.json()["logEntry"]["sequence"] == "1") ids.insert(request.header("webhook-id"));
  }
  EXPECT_THAT(ids, SizeIs(1));
}

TEST_F(WebhookTest, RedirectsAreNotFollowedAndBadCertificatesRefused) {
  Client ann = Member("ann@bad.example");
  const Webhook moved = Make("/moved", "ann@bad.example");
  receiver->Do("/moved", "redirect");
  // Its certificate is its own, and not trusted.
  const WebhookReceiver stranger;
  auto request = ForAll(stranger.url("/stranger"));
  request.mutable_webhook()->set_initiator("ann@bad.example");
  ASSERT_OK_AND_ASSIGN(const Webhook strange, Ask(&WebhookStub::CreateWebhook, request));
  ASSERT_THAT(ann.Call(&Events::CreateEvent, Proposal({"bob@bad.example"}, {})), Succeeds());
  EXPECT_EQ(FirstAttemptOf(moved).detail(), "the answer was 302: redirects are not followed");
  EXPECT_THAT(Came("/redirected"), IsEmpty());
  EXPECT_THAT(FirstAttemptOf(strange).detail(), HasSubstr("the certificate is refused: self"));
  EXPECT_THAT(stranger.Requests("/stranger"), IsEmpty());
  Delete(moved);
  Delete(strange);
}

TEST_F(WebhookTest, AReceiverThatHangsDelaysNoOther) {
  Client ann = Member("ann@hang.example");
  const Webhook hanging = Make("/hang", "ann@hang.example");
  const Webhook quick = Make("/quick", "ann@hang.example");
  receiver->Do("/hang", "hang");
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(ann.Call(&Events::CreateEvent, Proposal({"bob@hang.example"}, {})), Succeeds());
  }
  ASSERT_TRUE(Delivers(quick, 20));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10)) << "before the first request to the other one has timed out";
  ASSERT_THAT(Came("/hang"), Not(IsEmpty()));
  for (const auto& delivery : DeliveriesOf(hanging)) EXPECT_EQ(delivery.state(), WebhookDelivery::PENDING);
  // Nor does it keep Parley from stopping in time.
  const absl::Time stop = absl::Now();
  EXPECT_EQ(system->Stop("notification"), 0);
  EXPECT_LT(absl::Now() - stop, absl::Seconds(10));
  receiver->Do("/hang", "200");
  system->Start("notification");
  EXPECT_TRUE(Delivers(hanging, 20));
}

TEST_F(WebhookTest, AReplayRepeatsUnderTheSameIds) {
  Client ann = Member("ann@replay.example");
  const Webhook webhook = Make("/replay", "ann@replay.example");
  ASSERT_OK_AND_ASSIGN(Event event, ann.Call(&Events::CreateEvent, Proposal({"bob@replay.example"}, {SlotIn(2)})));
  for (int days = 3; days < 6; ++days) {
    ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(days)})));
  }
  ASSERT_TRUE(Delivers(webhook, 4));
  const auto first = Came("/replay");
  ASSERT_THAT(first, SizeIs(4));
  // From what a body told.
  Replay(webhook, first[1].json()["cursor"]);
  ASSERT_TRUE(Comes("/replay", 6));
  // From where the webhook began.
  Replay(webhook, webhook.cursor());
  ASSERT_TRUE(Comes("/replay", 10));
  ASSERT_TRUE(Delivers(webhook, 4));
  const auto all = Came("/replay");
  ASSERT_THAT(all, SizeIs(10));
  const size_t expected[] = {0, 1, 2, 3, 2, 3, 0, 1, 2, 3};
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].header("webhook-id"), first[expected[i]].header("webhook-id"));
    EXPECT_EQ(all[i].json(), first[expected[i]].json());
    EXPECT_TRUE(all[i].IsSignedBy(webhook.secret()));
  }
  // What was there before the webhook comes from the beginning of the log.
  const Webhook later = Make("/later", "ann@replay.example");
  Replay(later, "");
  EXPECT_TRUE(Delivers(later, 4));
}

TEST_F(WebhookTest, KillsLoseNothing) {
  constexpr int kKills = 8;
  Client ann = Member("ann@kills.example");
  const Webhook webhook = Make("/kills", "ann@kills.example");
  std::set<std::string> written;
  for (int kill = 0; kill < kKills; ++kill) {
    for (int i = 0; i < 5; ++i) {
      ASSERT_OK_AND_ASSIGN(Event event, ann.Call(&Events::CreateEvent, Proposal({"bob@kills.example"}, {SlotIn(2)})));
      ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(3)})));
      written.insert({event.name() + "/logEntries/1 CREATED", event.name() + "/logEntries/2 UPDATED"});
    }
    // Some are under way, some are due, some are not even known.
    const size_t before = Came("/kills").size();
    ASSERT_TRUE(Comes("/kills", before + 1 + static_cast<size_t>(kill % 3)));
    system->Kill("notification");
    system->Start("notification");
  }
  // An attempt that was lost is made again once its lease is up.
  ASSERT_TRUE(Eventually(
      [&] {
        const auto told = ToldAt("/kills");
        return std::set<std::string>(told.begin(), told.end()).size() == written.size();
      },
      absl::Seconds(60)));
  const auto told = ToldAt("/kills");
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()), written);
  // Of each event the second never before the first.
  std::set<std::string> seen;
  for (const std::string& line : told) {
    const std::string event = line.substr(0, line.find("/logEntries/"));
    EXPECT_TRUE(line.ends_with("CREATED") || seen.contains(event)) << line;
    seen.insert(event);
  }
}

TEST_F(WebhookTest, WhatIsSentAfterAnErasureDoesNotNameThePerson) {
  Client ann = Member("ann@erasure.example");
  Client bob = Member("bob@heron-webhook.example");
  const Webhook webhook = Make("/erasure", "ann@erasure.example");
  const Webhook of_bob = Make("/erased-initiator", "bob@heron-webhook.example");
  receiver->Do("/erasure", "500");
  ASSERT_OK_AND_ASSIGN(const Event event,
                       ann.Call(&Events::CreateEvent, Proposal({"bob@heron-webhook.example"}, {SlotIn(2)})));
  ASSERT_TRUE(Comes("/erasure", 1));
  EXPECT_THAT(Came("/erasure")[0].body, HasSubstr("heron-webhook"));
  token::v1::EraseUserRequest erase;
  erase.set_name(UserOf("bob@heron-webhook.example"));
  ASSERT_THAT(Staff().Call(&Tokens::EraseUser, erase), Succeeds());
  const size_t before = Came("/erasure").size();
  // One that was read before may be under way still.
  ASSERT_TRUE(Comes("/erasure", before + 2));
  receiver->Do("/erasure", "200");
  ASSERT_TRUE(Delivers(webhook, 1));
  const auto all = Came("/erasure");
  for (size_t i = before + 1; i < all.size(); ++i) {
    EXPECT_THAT(absl::AsciiStrToLower(all[i].body), Not(HasSubstr("heron"))) << i;
    EXPECT_THAT(all[i].body, HasSubstr("erased"));
  }
  notification::v1::GetWebhookRequest get;
  get.set_name(of_bob.name());
  EXPECT_EQ(Ask(&WebhookStub::GetWebhook, get)->initiator(), "erased");
  EXPECT_EQ(database->Sql("select count(*)::text from parley.webhooks w where w::text ilike '%heron%'"), "0");
}

TEST_F(WebhookTest, OnceDeletedItIsToldNothingMore) {
  Client ann = Member("ann@end.example");
  const Webhook ended = Make("/ended", "ann@end.example");
  const Webhook other = Make("/going-on", "ann@end.example");
  Delete(ended);
  ASSERT_THAT(ann.Call(&Events::CreateEvent, Proposal({"bob@end.example"}, {})), Succeeds());
  ASSERT_TRUE(Delivers(other, 1));
  EXPECT_THAT(Came("/ended"), IsEmpty());
}

// ---- with the settings as they are by default

class GuardedWebhookTest : public WebhookTest {
 protected:
  static void SetUpTestSuite() { StartWith({{"webhook-private-targets", "false"}, {"max-webhooks", "2"}}); }
};

TEST_F(GuardedWebhookTest, LoopbackIsRefusedAndTheAttemptSaysSo) {
  Client ann = Member("ann@loopback.example");
  // `localhost`: a name is judged by where it leads.
  const Webhook webhook = Make("/loopback", "ann@loopback.example");
  ASSERT_THAT(ann.Call(&Events::CreateEvent, Proposal({"bob@loopback.example"}, {})), Succeeds());
  const auto attempt = FirstAttemptOf(webhook);
  EXPECT_EQ(attempt.http_status(), 0);
  EXPECT_THAT(attempt.detail(), HasSubstr("is not a public address"));
  EXPECT_THAT(Came("/loopback"), IsEmpty());
  auto request = ForAll("https://example.com/");
  EXPECT_THAT(Ask(&WebhookStub::CreateWebhook, request), Succeeds());
  EXPECT_THAT(Ask(&WebhookStub::CreateWebhook, request),
              Fails(absl::StatusCode::kResourceExhausted, Reason::RATE_LIMITED));
}

}  // namespace
}  // namespace parley::e2e
