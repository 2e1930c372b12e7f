// WebhookService's handlers, and what the follower makes of the log.
#include "services/notification/webhooks/webhooks.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/watched_log.h"
#include "tests/support/process.h"

namespace parley::notification {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using v1::Webhook;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

template <class Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

class WebhooksTest : public WebhookWorld {
 protected:
  static std::string Missing() { return "webhooks/" + Uuid::TimeOrdered().ToString(); }
};

TEST_F(WebhooksTest, AreMadeAndShownWithoutTheirSecret) {
  v1::CreateWebhookRequest request;
  request.mutable_webhook()->set_url("https://example.com/hook?key=x");
  request.mutable_webhook()->add_kinds(Webhook::DELETED);
  request.mutable_webhook()->add_kinds(Webhook::AGREED);
  request.mutable_webhook()->add_kinds(Webhook::DELETED);
  request.mutable_webhook()->set_initiator("ANN@example.com");
  request.mutable_webhook()->set_secret("ours");
  request.mutable_webhook()->set_cursor("99");
  TellUpdate(event_);
  ASSERT_OK_AND_ASSIGN(Webhook made, Run(&CreateWebhook, request));
  EXPECT_EQ(made.url(), request.webhook().url());
  EXPECT_THAT(made.kinds(), ElementsAre(Webhook::AGREED, Webhook::DELETED));
  EXPECT_EQ(made.initiator(), "ann@example.com");
  EXPECT_TRUE(made.has_create_time());
  EXPECT_EQ(made.cursor(), CursorAt(1)) << "what was there is not told";
  EXPECT_EQ(made.secret(), key_.SecretOf(IdOf(made)));
  made.clear_secret();
  EXPECT_EQ(Get(made).DebugString(), made.DebugString());
  ASSERT_OK_AND_ASSIGN(const auto listed, Run(&ListWebhooks, v1::ListWebhooksRequest()));
  ASSERT_THAT(listed.webhooks(), SizeIs(1));
  EXPECT_EQ(listed.webhooks(0).DebugString(), made.DebugString());
  for (const auto& [table, rows] : Tables()) EXPECT_THAT(rows, Not(HasSubstr("whsec"))) << table;
}

TEST_F(WebhooksTest, AllThatIsWrongIsTold) {
  v1::CreateWebhookRequest request;
  request.set_request_id("no");
  request.mutable_webhook()->set_url("http://me@example.com");
  request.mutable_webhook()->set_initiator("nobody");
  EXPECT_EQ(BadFields(Run(&CreateWebhook, request).status()),
            (std::set<std::string>{"request_id", "webhook.url", "webhook.kinds", "webhook.initiator"}));
  request = NewWebhook();
  request.mutable_webhook()->add_kinds(Webhook::KIND_UNSPECIFIED);
  request.mutable_webhook()->add_kinds(static_cast<Kind>(8));
  EXPECT_EQ(BadFields(Run(&CreateWebhook, request).status()),
            (std::set<std::string>{"webhook.kinds[7]", "webhook.kinds[8]"}));
  EXPECT_EQ(BadFields(Run(&CreateWebhook, v1::CreateWebhookRequest()).status()),
            (std::set<std::string>{"webhook.url", "webhook.kinds"}));
  EXPECT_THAT(BadFields(Run(&GetWebhook, v1::GetWebhookRequest()).status()), ElementsAre("name"));
  EXPECT_THAT(BadFields(Run(&DeleteWebhook, v1::DeleteWebhookRequest()).status()), ElementsAre("name"));
  v1::ListWebhookDeliveriesRequest list;
  list.set_page_size(-1);
  list.set_state(static_cast<v1::WebhookDelivery::State>(9));
  EXPECT_EQ(BadFields(Run(&ListWebhookDeliveries, list).status()),
            (std::set<std::string>{"parent", "page_size", "state"}));
  EXPECT_THAT(Run(&ListWebhooks, v1::ListWebhooksRequest())->webhooks(), IsEmpty());
}

TEST_F(WebhooksTest, AnInitiatorIsAUserAndWhoIsErasedIsShownSo) {
  auto request = NewWebhook();
  request.mutable_webhook()->set_initiator("unknown@example.com");
  const auto before = Tables();
  const absl::Status unknown = Run(&CreateWebhook, request).status();
  EXPECT_THAT(unknown, Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(unknown.ToString(), Not(HasSubstr("unknown@")));
  EXPECT_EQ(Tables(), before);
  request.mutable_webhook()->set_initiator("eve@example.com");
  ASSERT_OK_AND_ASSIGN(const Webhook made, Run(&CreateWebhook, request));
  database_.Sql("delete from parley.users where local_part = 'eve'");
  EXPECT_EQ(Get(made).initiator(), "erased");
}

TEST_F(WebhooksTest, OfEqualCallsOneHasTheSecret) {
  auto request = NewWebhook();
  request.set_request_id(Uuid::TimeOrdered().ToString());
  std::vector<absl::StatusOr<Webhook>> answers(20, absl::UnknownError(""));
  AtOnce(10, [&](int i) { answers[static_cast<size_t>(i)] = Run(&CreateWebhook, request); });
  AtOnce(10, [&](int i) { answers[static_cast<size_t>(i) + 10] = Run(&CreateWebhook, request); });
  std::set<std::string> names;
  int secrets = 0;
  for (const auto& answer : answers) {
    ASSERT_THAT(answer, Succeeds());
    names.insert(answer->name());
    secrets += !answer->secret().empty();
  }
  EXPECT_THAT(names, SizeIs(1));
  EXPECT_EQ(secrets, 1);
  request.mutable_webhook()->set_url("https://example.com/another");
  EXPECT_THAT(Run(&CreateWebhook, request), Fails(kInvalid, error::v1::REQUEST_ID_REUSED));
}

TEST_F(WebhooksTest, ThereAreNoMoreThanThereMayBe) {
  max_webhooks_ = 3;
  std::vector<absl::StatusOr<Webhook>> answers(10, absl::UnknownError(""));
  AtOnce(10, [&](int i) { answers[static_cast<size_t>(i)] = Run(&CreateWebhook, NewWebhook()); });
  EXPECT_EQ(std::ranges::count_if(answers, [](const auto& answer) { return answer.ok(); }), 3);
  for (const auto& answer : answers) {
    if (answer.ok()) continue;
    EXPECT_THAT(answer, Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
  }
  ASSERT_OK_AND_ASSIGN(const auto listed, Run(&ListWebhooks, v1::ListWebhooksRequest()));
  ASSERT_THAT(Run(&DeleteWebhook, Named<v1::DeleteWebhookRequest>(listed.webhooks(0).name())), Succeeds());
  EXPECT_THAT(Run(&CreateWebhook, NewWebhook()), Succeeds());
}

TEST_F(WebhooksTest, AreListedNewestFirstInPages) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.insert(names.begin(), MakeWebhook().name());
  std::vector<std::string> listed;
  v1::ListWebhooksRequest request;
  request.set_page_size(2);
  do {
    ASSERT_OK_AND_ASSIGN(const auto page, Run(&ListWebhooks, request));
    EXPECT_LE(page.webhooks_size(), 2);
    for (const auto& webhook : page.webhooks()) listed.push_back(webhook.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, names);
  request.set_page_token("x");
  EXPECT_THAT(Run(&ListWebhooks, request), Fails(kInvalid, error::v1::CURSOR_INVALID));
}

TEST_F(WebhooksTest, OnceDeletedTheyAreGoneWithWhatTheyWereTold) {
  const Webhook webhook = MakeWebhook();
  TellUpdate(event_);
  Follow();
  ASSERT_THAT(DeliveriesOf(webhook), SizeIs(1));
  Begin();
  auto request = Named<v1::DeleteWebhookRequest>(webhook.name());
  request.set_request_id(Uuid::TimeOrdered().ToString());
  ASSERT_THAT(Run(&DeleteWebhook, request), Succeeds());
  EXPECT_THAT(Run(&DeleteWebhook, request), Succeeds()) << "sent again";
  EXPECT_THAT(Run(&DeleteWebhook, Named<v1::DeleteWebhookRequest>(webhook.name())),
              Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Run(&GetWebhook, Named<v1::GetWebhookRequest>(webhook.name())), Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Replay(webhook, ""), Fails(kNotFound, error::v1::NOT_FOUND));
  v1::ListWebhookDeliveriesRequest list;
  list.set_parent(webhook.name());
  EXPECT_THAT(Run(&ListWebhookDeliveries, list), Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Run(&ListWebhooks, v1::ListWebhooksRequest())->webhooks(), IsEmpty());
  EXPECT_THAT(Tables().at("webhooks"), Not(HasSubstr("example.com")));
  // Nothing more is begun or told.
  TellUpdate(event_);
  Follow();
  database_.Sql("update parley.webhook_deliveries set lease_end_time = now()");
  EXPECT_THAT(Begin(), IsEmpty());
  const auto purge = [this] {
    return Do([](data::Transaction& tx) { return WebhookDeliveries(tx).PurgeDeleted(); })->rows;
  };
  EXPECT_EQ(purge(), 2) << "with the webhook itself";
  EXPECT_EQ(purge(), 0);
  for (const char* table : {"webhooks", "webhook_deliveries", "webhook_attempts"}) {
    EXPECT_EQ(Tables().at(table), "") << table;
  }
}

TEST_F(WebhooksTest, AreForStaffAlone) {
  const std::string name = MakeWebhook().name();
  for (const rpc::Call& call : {CallOf(bob_), AsGuest(bob_, event_), AsService()}) {
    for (const std::string& of : {name, Missing()}) {
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED,
                    [&] { return Run(&GetWebhook, Named<v1::GetWebhookRequest>(of), call); });
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED,
                    [&] { return Run(&DeleteWebhook, Named<v1::DeleteWebhookRequest>(of), call); });
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED,
                    [&] { return Run(&ReplayWebhook, Named<v1::ReplayWebhookRequest>(of), call); });
      v1::ListWebhookDeliveriesRequest list;
      list.set_parent(of);
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Run(&ListWebhookDeliveries, list, call); });
    }
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Run(&CreateWebhook, NewWebhook(), call); });
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED,
                  [&] { return Run(&ListWebhooks, v1::ListWebhooksRequest(), call); });
  }
  ExpectRefused(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING,
                [&] { return Run(&GetWebhook, Named<v1::GetWebhookRequest>(name), AsNobody()); });
}

// ---- what they are told

TEST_F(WebhooksTest, AreToldOfTheirKindsAlone) {
  auto request = NewWebhook();
  request.mutable_webhook()->clear_kinds();
  request.mutable_webhook()->add_kinds(Webhook::AGREED);
  request.mutable_webhook()->add_kinds(Webhook::CREATED);
  ASSERT_OK_AND_ASSIGN(const Webhook webhook, Run(&CreateWebhook, request));
  event::v1::LogEntry::Data created, agreed, deleted;
  created.mutable_opened();
  agreed.set_slots_changed(true);
  agreed.set_closed(true);
  agreed.set_state(event::v1::Event::AGREED);
  deleted.set_deleted(true);
  Tell(event_, created);
  TellUpdate(event_);
  Tell(event_, agreed);
  Tell(event_, deleted);
  Follow();
  const auto deliveries = DeliveriesOf(webhook);
  ASSERT_THAT(deliveries, SizeIs(2));
  EXPECT_EQ(deliveries[0].log_entry(), "events/" + event_.ToString() + "/logEntries/1");
  EXPECT_THAT(deliveries[0].kinds(), ElementsAre(Webhook::CREATED));
  EXPECT_EQ(deliveries[0].cursor(), CursorAt(1));
  EXPECT_EQ(deliveries[1].log_entry(), "events/" + event_.ToString() + "/logEntries/3");
  EXPECT_THAT(deliveries[1].kinds(), ElementsAre(Webhook::UPDATED, Webhook::AGREED));
  EXPECT_EQ(deliveries[1].state(), v1::WebhookDelivery::PENDING);
  EXPECT_TRUE(deliveries[1].has_create_time());
  EXPECT_TRUE(deliveries[1].has_next_attempt_time());
  EXPECT_EQ(Get(webhook).cursor(), CursorAt(4));
  EXPECT_EQ(told_, 1);
}

TEST_F(WebhooksTest, AViewIsToldWhereItClosesTheEvent) {
  const Webhook webhook = MakeWebhook();
  event::v1::LogEntry::Data agreed;
  agreed.set_closed(true);
  agreed.set_state(event::v1::Event::AGREED);
  Tell(event_, {}, LogEntry::VIEW);
  Tell(event_, agreed, LogEntry::VIEW);
  Follow();
  const auto deliveries = DeliveriesOf(webhook);
  ASSERT_THAT(deliveries, SizeIs(1));
  EXPECT_EQ(deliveries[0].log_entry(), data::NameOf(event_, 2));
}

TEST_F(WebhooksTest, AreToldOfOneInitiatorAloneWhileThereIsOne) {
  auto request = NewWebhook();
  request.mutable_webhook()->set_initiator("ANN@example.com");
  ASSERT_OK_AND_ASSIGN(const Webhook of_ann, Run(&CreateWebhook, request));
  const Webhook of_all = MakeWebhook();
  const Uuid of_hers = MakeEvent().id, of_another = MakeEvent().id;
  database_.Sql(absl::StrCat("update parley.events set initiator_id = '", bob_.id.ToString(), "' where event_id = '",
                             of_another.ToString(), "'"));
  TellUpdate(of_hers);
  TellUpdate(of_another);
  Follow();
  ASSERT_THAT(DeliveriesOf(of_ann), SizeIs(1));
  EXPECT_EQ(DeliveriesOf(of_ann)[0].log_entry(), data::NameOf(of_hers, 1));
  EXPECT_THAT(DeliveriesOf(of_all), SizeIs(2));
  // Of somebody who was erased there is nothing to tell, though his events go on.
  database_.Sql("delete from parley.users where local_part = 'ann'");
  TellUpdate(of_hers);
  Follow();
  EXPECT_THAT(DeliveriesOf(of_ann), SizeIs(1));
  EXPECT_THAT(DeliveriesOf(of_all), SizeIs(3));
  EXPECT_EQ(Get(of_ann).cursor(), CursorAt(3));
}

TEST_F(WebhooksTest, TheLogIsLookedThroughInPartsAndNothingIsSkippedOrTwice) {
  constexpr int kEntries = 2500;
  const Webhook one = MakeWebhook(), other = MakeWebhook();
  TellUpdate(event_, kEntries);
  // Of two processes.
  AtOnce(2, [&](int) {
    WebhookFollower follower(pool_, [] {});
    for (int step = 0; step < 10; ++step) EXPECT_THAT(follower.Step(), Succeeds());
  });
  Follow();
  EXPECT_EQ(Get(one).cursor(), CursorAt(kEntries));
  EXPECT_EQ(Get(other).cursor(), CursorAt(kEntries));
  EXPECT_EQ(database_.Sql("select count(*) || ' ' || count(distinct leaf_index) || ' ' || max(sequence) from "
                          "parley.webhook_deliveries where replayed_after = 0 and leaf_index = sequence - 1"),
            absl::StrCat(2 * kEntries, " ", kEntries, " ", kEntries));
}

TEST_F(WebhooksTest, OneThatIsFarBehindKeepsNoOtherWaiting) {
  TellUpdate(event_, 5000);
  const Webhook behind = MakeWebhook(), quick = MakeWebhook();
  ASSERT_THAT(Replay(behind, ""), Succeeds());
  TellUpdate(other_event_);
  WebhookFollower follower(pool_, [] {});
  ASSERT_THAT(follower.Step(), Succeeds());
  EXPECT_THAT(DeliveriesOf(quick), SizeIs(1));
  EXPECT_EQ(Get(quick).cursor(), CursorAt(5001));
  EXPECT_NE(Get(behind).cursor(), CursorAt(0)) << "it goes on too";
  EXPECT_NE(Get(behind).cursor(), CursorAt(5001));
}

TEST_F(WebhooksTest, WhereNothingIsNewNothingIsWritten) {
  const Webhook webhook = MakeWebhook();
  TellUpdate(event_);
  Follow();
  const auto row = [this] { return database_.Sql("select xmin || ' ' || xmax || ' ' || ctid from parley.webhooks"); };
  const std::string before = row();
  WebhookFollower follower(pool_, [] {});
  EXPECT_EQ(*follower.Step(), false);
  EXPECT_EQ(row(), before) << "nor locked";
  TellUpdate(event_);
  EXPECT_EQ(*follower.Step(), true);
  EXPECT_NE(row(), before);
}

TEST_F(WebhooksTest, AnEntryThatCannotBeReadIsSteppedOverAlone) {
  const Webhook webhook = MakeWebhook();
  TellUpdate(event_, 700);
  database_.Sql("update parley.log_entries set data = '\\xff' where sequence = 334");
  Follow();
  EXPECT_EQ(Get(webhook).cursor(), CursorAt(700));
  EXPECT_EQ(database_.Sql("select string_agg(n::text, ' ') from generate_series(1, 700) n where not exists (select "
                          "from parley.webhook_deliveries where sequence = n)"),
            "334");
}

TEST_F(WebhooksTest, OnesOfAnotherLogAreLeftUntilTheyAreReplayed) {
  TellUpdate(event_);
  const Webhook lost = MakeWebhook(), beyond = MakeWebhook(), good = MakeWebhook();
  const auto set = [this](const Webhook& webhook, const std::string& cursor) {
    database_.Sql(absl::StrCat("update parley.webhooks set cursor = '", cursor, "' where webhook_id = '",
                               IdOf(webhook).ToString(), "'"));
  };
  set(lost, "1-0123456789abcdef");
  set(beyond, "77-0123456789abcdef");
  TellUpdate(event_);
  WebhookFollower follower(pool_, [] {});
  EXPECT_EQ(*follower.Step(), true);
  EXPECT_EQ(*follower.Step(), false);
  EXPECT_THAT(DeliveriesOf(good), SizeIs(1));
  EXPECT_EQ(Get(lost).cursor(), "1-0123456789abcdef");
  EXPECT_EQ(Get(beyond).cursor(), "77-0123456789abcdef");
  ASSERT_THAT(Replay(lost, ""), Succeeds());
  ASSERT_THAT(Replay(beyond, CursorAt(1)), Succeeds());
  EXPECT_EQ(*follower.Step(), true) << "at once";
  EXPECT_THAT(DeliveriesOf(lost), SizeIs(2));
  EXPECT_THAT(DeliveriesOf(beyond), SizeIs(1));
}

TEST_F(WebhooksTest, ACursorThatIsNoneIsRefusedAndOneOfAnotherLogToo) {
  const Webhook webhook = MakeWebhook();
  TellUpdate(event_);
  EXPECT_THAT(BadFields(Replay(webhook, "nonsense")), ElementsAre("cursor"));
  EXPECT_THAT(Replay(webhook, "nonsense"), Fails(kInvalid, error::v1::INVALID_FIELDS));
  for (const char* other : {"77-0123456789abcdef", "1-0123456789abcdef"}) {
    EXPECT_THAT(Replay(webhook, other), Fails(absl::StatusCode::kOutOfRange, error::v1::CURSOR_INVALID));
  }
  EXPECT_EQ(Get(webhook).cursor(), CursorAt(0));
  EXPECT_THAT(Replay(webhook, CursorAt(1)), Succeeds());
  EXPECT_EQ(Get(webhook).cursor(), CursorAt(1));
  Follow();
  EXPECT_THAT(DeliveriesOf(webhook), IsEmpty());
  EXPECT_THAT(Replay(webhook, ""), Succeeds());
  Follow();
  EXPECT_THAT(DeliveriesOf(webhook), SizeIs(1));
}

TEST_F(WebhooksTest, DeliveriesAreListedInPagesAndByState) {
  const Webhook webhook = MakeWebhook();
  for (int i = 0; i < 5; ++i) TellUpdate(event_);
  Follow();
  for (const bool delivered : {true, false, true}) {
    const auto begun = Begin();
    ASSERT_THAT(begun, SizeIs(1));
    Record(Ended(begun[0], delivered, absl::Hours(100)));  // FAILED where not
  }
  const auto list = [&](v1::WebhookDelivery::State state) {
    std::vector<std::string> entries;
    v1::ListWebhookDeliveriesRequest request;
    request.set_parent(webhook.name());
    request.set_page_size(2);
    request.set_state(state);
    do {
      const auto page = Run(&ListWebhookDeliveries, request);
      EXPECT_THAT(page, Succeeds());
      for (const auto& each : page->webhook_deliveries()) {
        entries.push_back(each.log_entry().substr(each.log_entry().rfind('/') + 1));
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return entries;
  };
  EXPECT_THAT(list(v1::WebhookDelivery::STATE_UNSPECIFIED), ElementsAre("5", "4", "3", "2", "1"));
  EXPECT_THAT(list(v1::WebhookDelivery::PENDING), ElementsAre("5", "4"));
  EXPECT_THAT(list(v1::WebhookDelivery::DELIVERED), ElementsAre("3", "1"));
  EXPECT_THAT(list(v1::WebhookDelivery::FAILED), ElementsAre("2"));
  const auto failed = DeliveriesOf(webhook)[1];
  ASSERT_THAT(failed.attempts(), SizeIs(1));
  EXPECT_EQ(failed.attempts(0).http_status(), 500);
  EXPECT_EQ(failed.attempts(0).detail(), "the answer was 500");
  EXPECT_TRUE(failed.attempts(0).has_end_time());
  EXPECT_FALSE(failed.has_next_attempt_time());
}

}  // namespace
}  // namespace parley::notification
