#include "common/data/chore.h"

namespace parley::data {

Chore::~Chore() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
}

void Chore::Start() {
  absl::MutexLock lock(&mutex_);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { Run(); });
}

void Chore::Run() {
  while (true) {
    const absl::Duration rest = step_();
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), rest)) return;
  }
}

}  // namespace parley::data
