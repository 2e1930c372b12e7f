// How often each caller may do something: a token bucket for each. Kept in this process's memory alone, and bounded: a
// caller that has been forgotten begins again with a full bucket. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace parley::rpc {

class Limiter {
 public:
  // At once a caller may make `burst` calls, in the long run one each `interval`. At most `max_callers` are remembered.
  Limiter(absl::Duration interval, int burst, std::function<absl::Time()> clock = absl::Now,
          size_t max_callers = 65536);

  // OK, or RESOURCE_EXHAUSTED (RATE_LIMITED) with the time after which the next call would be let through.
  absl::Status Take(std::string_view caller);
  // Undoes one Take that let a call through.
  void GiveBack(std::string_view caller);

 private:
  struct Bucket {
    std::string caller;
    // A bucket fills by one each `interval_`: when it will be full tells how much is missing.
    absl::Time full_time;
  };

  const absl::Duration interval_;
  const absl::Duration whole_;  // how long an empty bucket takes to be full
  const std::function<absl::Time()> clock_;
  const size_t max_callers_;
  absl::Mutex mutex_;
  std::list<Bucket> buckets_ ABSL_GUARDED_BY(mutex_);  // the one used last is the first
  absl::flat_hash_map<std::string, std::list<Bucket>::iterator> by_caller_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::rpc
