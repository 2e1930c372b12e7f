// In which order, how often and for how long deliveries are tried.
#include "services/notification/webhooks/webhook_deliveries.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/watched_log.h"
#include "tests/support/purging.h"

namespace parley::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = v1::WebhookDelivery;

class WebhookDeliveriesTest : public WebhookWorld {
 protected:
  void MakeAttemptsDue() {
    database_.Sql("update parley.webhook_deliveries set next_attempt_time = now(), lease_end_time = null");
  }
  std::string NamesOf(const v1::Webhook& webhook) {
    std::string names;
    for (const auto& delivery : DeliveriesOf(webhook)) names += delivery.name() + "\n";
    return names;
  }

  const v1::Webhook webhook_ = MakeWebhook();
};

TEST_F(WebhookDeliveriesTest, OfAnEventOneIsTriedAtATimeInTheirOrder) {
  for (int i = 0; i < 3; ++i) TellUpdate(event_);
  TellUpdate(other_event_);
  Follow();
  const auto first = Begin(10);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].delivery.event_id, event_);
  EXPECT_EQ(first[0].attempt, 1);
  EXPECT_EQ(first[0].url, webhook_.url());
  EXPECT_EQ(first[1].delivery.event_id, other_event_);
  EXPECT_THAT(Begin(10), IsEmpty()) << "while they are under way";
  Record(Ended(first[0], true));
  EXPECT_THAT(SequencesOf(Begin(10)), ElementsAre(2));
}

TEST_F(WebhookDeliveriesTest, WhatFailsHoldsBackThoseBehindIt) {
  for (int i = 0; i < 3; ++i) TellUpdate(event_);
  TellUpdate(other_event_);
  Follow();
  Record(Ended(Begin(1).at(0), false, absl::Minutes(10)));
  const auto other = Begin(10);
  ASSERT_THAT(other, SizeIs(1));
  EXPECT_EQ(other[0].delivery.event_id, other_event_);
  Record(Ended(other[0], true));
  // So that nobody looks at them until then; nor at what comes later.
  TellUpdate(event_);
  Follow();
  EXPECT_EQ(database_.Sql("select count(distinct next_attempt_time) || ' ' || count(*) from parley.webhook_deliveries "
                          "where next_attempt_time > now() + interval '9 minutes'"),
            "1 4");
  TimePasses("11 minutes");
  const auto again = Begin(1);
  ASSERT_THAT(SequencesOf(again), ElementsAre(1));
  EXPECT_EQ(again[0].attempt, 2);
  EXPECT_EQ(again[0].counted, 2);
  Record(Ended(again[0], true));
  EXPECT_THAT(SequencesOf(Begin(10)), ElementsAre(2)) << "those behind are due at once";
}

TEST_F(WebhookDeliveriesTest, ANewOneBehindOneThatIsUnderWayIsDueAtOnceAfterIt) {
  TellUpdate(event_);
  Follow();
  const auto begun = Begin();
  TellUpdate(event_);
  Follow();
  Record(Ended(begun.at(0), true));
  EXPECT_THAT(SequencesOf(Begin()), ElementsAre(2));
}

TEST_F(WebhookDeliveriesTest, ThoseOfAnAttemptThatWasLostAreTriedAgain) {
  TellUpdate(event_);
  TellUpdate(event_);
  Follow();
  const auto lost = Begin();
  TimePasses("2 minutes");
  const auto again = Begin();
  ASSERT_THAT(SequencesOf(again), ElementsAre(1));
  EXPECT_EQ(again[0].attempt, 2);
  // Who lost it comes back: the attempt is known, the delivery is not its any more.
  EXPECT_THAT(Record(Ended(lost.at(0), true)), IsEmpty());
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING, State::PENDING));
  EXPECT_THAT(Record(Ended(again[0], true)), SizeIs(1));
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::DELIVERED, State::PENDING));
  const auto attempts = DeliveriesOf(webhook_)[0].attempts();
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[1].http_status(), 200);
}

TEST_F(WebhookDeliveriesTest, AnAttemptWhoseProcessIsGoneHasNoEnd) {
  TellUpdate(event_);
  Follow();
  Begin();
  const auto attempts = DeliveriesOf(webhook_)[0].attempts();
  ASSERT_THAT(attempts, SizeIs(1));
  EXPECT_TRUE(attempts[0].has_start_time());
  EXPECT_FALSE(attempts[0].has_end_time());
}

TEST_F(WebhookDeliveriesTest, EachWebhookHasItsOwnRoom) {
  const v1::Webhook busy = MakeWebhook(), idle = MakeWebhook();
  for (int i = 0; i < 5; ++i) TellUpdate(Uuid::TimeOrdered());
  Follow();
  const auto begun = *Do([&](data::Transaction& tx) {
    return WebhookDeliveries(tx).Begin({{IdOf(busy), 1}, {IdOf(idle), 0}}, 4, absl::Minutes(1));
  });
  std::map<Uuid, int> counts;
  for (const auto& each : begun) ++counts[each.delivery.webhook_id];
  EXPECT_EQ(counts, (std::map<Uuid, int>{{IdOf(webhook_), 4}, {IdOf(busy), 1}}));
}

TEST_F(WebhookDeliveriesTest, AfterThreeDaysOneHasFailedAndThoseBehindItGoOn) {
  TellUpdate(event_);
  TellUpdate(event_);
  Follow();
  Record(Ended(Begin().at(0), false, absl::Minutes(1)));
  TimePasses("71 hours");
  Record(Ended(Begin().at(0), false, absl::Minutes(1)));
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING, State::PENDING));
  TimePasses("1 hour");
  const auto last = Begin();
  // One that was not even sent does not count.
  EndedAttempt unsent = Ended(last.at(0), false, absl::Milliseconds(1));
  unsent.counts = false;
  Record(unsent);
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING, State::PENDING));
  TimePasses("1 minute");
  const auto recorded = Record(Ended(Begin().at(0), false, absl::Minutes(1)));
  ASSERT_THAT(recorded, SizeIs(1));
  EXPECT_EQ(recorded[0].state, State::FAILED);
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::FAILED, State::PENDING));
  // Though late, it is tried where its turn comes before it has failed as well.
  const auto next = Begin();
  ASSERT_THAT(SequencesOf(next), ElementsAre(2));
  EXPECT_EQ(next[0].attempt, 1);
  Record(Ended(next[0], true));
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::FAILED, State::DELIVERED));
}

TEST_F(WebhookDeliveriesTest, AReplayTellsAllAgainUnderTheSameIds) {
  for (int i = 0; i < 3; ++i) TellUpdate(event_);
  Follow();
  const std::string names = NamesOf(webhook_);
  Record(Ended(Begin().at(0), true));
  Record(Ended(Begin().at(0), false, absl::Hours(100)));  // has failed
  Record(Ended(Begin().at(0), false, absl::Minutes(50)));
  ASSERT_THAT(StatesOf(webhook_), ElementsAre(State::DELIVERED, State::FAILED, State::PENDING));
  TimePasses("40 minutes");
  ASSERT_THAT(Replay(webhook_, CursorAt(1)), test::Succeeds());
  Follow();
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::DELIVERED, State::PENDING, State::PENDING));
  ASSERT_THAT(Replay(webhook_, ""), test::Succeeds());
  Follow();
  EXPECT_EQ(NamesOf(webhook_), names);
  for (const int64_t sequence : {1, 2, 3}) {
    const auto begun = Begin();
    ASSERT_THAT(SequencesOf(begun), ElementsAre(sequence));
    EXPECT_EQ(begun[0].attempt, 2);
    EXPECT_EQ(begun[0].counted, 1) << "pauses begin anew";
    Record(Ended(begun[0], true));
  }
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::DELIVERED, State::DELIVERED, State::DELIVERED));
  EXPECT_THAT(DeliveriesOf(webhook_)[0].attempts(), SizeIs(2));
}

TEST_F(WebhookDeliveriesTest, AnAttemptThatEndedBeforeAReplayEndsNothingAfterIt) {
  TellUpdate(event_);
  Follow();
  const auto begun = Begin();
  Record(Ended(begun.at(0), true));
  ASSERT_THAT(Replay(webhook_, ""), test::Succeeds());
  Follow();
  // As after a commit in doubt.
  EXPECT_THAT(Record(Ended(begun.at(0), true)), IsEmpty());
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING));
}

TEST_F(WebhookDeliveriesTest, AnAttemptDuringWhichItIsReplayedOnlyMakesRoom) {
  for (const bool delivered : {true, false}) {
    const std::string start = Get(webhook_).cursor();
    TellUpdate(Uuid::TimeOrdered(), 2);
    Follow();
    Record(Ended(Begin().at(0), true));
    const auto begun = Begin();
    ASSERT_THAT(SequencesOf(begun), ElementsAre(2));
    ASSERT_THAT(Replay(webhook_, start), test::Succeeds());
    Follow();
    const auto recorded = Record(Ended(begun[0], delivered, absl::Hours(100)));
    ASSERT_THAT(recorded, SizeIs(1));
    EXPECT_EQ(recorded[0].state, State::PENDING) << "it was not sent after the first";
    for (const int64_t sequence : {1, 2}) {
      const auto again = Begin(1);
      ASSERT_THAT(SequencesOf(again), ElementsAre(sequence));
      Record(Ended(again[0], true));
    }
    EXPECT_THAT(StatesOf(webhook_), ::testing::Each(State::DELIVERED));
  }
}

TEST_F(WebhookDeliveriesTest, AReplayTriesAtOnceWhatWaits) {
  TellUpdate(event_, 2);
  Follow();
  const std::string end = CursorAt(2);
  Record(Ended(Begin().at(0), false, absl::Hours(1)));
  ASSERT_THAT(Begin(), IsEmpty());
  ASSERT_THAT(Replay(webhook_, end), test::Succeeds());
  const auto begun = Begin();
  ASSERT_THAT(SequencesOf(begun), ElementsAre(1));
  EXPECT_EQ(begun[0].counted, 2) << "it was not replayed itself";
}

TEST_F(WebhookDeliveriesTest, WhatIsNotTakenInTimeHasFailedTriedOrNot) {
  TellUpdate(event_, 3);
  TellUpdate(other_event_);
  Follow();
  const auto expire = [this] {
    return *Do([](data::Transaction& tx) { return WebhookDeliveries(tx).ExpireSome(absl::Hours(72)); });
  };
  TimePasses("71 hours");
  EXPECT_EQ(expire(), 0);
  // One is under way, and has its chance.
  const auto begun = Begin(1);
  ASSERT_THAT(SequencesOf(begun), ElementsAre(1));
  ASSERT_EQ(begun[0].delivery.event_id, event_);
  database_.Sql("update parley.webhook_deliveries set create_time = create_time - interval '2 hours'");
  EXPECT_EQ(expire(), 3);
  EXPECT_EQ(expire(), 0);
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING, State::FAILED, State::FAILED, State::FAILED));
  EXPECT_THAT(DeliveriesOf(webhook_)[1].attempts(), IsEmpty());
  Record(Ended(begun[0], true));
  EXPECT_EQ(StatesOf(webhook_)[0], State::DELIVERED);
  // Until a replay.
  ASSERT_THAT(Replay(webhook_, ""), test::Succeeds());
  Follow();
  EXPECT_EQ(expire(), 0);
  EXPECT_THAT(StatesOf(webhook_), ::testing::Each(State::PENDING));
}

TEST_F(WebhookDeliveriesTest, HoweverMuchAnEventHasTheNextIsFoundSoon) {
  constexpr int kEach = 10000;
  TellUpdate(event_);
  Follow();
  Record(Ended(Begin().at(0), true));
  // As after a long time in which nobody took anything: half of them are delivered.
  database_.Sql(absl::StrCat(
      "insert into parley.webhook_deliveries select webhook_id, event_id, n, n, kinds, cursor, case when n <= ", kEach,
      " then 'DELIVERED' else 'PENDING' end, create_time, 0, 0, next_attempt_time, null, case when n <= ", kEach,
      " then now() end from parley.webhook_deliveries, generate_series(2, ", 2 * kEach, ") n"));
  database_.Sql("analyze parley.webhook_deliveries");
  const absl::Time start = absl::Now();
  const auto begun = Begin();
  TellUpdate(event_);
  Follow();
  // Without an index of what is pending it takes many seconds, with it some milliseconds.
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
  EXPECT_THAT(SequencesOf(begun), ElementsAre(kEach + 1));
}

TEST_F(WebhookDeliveriesTest, NoAttemptIsLeftOfWhatWasToBePurgedWhileItBegan) {
  TellUpdate(event_);
  Follow();
  const auto purge = [this] {
    return Do([](data::Transaction& tx) { return WebhookDeliveries(tx).PurgeDeleted(); })->rows;
  };
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto begun, WebhookDeliveries(tx).Begin({}, 4, absl::Minutes(1)));
    EXPECT_THAT(begun, SizeIs(1));
    database_.Sql("update parley.webhooks set delete_time = now()");
    EXPECT_EQ(purge(), 0) << "it waits for nobody";
    return absl::OkStatus();
  }).IgnoreError();
  EXPECT_EQ(purge(), 2) << "with the webhook itself";
  EXPECT_EQ(Tables().at("webhook_deliveries"), "");
  EXPECT_EQ(Tables().at("webhook_attempts"), "");
}

TEST_F(WebhookDeliveriesTest, AStepOfSettledOnesCostsTheSameHoweverMuchHasGoneAndHoweverMuchStays) {
  constexpr int kSteps = static_cast<int>(5000 / data::kPurgeRows);
  // Of all ages, those of one time not side by side; each with an attempt.
  database_.Sql(R"(
    insert into parley.webhook_deliveries (webhook_id, event_id, sequence, leaf_index, kinds, cursor, state, create_time,
                                           attempts, next_attempt_time, settle_time)
    select (select webhook_id from parley.webhooks), gen_random_uuid(), 1, i, '{UPDATED}', i || '-', 'DELIVERED', now(), 1,
           now(), now() - (i * 7919 % 10001) * interval '60 days' / 10001
    from generate_series(1, 10001) i;
    insert into parley.webhook_attempts (webhook_id, event_id, sequence, attempt, start_time)
    select webhook_id, event_id, 1, 1, now() from parley.webhook_deliveries;
    analyze parley.webhook_deliveries, parley.webhook_attempts)");
  const test::LongReader reader(pool_);
  const auto costs = test::CostOfSteps(pool_, [](data::Transaction& tx, absl::Time from) {
    return WebhookDeliveries(tx).PurgeSettled(absl::Hours(30 * 24), from);
  });
  test::ExpectEqualCosts(costs, kSteps);
  EXPECT_LE(costs.back().rows, 2 * data::kPurgeRows) << "where only what is young is left";
  for (const char* table : {"webhook_deliveries", "webhook_attempts"}) {
    EXPECT_EQ(database_.Sql(absl::StrCat("select count(*)::text from parley.", table)), "5001") << table;
  }
}

TEST_F(WebhookDeliveriesTest, TwoProcessesBeginNothingTwice) {
  constexpr int kEvents = 40;
  for (int i = 0; i < kEvents; ++i) {
    const Uuid event_id = Uuid::TimeOrdered();
    TellUpdate(event_id);
    TellUpdate(event_id);
  }
  Follow();
  absl::Mutex mutex;
  std::vector<BegunAttempt> all;
  AtOnce(4, [&](int) {
    for (int i = 0; i < 200; ++i) {
      const auto begun = Begin(3);
      for (const auto& each : begun) Record(Ended(each, true));
      absl::MutexLock lock(&mutex);
      all.insert(all.end(), begun.begin(), begun.end());
    }
  });
  ASSERT_THAT(all, SizeIs(2 * kEvents));
  for (const auto& each : all) EXPECT_EQ(each.attempt, 1);
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.webhook_deliveries a join parley.webhook_deliveries b on "
                          "a.event_id = b.event_id and a.sequence < b.sequence and a.settle_time > b.settle_time"),
            "0");
}

TEST_F(WebhookDeliveriesTest, WhatIsSettledIsPurgedInTime) {
  TellUpdate(event_);
  TellUpdate(event_);
  TellUpdate(other_event_);
  Follow();
  Record(Ended(Begin(1).at(0), true));
  TimePasses("29 days");
  MakeAttemptsDue();
  Record(Ended(Begin(1).at(0), false, absl::Hours(100)));
  const auto purge = [this] {
    return Do([](data::Transaction& tx) {
             return WebhookDeliveries(tx).PurgeSettled(absl::Hours(30 * 24), absl::InfinitePast());
           })
        ->rows;
  };
  EXPECT_EQ(purge(), 0);
  TimePasses("25 hours");
  EXPECT_EQ(purge(), 1);
  EXPECT_EQ(purge(), 0);
  EXPECT_THAT(DeliveriesOf(webhook_), SizeIs(2));
  TimePasses("31 days");
  EXPECT_EQ(purge(), 1);
  EXPECT_THAT(StatesOf(webhook_), ElementsAre(State::PENDING)) << "what is pending is not";
  EXPECT_EQ(Tables().at("webhook_attempts"), "");
}

}  // namespace
}  // namespace parley::notification
