// The worker threads of a service, behind one bounded queue (design decisions 1, 2 and 4). What arrives over gRPC is
// queued as a Task and run as plain blocking code; tasks of one hot method that wait together are run together, as one
// batch: when idle that is a batch of one, so there is one path and no added delay.
//
// The queue is split by shard: tasks with one shard run on one thread, in their order, so that the threads of a
// process do not wait for each other's row locks.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace parley::data {

class Task;

// What a task's method does. Shared by all tasks of the method; called by all threads at once.
class Work {
 public:
  virtual ~Work() = default;
  // 1 for plain methods.
  virtual size_t max_batch() const = 0;
  // Runs and finishes each of the tasks, at most max_batch() of them, all of this Work.
  virtual void Run(absl::Span<Task* const> tasks) = 0;
};

// Owned by whoever submits it, until it is finished: by Work::Run, or by Expire.
class Task {
 public:
  Task(Work& work, absl::Time deadline) : work_(work), deadline_(deadline) {}
  virtual ~Task() = default;
  // In place of Work::Run where the deadline passed, or the caller went away, while the task waited.
  virtual void Expire() = 0;
  virtual bool Abandoned() const = 0;
  Work& work() const { return work_; }
  absl::Time deadline() const { return deadline_; }

 private:
  Work& work_;
  const absl::Time deadline_;
};

class Workers {
 public:
  // At most `capacity` tasks wait, over all threads.
  Workers(int threads, int capacity);
  // Runs what is queued, then ends the threads. Whoever calls has seen to it that nothing is submitted any more.
  ~Workers();

  // Never waits. RESOURCE_EXHAUSTED (QUEUE_FULL): then the task stays the caller's. Thread-safe.
  absl::Status Submit(Task* task, uint64_t shard);

 private:
  struct Shard {
    absl::Mutex mutex;
    std::deque<Task*> queue ABSL_GUARDED_BY(mutex);
    bool stopping ABSL_GUARDED_BY(mutex) = false;
  };
  void RunShard(Shard& shard);

  const int capacity_;
  std::atomic<int> waiting_ = 0;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
};

}  // namespace parley::data
