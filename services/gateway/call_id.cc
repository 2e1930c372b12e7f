#include "services/gateway/call_id.h"

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace parley::gateway {

std::string MakeCallId() {
  thread_local absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

}  // namespace parley::gateway
