#include "services/gateway/authenticator.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace parley::gateway {
namespace {

constexpr absl::Duration kLifetime = absl::Milliseconds(500);

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

Authenticator::Authenticator(Check check, std::function<absl::Time()> clock, size_t max_answers)
    : check_(std::move(check)), clock_(std::move(clock)), max_answers_(max_answers) {}

void Authenticator::Authenticate(const Presented& presented, std::string_view call_id, Done done) {
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
      question = AskLocked(std::move(digest), now);
      question->waiting.push_back(std::move(done));
    }
  }
  if (known) return done(*known);
  check_(presented, call_id, [this, question = std::move(question)](absl::StatusOr<Credential> credential) {
    Settle(*question, std::move(credential));
  });
}

std::shared_ptr<Authenticator::Question> Authenticator::AskLocked(std::string digest, absl::Time now) {
  while (!by_start_.empty() && (by_start_.size() >= max_answers_ || by_start_.front()->start + kLifetime <= now)) {
    ForgetOldest();
  }
  auto question = std::make_shared<Question>(Question{std::move(digest), now, now + kLifetime, std::nullopt, {}});
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

void Authenticator::Settle(Question& question, absl::StatusOr<Credential> credential) {
  const Answer answer = credential.ok() ? Answer(std::move(credential->principal)) : Answer(credential.status());
  std::vector<Done> waiting;
  {
    absl::MutexLock lock(&mutex_);
    question.answer = answer;
    if (credential.ok()) question.end = std::min(question.end, credential->expire_time);
    if (!IsKept(answer.status())) question.end = question.start;
    waiting.swap(question.waiting);
  }
  for (const Done& done : waiting) done(answer);
}

}  // namespace parley::gateway
