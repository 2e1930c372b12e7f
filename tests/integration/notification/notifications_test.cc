#include "services/notification/notifications.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;

class Claims : public World {
 protected:
  std::optional<Notification> Claim(absl::Duration lease = absl::Minutes(1), int max_attempts = 12) {
    return Do([&](data::Transaction& tx) { return Notifications(tx).Claim(lease, max_attempts); }).value();
  }
  void Record(const Notification& claimed, const Recorded& recorded) {
    Do([&](data::Transaction& tx) {
      return Notifications(tx).Record(claimed.id, claimed.attempts_begun, recorded);
    }).IgnoreError();
  }
  void MakeDue() { database_.Sql("update parley.notifications set next_attempt_time = now()"); }

  const data::Event event_ = MakeEvent();
};

TEST_F(Claims, NobodyElseTakesItUntilTheLeaseIsUp) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = Claim();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->attempts_begun, 1);
  EXPECT_FALSE(Claim());
  MakeDue();
  const auto second = Claim();
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
    PARLEY_ASSIGN_OR_RETURN(const auto mine, Notifications(tx).Claim(absl::Minutes(1), 12));
    const auto other = Claim();
    EXPECT_TRUE(mine && other && mine->id != other->id);
    EXPECT_FALSE(Claim());
    return absl::OkStatus();
  }).IgnoreError();
}

TEST_F(Claims, ALateRecordDoesNotTouchTheNextAttempt) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = Claim();
  MakeDue();
  const auto second = Claim();
  Record(*first, {Outcomes::REFUSED, "550 no", v1::Notification::FAILED, absl::ZeroDuration()});
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::PENDING);
  Record(*second, {Outcomes::ACCEPTED, "", v1::Notification::SENT, absl::ZeroDuration()});
  const Notification after = NotificationsOf(event_)[0];
  EXPECT_EQ(after.state, v1::Notification::SENT);
  EXPECT_EQ(after.attempts[0].outcome, Outcomes::REFUSED);
  EXPECT_EQ(after.attempts[1].outcome, Outcomes::ACCEPTED);
  // Nor does a record change what has ended.
  Record(*second, {Outcomes::DEFERRED, "", v1::Notification::PENDING, absl::ZeroDuration()});
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::SENT);
}

TEST_F(Claims, N5_ItIsDueAgainAfterThePause) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto first = Claim();
  Record(*first, {Outcomes::DEFERRED, "451 later", v1::Notification::PENDING, absl::Hours(1)});
  EXPECT_FALSE(Claim());
  EXPECT_EQ(database_.Sql("select next_attempt_time > now() + interval '59 minutes' and next_attempt_time < now() + "
                          "interval '61 minutes' from parley.notifications"),
            "t");
  Record(*first, {Outcomes::DEFERRED, "451 later", v1::Notification::PENDING, absl::ZeroDuration()});
  EXPECT_TRUE(Claim());
}

TEST_F(Claims, E10_OfADeletedEventBecomesCancelled) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  ASSERT_THAT(Delete(event_), test::Succeeds());
  const auto claimed = Claim();
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->state, v1::Notification::CANCELLED);
  EXPECT_THAT(NotificationsOf(event_)[0].attempts, SizeIs(0));
  MakeDue();
  EXPECT_FALSE(Claim());
}

TEST_F(Claims, OneThatWasLostAtItsLastAttemptHasFailed) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  Claim(absl::Minutes(1), 1);
  MakeDue();
  EXPECT_EQ(Claim(absl::Minutes(1), 1)->state, v1::Notification::FAILED);
  EXPECT_EQ(NotificationsOf(event_)[0].attempts[0].outcome, Outcomes::UNKNOWN);
}

class Sweeps : public Claims {
 protected:
  int64_t Sweep() {
    return Do([](data::Transaction& tx) { return Notifications(tx).CancelOfDeletedEvents(); }).value();
  }
};

TEST_F(Sweeps, E10_CancelWhatIsUnsentOfDeletedEvents) {
  const data::Event other = MakeEvent();
  const data::Event third = MakeEvent();
  // One that waits for a retry, one that is due, and others.
  NotifyOne(ann_, event_, "bob@example.com");
  Record(*Claim(), {Outcomes::DEFERRED, "451 later", v1::Notification::PENDING, absl::Hours(1)});
  NotifyOne(ann_, event_, "bob@example.com");
  SetState(NotifyOne(ann_, other, "bob@example.com"), "SENT");
  SetState(NotifyOne(ann_, other, "bob@example.com"), "FAILED");
  SetState(NotifyOne(ann_, other, "bob@example.com"), "SUPPRESSED");
  NotifyOne(ann_, third, "bob@example.com");
  EXPECT_EQ(Sweep(), 0);
  ASSERT_THAT(Delete(event_), test::Succeeds());
  ASSERT_THAT(Delete(other), test::Succeeds());
  EXPECT_EQ(Sweep(), 2);
  for (const Notification& each : NotificationsOf(event_)) EXPECT_EQ(each.state, v1::Notification::CANCELLED);
  for (const Notification& each : NotificationsOf(other)) EXPECT_NE(each.state, v1::Notification::CANCELLED);
  EXPECT_EQ(NotificationsOf(third)[0].state, v1::Notification::PENDING);
  EXPECT_EQ(Sweep(), 0);
}

TEST_F(Sweeps, E10_LeaveWhatIsBeingSent) {
  NotifyOne(ann_, event_, "bob@example.com");
  const auto claimed = Claim();
  ASSERT_THAT(Delete(event_), test::Succeeds());
  EXPECT_EQ(Sweep(), 0);
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::PENDING);
  // Its lease is up: nobody knows.
  MakeDue();
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::CANCELLED);
  EXPECT_EQ(NotificationsOf(event_)[0].attempts[0].outcome, Outcomes::UNKNOWN);
}

TEST_F(Sweeps, E10_WaitForNobody) {
  NotifyOne(ann_, event_, "bob@example.com");
  ASSERT_THAT(Delete(event_), test::Succeeds());
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(Notifications(tx).Lock(event_.id, NotificationsOf(event_)[0].id).status());
    EXPECT_EQ(Sweep(), 0);
    return absl::OkStatus();
  }).IgnoreError();
  EXPECT_EQ(Sweep(), 1);
}

}  // namespace
}  // namespace parley::notification
