#include "common/data/chore.h"

namespace parley::data {

void Chore::EndSoon() {
  absl::MutexLock lock(&mutex_);
  stopping_ = awake_ = true;
}

void Chore::Stop() {
  EndSoon();
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
}

void Chore::Start() {
  absl::MutexLock lock(&mutex_);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { Run(); });
}

void Chore::Wake() {
  absl::MutexLock lock(&mutex_);
  awake_ = true;
}

void Chore::Run() {
  while (true) {
    const absl::Duration rest = step_();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&awake_), rest);
    if (stopping_) return;
    awake_ = false;
  }
}

}  // namespace parley::data
