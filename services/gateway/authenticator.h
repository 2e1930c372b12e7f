// Whose credential is it? Asks the token service, and keeps its answers, good and bad, for a moment (design decision
// 3): half a second from the time of asking and never past the credential's expiry. Calls that come meanwhile with the
// same credential share one question and its answer.
//
// Guesses are limited by the peer from which they come (T2): each question about a key takes one from the peer's
// bucket, which is given back where the key turns out good, so that those that are not answered yet count as well.
// Where the bucket is empty, keys are refused unasked, but not those that were good in the last ten minutes: a flood of
// guesses must not shut out others who call from the same address, such as that of a proxy.
//
// What is kept is bounded, and holds hashes, not keys. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <list>
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
#include "common/rpc/limiter.h"
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

  // `bad_keys` counts bad keys by peer, and must outlive it. At most `max_kept` answers and as many known keys are
  // kept.
  Authenticator(Check check, rpc::Limiter& bad_keys, std::function<absl::Time()> clock = absl::Now,
                size_t max_kept = 16384);

  // Calls `done` once: at once where the answer is known, else on the thread that brings it. Errors are those of
  // CheckCredential, UNAVAILABLE, and RESOURCE_EXHAUSTED (RATE_LIMITED) where too many keys of this peer were bad.
  void Authenticate(const Presented& presented, const std::string& peer, std::string_view call_id, Done done);

 private:
  // Asked, and perhaps answered.
  struct Question {
    std::string digest;      // of what was presented
    std::string key_digest;  // of the key alone
    std::string peer;
    bool was_known;  // else it has taken one from the peer's bucket
    absl::Time start;
    absl::Time end;  // the answer is good in [start, end)
    std::optional<Answer> answer;
    std::vector<Done> waiting;
  };

  // A key that was good, whoever its holder acted for.
  struct KnownKey {
    std::string digest;
    absl::Time time;  // of the answer
  };

  absl::StatusOr<std::shared_ptr<Question>> AskLocked(std::string digest, std::string key_digest,
                                                      const std::string& peer, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsKnown(const std::string& key_digest, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddKnown(const std::string& key_digest, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveKnown(const std::string& key_digest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(Question& question, absl::StatusOr<Credential> credential);

  const Check check_;
  const std::function<absl::Time()> clock_;
  const size_t max_kept_;
  rpc::Limiter& bad_keys_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Question>> questions_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Question>> by_start_ ABSL_GUARDED_BY(mutex_);
  std::list<KnownKey> known_keys_ ABSL_GUARDED_BY(mutex_);  // the one that was good last is the first
  absl::flat_hash_map<std::string, std::list<KnownKey>::iterator> known_by_digest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::gateway
