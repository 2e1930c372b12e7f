#include "common/rpc/limiter.h"

#include <algorithm>
#include <utility>

#include "common/status/status.h"

namespace parley::rpc {

Limiter::Limiter(absl::Duration interval, int burst, std::function<absl::Time()> clock, size_t max_callers)
    : interval_(interval), whole_(interval_ * burst), clock_(std::move(clock)), max_callers_(max_callers) {}

absl::Status Limiter::Take(std::string_view caller) {
  const absl::Time now = clock_();
  absl::MutexLock lock(&mutex_);
  const auto found = by_caller_.find(absl::string_view(caller.data(), caller.size()));
  if (found != by_caller_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  } else {
    if (buckets_.size() >= max_callers_) {
      by_caller_.erase(buckets_.back().caller);
      buckets_.pop_back();
    }
    buckets_.push_front({std::string(caller), now});
    by_caller_[buckets_.front().caller] = buckets_.begin();
  }
  Bucket& bucket = buckets_.front();
  // The clock may have been set back: no bucket is more than empty.
  bucket.full_time = std::clamp(bucket.full_time, now, now + whole_);
  const absl::Duration wait = bucket.full_time + interval_ - (now + whole_);
  if (wait > absl::ZeroDuration()) return RateLimited("too many calls by this caller", wait);
  bucket.full_time += interval_;
  return absl::OkStatus();
}

void Limiter::GiveBack(std::string_view caller) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_caller_.find(absl::string_view(caller.data(), caller.size()));
  // One that has been forgotten is full. A time in the past means no more than that either.
  if (found != by_caller_.end()) found->second->full_time -= interval_;
}

}  // namespace parley::rpc
