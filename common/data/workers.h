// The worker threads of a service, behind one bounded queue (design decisions 1, 2 and 4). What arrives over gRPC is
// queued as a Task and run as plain blocking code; tasks of one hot method that wait together are run together, as one
// batch: when idle that is a batch of one, so there is one path and no added delay.
//
// Batches take turns: one thread at a time runs the statements of one, and while it waits for its commit the next one
// has its turn with all that was queued meanwhile, unless that needs the same rows. So batches are as large as can be,
// and the disk keeps nobody waiting. Plain methods need no turn. Calls that are under way at once have no order.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace parley::data {

class Task;

// A batch's turn: over with the batch at the latest.
class Turn {
 public:
  virtual ~Turn() = default;
  // Only the commit is left, or nothing is changed at all. Further calls change nothing.
  virtual void Pass() = 0;
};

// What a task's method does. Shared by all tasks of the method; called by all threads at once.
class Work {
 public:
  virtual ~Work() = default;
  // 1 for plain methods.
  virtual size_t max_batch() const = 0;
  // Runs and finishes each of the tasks, at most max_batch() of them, all of this Work.
  virtual void Run(absl::Span<Task* const> tasks, Turn& turn) = 0;
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
  // At most `capacity` tasks wait.
  Workers(int threads, int capacity);
  // Runs what is queued, then ends the threads. Whoever calls has seen to it that nothing is submitted any more.
  ~Workers();

  // Never waits. RESOURCE_EXHAUSTED (QUEUE_FULL): then the task stays the caller's. Thread-safe.
  absl::Status Submit(Task* task);

 private:
  class HeldTurn;
  void RunThread();

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<Task*> queue_ ABSL_GUARDED_BY(mutex_);
  size_t plain_ ABSL_GUARDED_BY(mutex_) = 0;  // tasks in the queue that need no turn
  bool is_turn_taken_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace parley::data
