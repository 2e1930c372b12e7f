// What a service does by itself, again and again, besides its calls: on a thread of its own.
#pragma once

#include <functional>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace parley::data {

class Chore {
 public:
  // `step` does some of it, and answers how long to rest before the next time.
  explicit Chore(std::function<absl::Duration()> step) : step_(std::move(step)) {}
  ~Chore() { Stop(); }

  // From now on. Further calls change nothing.
  void Start();
  // There is no further step. Does not wait for the one that is under way. Thread-safe.
  void EndSoon();
  // As EndSoon, and waits.
  void Stop();
  // Ends the rest that it takes, or the next one before it begins. Thread-safe.
  void Wake();

 private:
  void Run();

  const std::function<absl::Duration()> step_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;  // or to be
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::data
