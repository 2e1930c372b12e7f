#include "services/gateway/authenticator.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "common/status/status.h"

namespace parley::gateway {
namespace {

constexpr absl::Duration kLifetime = absl::Milliseconds(500);
constexpr absl::Duration kKnownTime = absl::Minutes(10);

// The key has no control characters, so that the two parts cannot be mistaken.
std::string DigestOf(const Presented& presented) {
  std::string text = presented.key;
  text.push_back('\0');
  text.append(presented.act_for);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// What is said of the credential, and not of the moment.
bool IsKept(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return true;
    default:
      return false;
  }
}

}  // namespace

Authenticator::Authenticator(Check check, rpc::Limiter& bad_keys, std::function<absl::Time()> clock, size_t max_kept)
    : check_(std::move(check)), clock_(std::move(clock)), max_kept_(max_kept), bad_keys_(bad_keys) {}

void Authenticator::Authenticate(const Presented& presented, const std::string& peer, std::string_view call_id,
                                 Done done) {
  std::string digest = DigestOf(presented);
  const absl::Time now = clock_();
  std::shared_ptr<Question> question;
  std::optional<Answer> known;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = questions_.find(digest);
    // Not before the start either: the clock may have been set back.
    if (found != questions_.end() && found->second->start <= now && now < found->second->end) {
      if (!found->second->answer) {
        found->second->waiting.push_back(std::move(done));
        return;
      }
      known = found->second->answer;
    } else {
      auto asked = AskLocked(std::move(digest), DigestOf({presented.key, ""}), peer, now);
      if (asked.ok()) {
        question = *std::move(asked);
        question->waiting.push_back(std::move(done));
      } else {
        known = asked.status();
      }
    }
  }
  if (known) return done(*known);
  check_(presented, call_id, [this, question = std::move(question)](absl::StatusOr<Credential> credential) {
    Settle(*question, std::move(credential));
  });
}

absl::StatusOr<std::shared_ptr<Authenticator::Question>> Authenticator::AskLocked(std::string digest,
                                                                                  std::string key_digest,
                                                                                  const std::string& peer,
                                                                                  absl::Time now) {
  const bool is_known = IsKnown(key_digest, now);
  if (!is_known) PARLEY_RETURN_IF_ERROR(bad_keys_.Take(peer));
  while (!by_start_.empty() && (by_start_.size() >= max_kept_ || by_start_.front()->start + kLifetime <= now)) {
    ForgetOldest();
  }
  auto question = std::make_shared<Question>(
      Question{std::move(digest), std::move(key_digest), peer, is_known, now, now + kLifetime, std::nullopt, {}});
  questions_[question->digest] = question;
  by_start_.push_back(question);
  return question;
}

// One that is not answered yet still answers those who wait for it.
void Authenticator::ForgetOldest() {
  const auto oldest = std::move(by_start_.front());
  by_start_.pop_front();
  const auto found = questions_.find(oldest->digest);
  if (found != questions_.end() && found->second == oldest) questions_.erase(found);
}

bool Authenticator::IsKnown(const std::string& key_digest, absl::Time now) const {
  const auto found = known_by_digest_.find(key_digest);
  return found != known_by_digest_.end() && now < found->second->time + kKnownTime;
}

void Authenticator::AddKnown(const std::string& key_digest, absl::Time now) {
  RemoveKnown(key_digest);
  if (known_keys_.size() >= max_kept_) RemoveKnown(std::string(known_keys_.back().digest));
  known_keys_.push_front({key_digest, now});
  known_by_digest_[key_digest] = known_keys_.begin();
}

void Authenticator::RemoveKnown(const std::string& key_digest) {
  const auto found = known_by_digest_.find(key_digest);
  if (found == known_by_digest_.end()) return;
  known_keys_.erase(found->second);
  known_by_digest_.erase(found);
}

void Authenticator::Settle(Question& question, absl::StatusOr<Credential> credential) {
  const Answer answer = credential.ok() ? Answer(std::move(credential->principal)) : Answer(credential.status());
  const bool is_bad = answer.status().code() == absl::StatusCode::kUnauthenticated;
  if (is_bad && question.was_known) bad_keys_.Take(question.peer).IgnoreError();
  if (!is_bad && !question.was_known) bad_keys_.GiveBack(question.peer);
  const absl::Time now = clock_();
  std::vector<Done> waiting;
  {
    absl::MutexLock lock(&mutex_);
    if (is_bad) {
      RemoveKnown(question.key_digest);
    } else if (IsKept(answer.status())) {
      // The key is looked at first: what else is wrong is for whom its holder acts.
      AddKnown(question.key_digest, now);
    }
    question.answer = answer;
    if (credential.ok()) question.end = std::min(question.end, credential->expire_time);
    if (!IsKept(answer.status())) question.end = question.start;
    waiting.swap(question.waiting);
  }
  for (const Done& done : waiting) done(answer);
}

}  // namespace parley::gateway
