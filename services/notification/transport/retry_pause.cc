#include "services/notification/transport/retry_pause.h"

#include <algorithm>
#include <cmath>

#include "absl/random/distributions.h"

namespace parley::notification {

namespace {
constexpr absl::Duration kMaxRetryPause = absl::Hours(1);
constexpr double kJitter = 0.25;
}  // namespace

absl::Duration RetryPause(absl::Duration first, int64_t attempt, absl::BitGenRef random) {
  // 2^40 times the shortest pause is longer than any.
  const double doubled = std::exp2(static_cast<double>(std::clamp<int64_t>(attempt - 1, 0, 40)));
  return std::min(first * doubled, kMaxRetryPause) * absl::Uniform(random, 1 - kJitter, 1 + kJitter);
}

}  // namespace parley::notification
