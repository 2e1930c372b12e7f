// What is sent to receivers, and what becomes of it: with a receiver that does as it is told.
#include "services/notification/webhooks/webhook_dispatcher.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/watched_log.h"
#include "tests/support/database_proxy.h"
#include "tests/support/webhook_receiver.h"

namespace parley::notification {
namespace {

using test::DatabaseProxy;
using test::Eventually;
using test::WebhookReceiver;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using State = v1::WebhookDelivery;

// Until the transaction ends nobody else gets on.
constexpr data::Statement kHold{"hold_webhook_deliveries", "lock table webhook_deliveries in access exclusive mode"};
constexpr data::Statement kLastOfTwoWaiting{"last_of_two_waiting", R"sql(
  select case when count(*) >= 2 then max(waitstart) end from pg_locks
  where not granted and relation = 'webhook_deliveries'::regclass)sql"};
constexpr data::Statement kWaitingSince{"waiting_since", R"sql(
  select count(*) from pg_locks where not granted and relation = 'webhook_deliveries'::regclass and waitstart <= $1)sql"};

class WebhookDispatcherTest : public WebhookWorld {
 protected:
  static void SetUpTestSuite() { curl_global_init(CURL_GLOBAL_DEFAULT); }

  WebhookDispatcherTest() {
    settings_.posts = {.timeout = test::kPatience, .private_targets = true, .ca_file = receiver_.certificate_file()};
    settings_.retry_pause = absl::Milliseconds(10);
    settings_.first_rest = absl::Milliseconds(10);
    settings_.longest_rest = absl::Milliseconds(50);
    settings_.poll_interval = absl::Milliseconds(50);
  }

  // Of the attempts that count the first is the last.
  void FailAtOnce() {
    settings_.retry_pause = absl::Hours(1);
    settings_.retry_for = absl::Minutes(30);
  }
  std::unique_ptr<WebhookDispatcher> Start() {
    auto dispatcher = std::make_unique<WebhookDispatcher>(settings_, pool_, key_, events_);
    dispatcher->Start();
    return dispatcher;
  }
  bool Reaches(const v1::Webhook& webhook, State::State state, absl::Duration patience = test::kPatience) {
    return Eventually(
        [&] {
          const auto states = StatesOf(webhook);
          return std::ranges::all_of(states, [state](auto each) { return each == state; });
        },
        patience);
  }
  size_t Came(const std::string& path) { return receiver_.Requests(path).size(); }

  WebhookReceiver receiver_;
  WebhookDispatcherSettings settings_;
};

TEST_F(WebhookDispatcherTest, TheContractsJsonIsSentWithASignature) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook?key=x"));
  const std::string secret = key_.SecretOf(IdOf(webhook));
  event::v1::LogEntry::Data data;
  data.mutable_opened()->set_title("Picnic");
  Tell(event_, data);
  TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
  const auto requests = receiver_.Requests("/hook");
  const auto deliveries = DeliveriesOf(webhook);
  ASSERT_THAT(requests, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(requests[i].IsSignedBy(secret));
    EXPECT_FALSE(requests[i].IsSignedBy(key_.SecretOf(event_)));
    const auto body = requests[i].json();
    EXPECT_EQ(body["delivery"], deliveries[i].name());
    EXPECT_EQ(deliveries[i].name(), webhook.name() + "/deliveries/" + requests[i].header("webhook-id"));
    EXPECT_EQ(body["logEntry"]["name"], deliveries[i].log_entry());
    EXPECT_EQ(body["event"]["name"], "events/" + event_.ToString());
    EXPECT_EQ(body["cursor"], deliveries[i].cursor());
  }
  EXPECT_EQ(requests[0].json()["kinds"], nlohmann::json({"CREATED"}));
  EXPECT_EQ(requests[0].json()["logEntry"]["data"]["opened"]["title"], "Picnic");
  EXPECT_EQ(requests[1].json()["kinds"], nlohmann::json({"UPDATED"}));
  EXPECT_EQ(deliveries[0].attempts(0).http_status(), 200);
  EXPECT_EQ(deliveries[0].attempts(0).detail(), "");
}

TEST_F(WebhookDispatcherTest, WhatFailsIsSentAgainUnderTheSameIdAndInOrder) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  receiver_.Do("/hook", "500");
  for (int i = 0; i < 3; ++i) TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hook") >= 3; }));
  EXPECT_THAT(StatesOf(webhook), Each(State::PENDING));
  std::set<std::string> ids;
  for (const auto& request : receiver_.Requests("/hook")) {
    ids.insert(request.header("webhook-id"));
    EXPECT_EQ(request.json()["logEntry"]["sequence"], "1");
  }
  EXPECT_THAT(ids, SizeIs(1));
  receiver_.Do("/hook", "200");
  ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
  std::vector<std::string> sequences;
  for (const auto& request : receiver_.Requests("/hook")) {
    const std::string sequence = request.json()["logEntry"]["sequence"];
    if (sequences.empty() || sequences.back() != sequence) sequences.push_back(sequence);
  }
  EXPECT_THAT(sequences, ElementsAre("1", "2", "3"));
  const auto attempts = DeliveriesOf(webhook)[0].attempts();
  ASSERT_THAT(attempts.size(), Ge(4));
  EXPECT_EQ(attempts[0].http_status(), 500);
  EXPECT_EQ(attempts[0].detail(), "the answer was 500");
  EXPECT_EQ(attempts[attempts.size() - 1].http_status(), 200);
}

TEST_F(WebhookDispatcherTest, AReceiverThatHangsDelaysNoOther) {
  const v1::Webhook hanging = MakeWebhook(receiver_.url("/hang"));
  const v1::Webhook quick = MakeWebhook(receiver_.url("/quick"));
  receiver_.Do("/hang", "hang");
  for (int i = 0; i < 30; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Reaches(quick, State::DELIVERED, test::kPatience / 2));
  EXPECT_EQ(Came("/hang"), static_cast<size_t>(WebhookDispatcher::kAtOnce)) << "and no more at once";
  EXPECT_THAT(StatesOf(hanging), Each(State::PENDING));
}

TEST_F(WebhookDispatcherTest, AReceiverThatFailsIsTriedOneAtATimeWithPauses) {
  settings_.first_rest = absl::Seconds(1);
  settings_.longest_rest = absl::Hours(1);
  settings_.retry_pause = absl::Hours(1);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/dead"));
  receiver_.Do("/dead", "503");
  for (int i = 0; i < 30; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  const auto dispatcher = Start();
  // The first ones at once, from then on each by itself, later and later.
  ASSERT_TRUE(Eventually([&] { return Came("/dead") > WebhookDispatcher::kAtOnce; }));
  const auto requests = receiver_.Requests("/dead");
  EXPECT_GE(std::stoll(requests[WebhookDispatcher::kAtOnce].header("webhook-timestamp")),
            std::stoll(requests[0].header("webhook-timestamp")) + 1);
  // The next one that is taken ends the pauses.
  receiver_.Do("/dead", "200");
  ASSERT_TRUE(Eventually([&] { return Came("/dead") == 30; }));
  EXPECT_TRUE(Eventually([&] {
    const auto states = StatesOf(webhook);
    return std::ranges::count(states, State::DELIVERED) >= 20;
  })) << "few of them were refused";
}

TEST_F(WebhookDispatcherTest, AfterTheTimeForItOneHasFailed) {
  FailAtOnce();
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  receiver_.Do("/hook", "500");
  TellUpdate(event_);
  TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Reaches(webhook, State::FAILED));
  for (const auto& delivery : DeliveriesOf(webhook)) EXPECT_THAT(delivery.attempts(), Not(IsEmpty()));
}

TEST_F(WebhookDispatcherTest, AddressesThatAreNotPublicAreRefused) {
  settings_.posts.private_targets = false;
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook?key=x"));
  TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] {
    return !DeliveriesOf(webhook)[0].attempts().empty() && DeliveriesOf(webhook)[0].attempts(0).has_end_time();
  }));
  const auto attempt = DeliveriesOf(webhook)[0].attempts(0);
  EXPECT_EQ(attempt.http_status(), 0);
  EXPECT_THAT(attempt.detail(), AllOf(HasSubstr("is not a public address"), Not(HasSubstr("key"))));
  EXPECT_EQ(Came("/hook"), 0u);
}

TEST_F(WebhookDispatcherTest, WhatIsSentIsReadWhenItIsSent) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  receiver_.Do("/hook", "500");
  TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hook") > 0; }));
  EXPECT_THAT(receiver_.Requests("/hook")[0].body, HasSubstr("ann@example.com"));
  log_.Erase();
  receiver_.Do("/hook", "200");
  ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
  EXPECT_THAT(receiver_.Requests("/hook").back().body, Not(HasSubstr("ann@")));
}

TEST_F(WebhookDispatcherTest, AnEventServiceThatIsAwayIsNoFaultOfTheReceiver) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  FailAtOnce();
  for (int i = 0; i < 100; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  log_.Stop();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] {
    const auto attempts = DeliveriesOf(webhook)[0].attempts();
    return !attempts.empty() && attempts[0].has_end_time();
  }));
  EXPECT_THAT(DeliveriesOf(webhook)[0].attempts(0).detail(), HasSubstr("the event service did not give the entry"));
  EXPECT_THAT(StatesOf(webhook), Each(State::PENDING));
  EXPECT_LT(std::stoi(database_.Sql("select count(*)::text from parley.webhook_attempts")), 50) << "not all in vain";
  log_.Start(log_.address());
  // The next attempts are far away.
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(Replay(webhook, Get(webhook).cursor()), test::Succeeds());
    return Reaches(webhook, State::DELIVERED, absl::Seconds(1));
  }));
}

TEST_F(WebhookDispatcherTest, AnEntryThatCannotBeToldConcernsNoOther) {
  FailAtOnce();
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  log_.Refuse(event_, ChainBroken("an entry"));
  log_.Refuse(other_event_, Internal("what nobody has foreseen"));
  TellUpdate(event_);
  TellUpdate(other_event_);
  for (int i = 0; i < 20; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hook") == 20; }));
  ASSERT_TRUE(Eventually([&] {
    const auto states = StatesOf(webhook);
    return std::ranges::count(states, State::FAILED) == 2 && std::ranges::count(states, State::DELIVERED) == 20;
  }));
  const auto deliveries = DeliveriesOf(webhook);
  EXPECT_EQ(deliveries[0].attempts(0).detail(), "not sent: the event service did not give the entry: DATA_LOSS");
  EXPECT_EQ(deliveries[1].attempts(0).detail(), "not sent: the event service did not give the entry: INTERNAL");
}

TEST_F(WebhookDispatcherTest, AnEntryThatTakesLongToReadFailsNoOther) {
  settings_.read_timeout = absl::Milliseconds(300);
  FailAtOnce();
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  log_.Hang(event_);
  TellUpdate(event_);
  for (int i = 0; i < 20; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hook") == 20; }));
  ASSERT_TRUE(Eventually([&] {
    const auto states = StatesOf(webhook);
    return std::ranges::count(states, State::DELIVERED) == 20;
  }));
  const auto deliveries = DeliveriesOf(webhook);
  for (size_t i = 1; i < deliveries.size(); ++i) EXPECT_THAT(deliveries[i].attempts(), SizeIs(1));
  EXPECT_EQ(deliveries[0].attempts(0).detail(),
            "not sent: the event service did not give the entry: DEADLINE_EXCEEDED");
  EXPECT_EQ(deliveries[0].state(), State::PENDING) << "it may be the event service";
}

TEST_F(WebhookDispatcherTest, WhatIsTooLateFailsByItself) {
  settings_.retry_pause = absl::Hours(1);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  receiver_.Do("/hook", "500");
  TellUpdate(event_, 2);
  Follow();
  TimePasses("73 hours");
  const auto dispatcher = Start();
  EXPECT_TRUE(Reaches(webhook, State::FAILED));
}

TEST_F(WebhookDispatcherTest, AtTheEndADatabaseThatHangsIsNotWaitedFor) {
  settings_.poll_interval = absl::Hours(1);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hang"));
  receiver_.Do("/hang", "hang");
  TellUpdate(event_);
  Follow();
  auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hang") == 1; }));
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(tx.Execute(kHold).status());
    const absl::Time start = absl::Now();
    dispatcher->Stop(start + absl::Milliseconds(200));
    EXPECT_LT(absl::Now() - start, absl::Seconds(3));
    return absl::OkStatus();
  }).IgnoreError();
}

TEST_F(WebhookDispatcherTest, AtTheEndWhatIsUnderWayIsGivenUpAndSentAgain) {
  settings_.lease_margin = absl::Hours(1);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hang"));
  receiver_.Do("/hang", "hang");
  TellUpdate(event_);
  Follow();
  auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hang") == 1; }));
  const absl::Time start = absl::Now();
  dispatcher->Stop(start + absl::Milliseconds(200));
  EXPECT_LT(absl::Now() - start, test::kPatience / 2);
  const auto attempt = DeliveriesOf(webhook)[0].attempts(0);
  EXPECT_TRUE(attempt.has_end_time());
  EXPECT_EQ(attempt.detail(), "Parley was stopped before there was an answer");
  receiver_.Do("/hang", "200");
  dispatcher = Start();
  EXPECT_TRUE(Reaches(webhook, State::DELIVERED)) << "long before the lease is up";
}

TEST_F(WebhookDispatcherTest, AtTheEndAnAnswerIsWaitedForUntilTheDeadline) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  for (int i = 0; i < 20; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hook") > 0; }));
  dispatcher->Stop(absl::Now() + test::kPatience);
  size_t delivered = 0;
  for (const auto& delivery : DeliveriesOf(webhook)) {
    delivered += delivery.state() == State::DELIVERED;
    for (const auto& attempt : delivery.attempts()) EXPECT_EQ(attempt.http_status(), 200);
  }
  EXPECT_EQ(delivered, Came("/hook"));
}

TEST_F(WebhookDispatcherTest, WhatCouldNotBeRecordedIsRecordedLaterAndNotSentAgain) {
  DatabaseProxy proxy(database_.service_url());
  data::Pool pool(proxy.url(), 4);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  WebhookDispatcher dispatcher(settings_, pool, key_, events_);
  dispatcher.Start();
  size_t sent = 0;
  for (const auto cut : {DatabaseProxy::Cut::kBeforeCommit, DatabaseProxy::Cut::kAfterCommit}) {
    proxy.CutAtCommit(cut, "record_webhook_attempts");
    TellUpdate(event_);
    Follow();
    ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
    EXPECT_TRUE(proxy.HasCut());
    EXPECT_EQ(Came("/hook"), ++sent);
  }
  // One that was begun, for all that anybody knows, is begun again once its lease is up.
  settings_.posts.timeout = settings_.lease_margin = absl::Milliseconds(500);
  proxy.CutAtCommit(DatabaseProxy::Cut::kAfterCommit, "begin_webhook_attempts");
  dispatcher.Stop(absl::Now());
  WebhookDispatcher next(settings_, pool, key_, events_);
  next.Start();
  TellUpdate(event_);
  Follow();
  ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
  EXPECT_TRUE(proxy.HasCut());
  EXPECT_EQ(Came("/hook"), ++sent);
  const auto attempts = DeliveriesOf(webhook).back().attempts();
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_FALSE(attempts[0].has_end_time());
}

TEST_F(WebhookDispatcherTest, ADatabaseThatIsAwayForLongerThanALeaseStopsNothingForEver) {
  settings_.posts.timeout = settings_.lease_margin = absl::Milliseconds(300);
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hang"));
  receiver_.Do("/hang", "hang");
  TellUpdate(event_);
  Follow();
  const auto dispatcher = Start();
  ASSERT_TRUE(Eventually([&] { return Came("/hang") == 1; }));
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(tx.Execute(kHold).status());
    // Who begins and who records both wait for the table, for longer than the lease, and give up.
    std::optional<absl::Time> waiting;
    EXPECT_TRUE(Eventually([&] {
      const auto last = tx.Execute(kLastOfTwoWaiting);
      if (last.ok() && !(*last)[0].IsNull(0)) waiting = (*last)[0].GetTime(0);
      return waiting.has_value();
    }));
    if (!waiting) return absl::OkStatus();
    EXPECT_TRUE(Eventually([&] {
      const auto waiters = tx.Execute(kWaitingSince, data::Params().Add(*waiting));
      return waiters.ok() && (*waiters)[0].GetInt(0) == 0;
    }));
    return absl::OkStatus();
  }).IgnoreError();
  receiver_.Do("/hang", "200");
  EXPECT_TRUE(Reaches(webhook, State::DELIVERED));
}

TEST_F(WebhookDispatcherTest, TwoDispatchersSendNothingTwice) {
  const v1::Webhook webhook = MakeWebhook(receiver_.url("/hook"));
  for (int i = 0; i < 30; ++i) {
    const Uuid event_id = Uuid::TimeOrdered();
    TellUpdate(event_id);
    TellUpdate(event_id);
  }
  Follow();
  const auto first = Start(), second = Start();
  ASSERT_TRUE(Reaches(webhook, State::DELIVERED));
  EXPECT_EQ(Came("/hook"), 60u);
}

}  // namespace
}  // namespace parley::notification
