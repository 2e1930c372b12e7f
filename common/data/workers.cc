#include "common/data/workers.h"

#include "absl/time/clock.h"
#include "common/status/status.h"

namespace parley::data {

Workers::Workers(int threads, int capacity) : capacity_(capacity) {
  for (int i = 0; i < threads; ++i) {
    shards_.push_back(std::make_unique<Shard>());
    threads_.emplace_back([this, shard = shards_.back().get()] { RunShard(*shard); });
  }
}

Workers::~Workers() {
  for (const auto& shard : shards_) {
    absl::MutexLock lock(&shard->mutex);
    shard->stopping = true;
  }
  for (auto& thread : threads_) thread.join();
}

absl::Status Workers::Submit(Task* task, uint64_t shard) {
  if (waiting_.fetch_add(1) >= capacity_) {
    waiting_.fetch_sub(1);
    return QueueFull();
  }
  Shard& home = *shards_[shard % shards_.size()];
  absl::MutexLock lock(&home.mutex);
  home.queue.push_back(task);
  return absl::OkStatus();
}

void Workers::RunShard(Shard& shard) {
  std::vector<Task*> batch;
  std::vector<Task*> expired;
  while (true) {
    batch.clear();
    expired.clear();
    {
      absl::MutexLock lock(&shard.mutex);
      auto has_work = [&shard]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) { return !shard.queue.empty() || shard.stopping; };
      shard.mutex.Await(absl::Condition(&has_work));
      if (shard.queue.empty()) return;
      // From the front on, as long as it is the same method: what was asked first for one event is done first.
      Work& work = shard.queue.front()->work();
      const absl::Time now = absl::Now();
      while (!shard.queue.empty() && &shard.queue.front()->work() == &work && batch.size() < work.max_batch()) {
        Task* task = shard.queue.front();
        shard.queue.pop_front();
        (task->deadline() <= now || task->Abandoned() ? expired : batch).push_back(task);
      }
    }
    waiting_.fetch_sub(static_cast<int>(batch.size() + expired.size()));
    for (Task* task : expired) task->Expire();
    if (!batch.empty()) batch.front()->work().Run(batch);
  }
}

}  // namespace parley::data
