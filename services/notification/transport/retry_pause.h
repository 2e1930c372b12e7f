// How long to wait before what could not be sent is tried again.
#pragma once

#include <cstdint>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"

namespace parley::notification {

// The pause after the attempt of this number (1, 2, 3 ...): `first`, doubled by each further one up to an hour, and
// moved at random by at most a quarter, so that what failed together does not come back together.
absl::Duration RetryPause(absl::Duration first, int64_t attempt, absl::BitGenRef random);

}  // namespace parley::notification
