// What becomes of attempts that are old; of what they did to calendars, ended_events_test.cc.
#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"
#include "tests/support/purging.h"

namespace parley::notification {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;

constexpr absl::Duration kKeep = absl::Hours(90 * 24);

absl::StatusOr<data::Purged> PurgeAttempts(data::Transaction& tx, absl::Time from) {
  return Deliveries(tx).Purge(kKeep, from);
}

class OldAttempts : public World {
 protected:
  int64_t Purge() {
    return Do([](data::Transaction& tx) { return PurgeAttempts(tx, absl::InfinitePast()); })->rows;
  }
  void Age(const std::string& age) {
    database_.Sql("update parley.delivery_attempts set start_time = now() - interval '" + age + "'");
  }
  Notification Read(const v1::Notification& notification) {
    return **Do([&](data::Transaction& tx) { return Notifications(tx).Find(event_.id, IdOf(notification)); });
  }

  const data::Event event_ = MakeEvent();
};

TEST_F(OldAttempts, N5_GoInTimeAndLeaveTheirNotification) {
  const v1::Notification told = NotifyOne(ann_, event_, "bob@example.com");
  Record(*ClaimOne(), Outcomes::DEFERRED, v1::Notification::PENDING, "450 later");
  Record(*ClaimOne(), Outcomes::ACCEPTED, v1::Notification::SENT);
  Age("89 days 23 hours 59 minutes");
  EXPECT_EQ(Purge(), 0);
  EXPECT_THAT(Read(told).attempts, SizeIs(2));
  Age("90 days 1 second");
  EXPECT_EQ(Purge(), 2);
  const Notification left = Read(told);
  EXPECT_THAT(left.attempts, IsEmpty());
  EXPECT_EQ(left.state, v1::Notification::SENT);
  EXPECT_EQ(left.attempts_begun, 2);
}

TEST_F(OldAttempts, N5_OneThatMayBeUnderWayStaysUntilItIsKnownHowItEnded) {
  const v1::Notification told = NotifyOne(ann_, event_, "bob@example.com");
  const auto begun = ClaimOne();
  Age("91 days");
  EXPECT_EQ(Purge(), 0);
  EXPECT_TRUE(Record(*begun, Outcomes::DEFERRED, v1::Notification::PENDING));
  EXPECT_EQ(Purge(), 1);
  // The next one is the second all the same.
  EXPECT_EQ(ClaimOne()->attempts_begun, 2);
  EXPECT_THAT(Read(told).attempts, SizeIs(1));
}

TEST_F(OldAttempts, AStepCostsTheSameHoweverMuchHasGoneAndHoweverMuchStays) {
  constexpr int kSteps = static_cast<int>(5000 / data::kPurgeRows);
  // Of all ages, those of one time not side by side; each changed its recipient's calendar.
  database_.Sql(absl::StrCat(R"(
    insert into parley.notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
                                      next_attempt_time, pending_since, cause)
    select gen_random_uuid(), ')",
                             event_.id.ToString(), "', '", bob_.id.ToString(), "', '", ann_.id.ToString(), R"(', 'SENT',
           now() - (i * 7919 % 10001) * interval '180 days' / 10001, 1, now(), now(), 'NOTIFY_PARTIES'
    from generate_series(1, 10001) i;
    insert into parley.delivery_attempts (notification_id, attempt, start_time, end_time, outcome, detail, recipient_id,
                                          calendar_method, calendar_sequence)
    select notification_id, 1, create_time, create_time, 'ACCEPTED', '', recipient_id, 'REQUEST', 8
    from parley.notifications;
    analyze parley.notifications, parley.delivery_attempts)"));
  const test::LongReader reader(pool_);
  const auto costs = test::CostOfSteps(pool_, &PurgeAttempts);
  test::ExpectEqualCosts(costs, kSteps);
  EXPECT_LE(costs.back().rows, 2 * data::kPurgeRows) << "where only what is young is left";
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.delivery_attempts"), "5001");
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.notifications where calendar_request = 8"), "5000");
}

}  // namespace
}  // namespace parley::notification
