#include "common/data/chore.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace parley::data {
namespace {

// Counts its steps, and rests for as long as it is told to.
class Counter {
 public:
  explicit Counter(absl::Duration rest) : rest_(rest) { chore_.Start(); }

  bool Await(int steps) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [this, steps]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return steps_ >= steps; };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }
  int steps() {
    absl::MutexLock lock(&mutex_);
    return steps_;
  }
  Chore& chore() { return chore_; }

 private:
  const absl::Duration rest_;
  absl::Mutex mutex_;
  int steps_ ABSL_GUARDED_BY(mutex_) = 0;
  Chore chore_{[this] {
    absl::MutexLock lock(&mutex_);
    ++steps_;
    return rest_;
  }};
};

TEST(ChoreTest, ItIsDoneAgainAndAgain) {
  Counter counter(absl::ZeroDuration());
  EXPECT_TRUE(counter.Await(100));
}

TEST(ChoreTest, OneThatRestsIsWokenAndEnded) {
  Counter counter(absl::Hours(1));
  ASSERT_TRUE(counter.Await(1));
  for (int steps = 2; steps < 20; ++steps) {
    counter.chore().Wake();
    ASSERT_TRUE(counter.Await(steps));
  }
  EXPECT_EQ(counter.steps(), 19);
}

}  // namespace
}  // namespace parley::data
