#include "common/rpc/limiter.h"

#include "google/rpc/error_details.pb.h"
#include "tests/support/status_matchers.h"

namespace parley::rpc {
namespace {

using test::Fails;
using test::Succeeds;

const auto kLimited = Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED);

class LimiterTest : public testing::Test {
 protected:
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1000);
  std::function<absl::Time()> clock_ = [this] { return now_; };
};

absl::Duration RetryAfter(const absl::Status& status) {
  google::rpc::RetryInfo info;
  info.ParseFromString(std::string(*status.GetPayload("type.googleapis.com/google.rpc.RetryInfo")));
  return absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos());
}

TEST_F(LimiterTest, LetsABurstThroughAndThenTheRate) {
  Limiter limiter(absl::Milliseconds(100), 3, clock_);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
  for (int i = 0; i < 5; ++i) {
    now_ += absl::Milliseconds(100);
    EXPECT_THAT(limiter.Take("a"), Succeeds());
    EXPECT_THAT(limiter.Take("a"), kLimited);
  }
}

TEST_F(LimiterTest, TellsWhenToComeAgain) {
  Limiter limiter(absl::Milliseconds(100), 1, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  now_ += absl::Milliseconds(30);
  const absl::Status limited = limiter.Take("a");
  ASSERT_THAT(limited, kLimited);
  EXPECT_EQ(RetryAfter(limited), absl::Milliseconds(70));
  now_ += absl::Milliseconds(70);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
}

TEST_F(LimiterTest, RefusedCallsCostNothing) {
  Limiter limiter(absl::Milliseconds(100), 1, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  for (int i = 0; i < 100; ++i) EXPECT_THAT(limiter.Take("a"), kLimited);
  now_ += absl::Milliseconds(100);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
}

TEST_F(LimiterTest, WhatIsGivenBackWasNotTaken) {
  Limiter limiter(absl::Milliseconds(100), 2, clock_);
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(limiter.Take("a"), Succeeds());
    limiter.GiveBack("a");
  }
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
  limiter.GiveBack("b");
  EXPECT_THAT(limiter.Take("a"), kLimited);
  limiter.GiveBack("a");
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
}

TEST_F(LimiterTest, WhatIsGivenBackLateMakesNoBucketMoreThanFull) {
  Limiter limiter(absl::Milliseconds(100), 2, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  now_ += absl::Hours(1);
  limiter.GiveBack("a");
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
}

TEST_F(LimiterTest, CallersDoNotMeet) {
  Limiter limiter(absl::Seconds(1), 1, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("b"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
}

TEST_F(LimiterTest, ABucketIsNeverMoreThanFull) {
  Limiter limiter(absl::Milliseconds(100), 2, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  now_ += absl::Hours(1);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
}

TEST_F(LimiterTest, AClockThatIsSetBackShutsNobodyOut) {
  Limiter limiter(absl::Milliseconds(100), 2, clock_);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  now_ -= absl::Hours(1);
  EXPECT_THAT(limiter.Take("a"), kLimited);
  now_ += absl::Milliseconds(100);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
}

TEST_F(LimiterTest, ForgetsWhoCalledLongestAgo) {
  Limiter limiter(absl::Seconds(1), 1, clock_, 2);
  EXPECT_THAT(limiter.Take("a"), Succeeds());
  EXPECT_THAT(limiter.Take("b"), Succeeds());
  EXPECT_THAT(limiter.Take("a"), kLimited);
  EXPECT_THAT(limiter.Take("c"), Succeeds());  // b is forgotten
  EXPECT_THAT(limiter.Take("a"), kLimited);
  EXPECT_THAT(limiter.Take("b"), Succeeds());
}

}  // namespace
}  // namespace parley::rpc
