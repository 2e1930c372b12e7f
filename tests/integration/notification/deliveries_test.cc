#include "services/notification/deliveries.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;

class Claims : public World {
 protected:
  const data::Event event_ = MakeEvent();
};

TEST_F(Claims, NobodyElseTakesItUntilTheLeaseIsUp) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = ClaimOne();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->attempts_begun, 1);
  EXPECT_FALSE(ClaimOne());
  MakeDue();
  const auto second = ClaimOne();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->attempts_begun, 2);
  // How the first one ended was never recorded.
  const auto attempts = NotificationsOf(event_)[0].attempts;
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[0].outcome, Outcomes::UNKNOWN);
  EXPECT_FALSE(attempts[0].end_time);
  EXPECT_EQ(attempts[1].outcome, Outcomes::OUTCOME_UNSPECIFIED);
}

TEST_F(Claims, TwoAtOnceTakeDifferentOnes) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"})), test::Succeeds());
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const Claimed mine, Claim(tx, claim_settings_, suppression_key_, 1));
    const auto other = ClaimOne();
    EXPECT_TRUE(mine.due == 1 && other && mine.deliveries.front().notification.id != other->id);
    EXPECT_FALSE(ClaimOne());
    return absl::OkStatus();
  }).IgnoreError();
}

TEST_F(Claims, N6_WhoSleptThroughTheLeaseRecordsNothing) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = ClaimOne();
  MakeDue();
  const auto second = ClaimOne();
  const auto before = Tables();
  EXPECT_FALSE(Record(*first, Outcomes::REFUSED, v1::Notification::FAILED, "550 no"));
  EXPECT_EQ(Tables(), before);
  EXPECT_TRUE(Record(*second, Outcomes::ACCEPTED, v1::Notification::SENT));
  const Notification after = NotificationsOf(event_)[0];
  EXPECT_EQ(after.state, v1::Notification::SENT);
  EXPECT_EQ(after.attempts[0].outcome, Outcomes::UNKNOWN);
  EXPECT_EQ(after.attempts[1].outcome, Outcomes::ACCEPTED);
  // Nor does a second record change what has ended.
  EXPECT_FALSE(Record(*second, Outcomes::DEFERRED, v1::Notification::PENDING));
  EXPECT_FALSE(Record(*first, Outcomes::ACCEPTED, v1::Notification::SENT));
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::SENT);
}

TEST_F(Claims, N6_NorWhereNobodyHasTakenItOverYet) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = ClaimOne();
  MakeDue();
  const auto before = Tables();
  EXPECT_FALSE(Record(*first, Outcomes::ACCEPTED, v1::Notification::SENT));
  EXPECT_EQ(Tables(), before);
}

TEST_F(Claims, N6_OneWhoseEndIsRecordedWithAnothersIsNotTouchedByIt) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"})), test::Succeeds());
  const Claimed claimed = ClaimDue();
  ASSERT_THAT(claimed.deliveries, SizeIs(2));
  const Notification& late = claimed.deliveries[0].notification;
  const Notification& good = claimed.deliveries[1].notification;
  database_.Sql("update parley.notifications set lease_end_time = now() where notification_id = '" +
                late.id.ToString() + "'");
  ASSERT_TRUE(ClaimOne());
  const auto recorded = Do([&](data::Transaction& tx) {
    return Deliveries(tx).Record({{late.id, 1, Outcomes::ACCEPTED, "", v1::Notification::SENT, {}},
                                  {good.id, 1, Outcomes::ACCEPTED, "", v1::Notification::SENT, {}}});
  });
  EXPECT_EQ(*recorded, std::vector<Uuid>{good.id});
}

TEST_F(Claims, N5_ItIsDueAgainAfterThePause) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = ClaimOne();
  Record(*first, Outcomes::DEFERRED, v1::Notification::PENDING, "451 later", absl::Hours(1));
  EXPECT_FALSE(ClaimOne());
  EXPECT_EQ(database_.Sql("select next_attempt_time > now() + interval '59 minutes' and next_attempt_time < now() + "
                          "interval '61 minutes' from parley.notifications"),
            "t");
  MakeDue();
  EXPECT_TRUE(ClaimOne());
}

TEST_F(Claims, E10_OfADeletedEventBecomesCancelled) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  ASSERT_THAT(Delete(event_), test::Succeeds());
  const auto claimed = ClaimOne();
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->state, v1::Notification::CANCELLED);
  EXPECT_THAT(NotificationsOf(event_)[0].attempts, SizeIs(0));
  MakeDue();
  EXPECT_FALSE(ClaimOne());
}

TEST_F(Claims, N5_OneThatWasLostUntilItWasTooLateHasFailed) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  // However late, it is tried once.
  database_.Sql("update parley.notifications set pending_since = now() - interval '3 days'");
  EXPECT_EQ(ClaimOne()->state, v1::Notification::PENDING);
  MakeDue();
  EXPECT_EQ(ClaimOne()->state, v1::Notification::FAILED);
  EXPECT_EQ(NotificationsOf(event_)[0].attempts[0].outcome, Outcomes::UNKNOWN);
}

TEST_F(Claims, N5_ToSuppressedAddressesNothingIsSent) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"})), test::Succeeds());
  const std::string address_mac = suppression_key_.Mac(*ParseAddress("BOB@example.com"));
  Do([&](data::Transaction& tx) {
    return Suppressions(tx).Insert(address_mac, v1::Suppression::UNSUBSCRIBED, "");
  }).IgnoreError();
  const Claimed claimed = ClaimDue();
  ASSERT_THAT(claimed.deliveries, SizeIs(1));
  ASSERT_THAT(claimed.ended, SizeIs(1));
  EXPECT_EQ(claimed.ended[0].recipient_id, bob_.id);
  EXPECT_EQ(claimed.ended[0].state, v1::Notification::SUPPRESSED);
  for (const Notification& each : NotificationsOf(event_)) {
    EXPECT_EQ(each.state == v1::Notification::SUPPRESSED, each.recipient_id == bob_.id);
    EXPECT_EQ(each.attempts.empty(), each.recipient_id == bob_.id);
  }
}

TEST_F(Claims, ARecipientIsSentSoManyADay) {
  claim_settings_.max_daily_mails = 3;
  const data::Event other = MakeEvent();
  // Those of other events count, and those of which nobody knows whether they arrived; not those that were refused.
  NotifyOne(ann_, other, "bob@example.com");
  Record(*ClaimOne(), Outcomes::UNKNOWN, v1::Notification::FAILED);
  NotifyOne(ann_, other, "bob@example.com");
  Record(*ClaimOne(), Outcomes::REFUSED, v1::Notification::FAILED);
  for (int i = 0; i < 5; ++i) NotifyOne(ann_, event_, "bob@example.com");
  NotifyOne(ann_, event_, "cid@example.com");
  // Those of the same claim count as well.
  const Claimed claimed = ClaimDue();
  EXPECT_THAT(claimed.deliveries, SizeIs(3));  // two of them to bob
  EXPECT_EQ(claimed.due, 6);
  for (const Delivery& each : claimed.deliveries) Record(each.notification, Outcomes::ACCEPTED, v1::Notification::SENT);
  MakeDue();
  EXPECT_THAT(ClaimDue().deliveries, SizeIs(0));
  // They wait until the oldest is a day old, and have their time from then on.
  EXPECT_EQ(database_.Sql("select bool_and(next_attempt_time > now() + interval '23 hours 59 minutes' and "
                          "next_attempt_time = pending_since) from parley.notifications where state = 'PENDING'"),
            "t");
  MakeDue();
  database_.Sql("update parley.delivery_attempts set start_time = now() - interval '1 day' where outcome = 'UNKNOWN'");
  EXPECT_THAT(ClaimDue().deliveries, SizeIs(1));
}

TEST_F(Claims, MailsThatOthersAreSendingCountTowardsTheDay) {
  claim_settings_.max_daily_mails = 3;
  for (int i = 0; i < 2; ++i) {
    NotifyOne(ann_, event_, "bob@example.com");
    ASSERT_TRUE(ClaimOne());
  }
  for (int i = 0; i < 3; ++i) NotifyOne(ann_, event_, "bob@example.com");
  EXPECT_THAT(ClaimDue().deliveries, SizeIs(1));
  // The others wait a little: it is soon known how many were sent.
  EXPECT_EQ(database_.Sql("select string_agg((next_attempt_time - now() between interval '50 s' and interval '70 s')::"
                          "text, ' ') from parley.notifications where attempts = 0"),
            "true true");
}

TEST_F(Claims, OneThatWaitsForTheNextDayIsNotUnderWay) {
  const v1::Notification lost = NotifyOne(ann_, event_, "bob@example.com");
  ASSERT_TRUE(ClaimOne());
  NotifyOne(ann_, event_, "bob@example.com");
  Record(*ClaimOne(), Outcomes::ACCEPTED, v1::Notification::SENT);
  // Whoever had begun it has died.
  MakeDue();
  claim_settings_.max_daily_mails = 1;
  EXPECT_THAT(ClaimDue().deliveries, SizeIs(0));
  const auto waiting = Do([&](data::Transaction& tx) { return Notifications(tx).Find(event_.id, IdOf(lost)); }).value();
  EXPECT_EQ(waiting->state, v1::Notification::PENDING);
  EXPECT_GT(waiting->next_attempt_time, absl::Now());
  ASSERT_THAT(waiting->attempts, SizeIs(1));
  EXPECT_EQ(waiting->attempts[0].outcome, Outcomes::UNKNOWN);
  // So it can be cancelled.
  v1::CancelNotificationRequest request;
  request.set_name(lost.name());
  EXPECT_THAT(Run(&CancelNotification, CallOf(ann_), request), test::Succeeds());
}

}  // namespace
}  // namespace parley::notification
