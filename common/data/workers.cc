#include "common/data/workers.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

// Who does not get on with a batch, because it waits for a row of another process, say, keeps the others no longer.
constexpr absl::Duration kPatience = absl::Milliseconds(20);

}  // namespace

class Workers::HeldTurn final : public Turn {
 public:
  HeldTurn(Workers& workers, bool is_held) : workers_(workers), is_held_(is_held) {}
  ~HeldTurn() override { Pass(); }
  void Pass() override {
    if (!is_held_) return;
    is_held_ = false;
    absl::MutexLock lock(&workers_.mutex_);
    workers_.is_turn_taken_ = false;
  }

 private:
  Workers& workers_;
  bool is_held_;
};

Workers::Workers(int threads, int capacity) : capacity_(static_cast<size_t>(capacity)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { RunThread(); });
}

Workers::~Workers() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  for (auto& thread : threads_) thread.join();
}

absl::Status Workers::Submit(Task* task) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= capacity_) return QueueFull();
  queue_.push_back(task);
  if (task->work().max_batch() == 1) ++plain_;
  return absl::OkStatus();
}

void Workers::RunThread() {
  std::vector<Task*> batch;
  std::vector<Task*> expired;
  while (true) {
    batch.clear();
    expired.clear();
    bool takes_turn = false;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !queue_.empty() || is_stopping_; };
      mutex_.Await(absl::Condition(&has_work));
      const auto may_run = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !is_turn_taken_ || plain_ > 0 || queue_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&may_run), kPatience);
      if (queue_.empty() && is_stopping_) return;
      if (queue_.empty()) continue;
      // All of the method that the first one is of that may run.
      const bool only_plain = is_turn_taken_ && plain_ > 0;
      const auto first =
          std::ranges::find_if(queue_, [&](Task* task) { return !only_plain || task->work().max_batch() == 1; });
      Work& work = (*first)->work();
      const absl::Time now = absl::Now();
      std::erase_if(queue_, [&](Task* task) {
        if (&task->work() != &work || batch.size() == work.max_batch()) return false;
        (task->deadline() <= now || task->Abandoned() ? expired : batch).push_back(task);
        return true;
      });
      if (work.max_batch() == 1) plain_ -= batch.size() + expired.size();
      takes_turn = !batch.empty() && work.max_batch() > 1 && !is_turn_taken_;
      if (takes_turn) is_turn_taken_ = true;
    }
    for (Task* task : expired) task->Expire();
    HeldTurn turn(*this, takes_turn);
    if (!batch.empty()) batch.front()->work().Run(batch, turn);
  }
}

}  // namespace parley::data
