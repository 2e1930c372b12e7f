#include "common/data/workers.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

class TestTask final : public Task {
 public:
  TestTask(Work& the_work, int its_number, absl::Time its_deadline = absl::InfiniteFuture())
      : Task(the_work, its_deadline), number(its_number) {}
  void Expire() override { expired.Notify(); }
  bool Abandoned() const override { return abandoned; }

  const int number;
  bool abandoned = false;
  absl::Notification expired;
};

// Holds the thread at its first task until `gate` opens, then notes which batches it was given. Passes its turn first,
// where it is to.
class GatedWork final : public Work {
 public:
  explicit GatedWork(size_t max_batch, bool passes_turn = false) : max_batch_(max_batch), passes_turn_(passes_turn) {}
  size_t max_batch() const override { return max_batch_; }
  void Run(absl::Span<Task* const> tasks, Turn& turn) override {
    if (passes_turn_) turn.Pass();
    if (!entered.HasBeenNotified()) entered.Notify();
    gate.WaitForNotification();
    std::vector<int> numbers;
    for (Task* task : tasks) numbers.push_back(static_cast<TestTask*>(task)->number);
    absl::MutexLock lock(&mutex);
    batches.push_back(numbers);
  }

  absl::Notification entered, gate;
  absl::Mutex mutex;
  std::vector<std::vector<int>> batches;

 private:
  const size_t max_batch_;
  const bool passes_turn_;
};

using Batches = std::vector<std::vector<int>>;

TEST(WorkersTest, WhatWaitsTogetherRunsTogether) {
  GatedWork hot(3), plain(1);
  plain.gate.Notify();
  std::vector<std::unique_ptr<TestTask>> tasks;
  {
    Workers workers(1, 100);
    auto submit = [&](Work& work, int number) {
      tasks.push_back(std::make_unique<TestTask>(work, number));
      ASSERT_THAT(workers.Submit(tasks.back().get()), test::Succeeds());
    };
    submit(hot, 0);
    hot.entered.WaitForNotification();
    for (int i = 1; i <= 4; ++i) submit(hot, i);
    submit(plain, 5);
    submit(plain, 6);
    submit(hot, 7);
    hot.gate.Notify();
  }
  EXPECT_EQ(hot.batches, (Batches{{0}, {1, 2, 3}, {4, 7}}));
  EXPECT_EQ(plain.batches, (Batches{{5}, {6}}));
}

TEST(WorkersTest, AFullQueueRefusesAtOnce) {
  GatedWork work(1);
  TestTask first(work, 0), second(work, 1), third(work, 2);
  Workers workers(1, 1);
  ASSERT_THAT(workers.Submit(&first), test::Succeeds());
  work.entered.WaitForNotification();
  ASSERT_THAT(workers.Submit(&second), test::Succeeds());
  EXPECT_THAT(workers.Submit(&third), test::Fails(absl::StatusCode::kResourceExhausted, error::v1::QUEUE_FULL));
  work.gate.Notify();
}

TEST(WorkersTest, WhatIsTooLateNeverRuns) {
  GatedWork work(10);
  TestTask first(work, 0), late(work, 1, absl::Now() - absl::Seconds(1)), gone(work, 2), good(work, 3);
  gone.abandoned = true;
  {
    Workers workers(1, 10);
    ASSERT_THAT(workers.Submit(&first), test::Succeeds());
    work.entered.WaitForNotification();
    for (TestTask* task : {&late, &gone, &good}) ASSERT_THAT(workers.Submit(task), test::Succeeds());
    work.gate.Notify();
  }
  EXPECT_TRUE(late.expired.HasBeenNotified());
  EXPECT_TRUE(gone.expired.HasBeenNotified());
  EXPECT_EQ(work.batches, (Batches{{0}, {3}}));
}

TEST(WorkersTest, OneBatchHasItsTurnUntilOnlyItsCommitIsLeft) {
  GatedWork committing(10, true), running(10);
  TestTask first(committing, 0), second(running, 1);
  {
    Workers workers(3, 10);
    ASSERT_THAT(workers.Submit(&first), test::Succeeds());
    committing.entered.WaitForNotification();
    ASSERT_THAT(workers.Submit(&second), test::Succeeds());
    // Beside the first, which has passed its turn.
    EXPECT_TRUE(running.entered.WaitForNotificationWithTimeout(absl::Seconds(30)));
    committing.gate.Notify();
    running.gate.Notify();
  }
  EXPECT_EQ(committing.batches, (Batches{{0}}));
  EXPECT_EQ(running.batches, (Batches{{1}}));
}

TEST(WorkersTest, PlainTasksWaitForNoTurn) {
  GatedWork held(10), plain(1);
  plain.gate.Notify();
  TestTask first(held, 0), other(plain, 1);
  {
    Workers workers(2, 10);
    ASSERT_THAT(workers.Submit(&first), test::Succeeds());
    held.entered.WaitForNotification();
    ASSERT_THAT(workers.Submit(&other), test::Succeeds());
    EXPECT_TRUE(plain.entered.WaitForNotificationWithTimeout(absl::Seconds(30)));
    held.gate.Notify();
  }
  EXPECT_EQ(plain.batches, (Batches{{1}}));
}

// Who waits for a row of another process keeps nobody for long.
TEST(WorkersTest, ATurnThatIsNotPassedIsWaitedForInVainButNotForever) {
  GatedWork stuck(10), next(10);
  next.gate.Notify();
  TestTask first(stuck, 0), second(next, 1);
  Workers workers(2, 10);
  ASSERT_THAT(workers.Submit(&first), test::Succeeds());
  stuck.entered.WaitForNotification();
  const absl::Time submitted = absl::Now();
  ASSERT_THAT(workers.Submit(&second), test::Succeeds());
  EXPECT_TRUE(next.entered.WaitForNotificationWithTimeout(absl::Seconds(30)));
  EXPECT_GE(absl::Now() - submitted, absl::Milliseconds(15));
  stuck.gate.Notify();
}

}  // namespace
}  // namespace parley::data
