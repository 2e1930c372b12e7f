// Whose credential is it? Asks the token service, and keeps its answers, good and bad, for a moment (design decision
// 3): half a second from the time of asking and never past the credential's expiry. Calls that come meanwhile with the
// same credential share one question and its answer. What is kept is bounded, and holds hashes, not keys. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/rpc/principal.h"

namespace parley::gateway {

// What a call brings to say who makes it.
struct Presented {
  std::string key;
  std::string act_for;  // the address of the user to act for; empty for none
};

// What the token service says of it.
struct Credential {
  rpc::Principal principal;
  absl::Time expire_time = absl::InfiniteFuture();
};

class Authenticator {
 public:
  using Answer = absl::StatusOr<rpc::Principal>;
  using Done = std::function<void(const Answer&)>;
  // Asks; returns at once, and calls the function that it is given once, on any thread. `call_id` is of the call that
  // asked first.
  using Check = std::function<void(const Presented& presented, std::string_view call_id,
                                   std::function<void(absl::StatusOr<Credential>)> done)>;

  explicit Authenticator(Check check, std::function<absl::Time()> clock = absl::Now, size_t max_answers = 16384);

  // Calls `done` once: at once where the answer is known, else on the thread that brings it. Errors are those of
  // CheckCredential, and UNAVAILABLE.
  void Authenticate(const Presented& presented, std::string_view call_id, Done done);

 private:
  // Asked, and perhaps answered.
  struct Question {
    std::string digest;  // of what was presented
    absl::Time start;
    absl::Time end;  // the answer is good in [start, end)
    std::optional<Answer> answer;
    std::vector<Done> waiting;
  };

  std::shared_ptr<Question> AskLocked(std::string digest, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(Question& question, absl::StatusOr<Credential> credential);

  const Check check_;
  const std::function<absl::Time()> clock_;
  const size_t max_answers_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Question>> questions_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Question>> by_start_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::gateway
