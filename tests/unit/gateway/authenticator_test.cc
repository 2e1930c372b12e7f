#include "services/gateway/authenticator.h"

#include "tests/support/status_matchers.h"

namespace parley::gateway {
namespace {

using test::Fails;
using test::Succeeds;

const auto kInvalid = Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_INVALID);
const auto kLimited = Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED);
const auto kUnavailable = Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE);

Credential CredentialOf(uint8_t user) {
  Credential credential;
  credential.principal.kind = rpc::Principal::Kind::kUser;
  credential.principal.user_id.bytes[0] = user;
  return credential;
}

// Collects the questions, for the test to answer when it wants.
class AuthenticatorTest : public testing::Test {
 protected:
  struct Question {
    Presented presented;
    std::function<void(absl::StatusOr<Credential>)> answer;
  };
  using Answer = std::optional<Authenticator::Answer>;

  // What is answered at once, or later, stands in the result.
  std::shared_ptr<Answer> Ask(const std::string& key, const std::string& act_for = "",
                              const std::string& peer = "peer") {
    auto answer = std::make_shared<Answer>();
    authenticator_.Authenticate({key, act_for}, peer, "id", [answer](const Authenticator::Answer& given) {
      EXPECT_FALSE(answer->has_value());
      *answer = given;
    });
    return answer;
  }

  // Asked and answered.
  Authenticator::Answer AskFor(const absl::StatusOr<Credential>& credential, const std::string& key,
                               const std::string& act_for = "") {
    const size_t before = questions_.size();
    const auto answer = Ask(key, act_for);
    if (questions_.size() > before) questions_.back().answer(credential);
    return **answer;
  }

  // Empties the peer's bucket.
  void Flood() {
    for (int i = 0; i < kBurst; ++i) EXPECT_THAT(AskFor(CredentialInvalid(), absl::StrCat("guess", i)), kInvalid);
    EXPECT_THAT(AskFor(CredentialInvalid(), "one guess more"), kLimited);
  }

  static constexpr int kBurst = 8;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1000);
  std::vector<Question> questions_;
  rpc::Limiter bad_keys_{absl::Hours(1), kBurst, [this] { return now_; }};
  Authenticator authenticator_{
      [this](const Presented& presented, std::string_view, std::function<void(absl::StatusOr<Credential>)> answer) {
        questions_.push_back({presented, std::move(answer)});
      },
      bad_keys_, [this] { return now_; }, 4};
};

TEST_F(AuthenticatorTest, AsksAndAnswers) {
  const auto answer = Ask("key", "somebody@example.com");
  ASSERT_EQ(questions_.size(), 1);
  EXPECT_EQ(questions_[0].presented.key, "key");
  EXPECT_EQ(questions_[0].presented.act_for, "somebody@example.com");
  EXPECT_FALSE(answer->has_value());
  questions_[0].answer(CredentialOf(7));
  ASSERT_THAT(**answer, Succeeds());
  EXPECT_EQ((**answer)->user_id.bytes[0], 7);
}

TEST_F(AuthenticatorTest, CallsAtTheSameTimeShareAQuestion) {
  const auto first = Ask("key");
  const auto second = Ask("key");
  ASSERT_EQ(questions_.size(), 1);
  questions_[0].answer(CredentialInvalid());
  EXPECT_THAT(**first, kInvalid);
  EXPECT_THAT(**second, kInvalid);
}

TEST_F(AuthenticatorTest, KeepsAnswersForHalfASecondFromTheQuestionOn) {
  for (const bool good : {true, false}) {
    const size_t before = questions_.size();
    const std::string key = good ? "good" : "bad";
    Ask(key);
    now_ += absl::Milliseconds(100);
    questions_.back().answer(good ? absl::StatusOr<Credential>(CredentialOf(1)) : CredentialInvalid());
    now_ += absl::Milliseconds(399);
    EXPECT_TRUE(Ask(key)->has_value());
    EXPECT_EQ(questions_.size(), before + 1);
    now_ += absl::Milliseconds(1);
    EXPECT_FALSE(Ask(key)->has_value());
    EXPECT_EQ(questions_.size(), before + 2);
  }
}

TEST_F(AuthenticatorTest, NeverPastTheExpiry) {
  Ask("key");
  Credential credential = CredentialOf(1);
  credential.expire_time = now_ + absl::Milliseconds(200);
  questions_[0].answer(credential);
  now_ += absl::Milliseconds(199);
  EXPECT_TRUE(Ask("key")->has_value());
  now_ += absl::Milliseconds(1);
  EXPECT_FALSE(Ask("key")->has_value());
}

TEST_F(AuthenticatorTest, NeverBeforeTheQuestion) {
  Ask("key");
  questions_[0].answer(CredentialOf(1));
  now_ -= absl::Hours(1);
  EXPECT_FALSE(Ask("key")->has_value());
}

TEST_F(AuthenticatorTest, DoesNotKeepThatTheServiceIsAway) {
  const auto first = Ask("key");
  questions_[0].answer(Unavailable("the token service"));
  EXPECT_THAT(**first, kUnavailable);
  const auto second = Ask("key");
  ASSERT_EQ(questions_.size(), 2);
  questions_[1].answer(CredentialOf(1));
  EXPECT_THAT(**second, Succeeds());
}

TEST_F(AuthenticatorTest, AskedAgainWhereTheAnswerIsLongInComing) {
  const auto first = Ask("key");
  now_ += absl::Milliseconds(500);
  const auto second = Ask("key");
  ASSERT_EQ(questions_.size(), 2);
  questions_[1].answer(CredentialInvalid());
  questions_[0].answer(CredentialOf(1));
  EXPECT_THAT(**first, Succeeds());
  EXPECT_THAT(**second, kInvalid);
  // What was asked last counts.
  EXPECT_THAT(**Ask("key"), kInvalid);
}

TEST_F(AuthenticatorTest, KeysAndUsersActedForDoNotMeet) {
  Ask("key");
  Ask("key", "a@example.com");
  Ask("keya@example.com");
  Ask("other");
  EXPECT_EQ(questions_.size(), 4);
}

TEST_F(AuthenticatorTest, ForgetsTheOldestOfTooMany) {
  const auto first = Ask("0");
  for (const char* key : {"1", "2", "3", "4"}) Ask(key);
  EXPECT_EQ(questions_.size(), 5);
  Ask("0");
  EXPECT_EQ(questions_.size(), 6);
  Ask("4");
  EXPECT_EQ(questions_.size(), 6);
  // Forgotten, but not unanswered.
  questions_[0].answer(CredentialOf(1));
  EXPECT_THAT(**first, Succeeds());
}

TEST_F(AuthenticatorTest, KeepsWhatIsWrongWithTheUserActedFor) {
  const auto kMissing = Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND);
  const auto kShutOut = Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE);
  EXPECT_THAT(AskFor(NotFound("type", "name"), "key", "a@example.com"), kMissing);
  EXPECT_THAT(AskFor(Precondition(error::v1::USER_STATE, "name", "why"), "key", "b@example.com"), kShutOut);
  EXPECT_THAT(**Ask("key", "a@example.com"), kMissing);
  EXPECT_THAT(**Ask("key", "b@example.com"), kShutOut);
  EXPECT_EQ(questions_.size(), 2);
}

TEST_F(AuthenticatorTest, T2_GuessesFromOnePeerAreLimited) {
  Flood();
  EXPECT_EQ(questions_.size(), kBurst);
  Ask("guess", "", "another peer");
  EXPECT_EQ(questions_.size(), kBurst + 1);
  // One more in each interval.
  now_ += absl::Hours(1);
  EXPECT_THAT(AskFor(CredentialInvalid(), "another guess"), kInvalid);
  EXPECT_THAT(AskFor(CredentialInvalid(), "yet another guess"), kLimited);
}

TEST_F(AuthenticatorTest, T2_GuessesAtTheSameTimeAreLimited) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 10000; ++i) answers.push_back(Ask(absl::StrCat("guess", i)));
  EXPECT_EQ(questions_.size(), kBurst);
  for (size_t i = kBurst; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i]->has_value());
    EXPECT_THAT(**answers[i], kLimited);
  }
  for (const Question& question : questions_) question.answer(CredentialInvalid());
  Ask("one guess more");
  EXPECT_EQ(questions_.size(), kBurst);
}

TEST_F(AuthenticatorTest, T2_AnExpiredKeyCountsAsAGuess) {
  for (int i = 0; i < kBurst; ++i) AskFor(TokenExpired(), absl::StrCat("key", i)).status().IgnoreError();
  EXPECT_THAT(AskFor(TokenExpired(), "key"), kLimited);
}

TEST_F(AuthenticatorTest, T2_GoodKeysAreNoGuesses) {
  for (int i = 0; i < 10 * kBurst; ++i) {
    EXPECT_THAT(AskFor(CredentialOf(1), absl::StrCat("key", i)), Succeeds());
    EXPECT_FALSE(AskFor(NotFound("type", "name"), absl::StrCat("staff", i), "a@example.com").ok());
    // Nor is what was not answered.
    EXPECT_THAT(AskFor(Unavailable("the token service"), absl::StrCat("other", i)), kUnavailable);
  }
  Flood();
}

TEST_F(AuthenticatorTest, T2_AFloodOfGuessesShutsOutNoKnownKey) {
  EXPECT_THAT(AskFor(CredentialOf(1), "key"), Succeeds());
  EXPECT_FALSE(AskFor(NotFound("type", "name"), "staff", "a@example.com").ok());
  const absl::Time start = now_;
  now_ += absl::Seconds(1);
  Flood();
  EXPECT_THAT(AskFor(CredentialOf(1), "new key"), kLimited);
  // Asked about again, whoever its holder acts for.
  for (const char* key : {"key", "staff"}) {
    const size_t before = questions_.size();
    const auto answer = Ask(key, "b@example.com");
    ASSERT_EQ(questions_.size(), before + 1) << key;
    questions_.back().answer(Unavailable("the token service"));
    EXPECT_THAT(**answer, kUnavailable) << key;
  }
  now_ = start + absl::Minutes(10) - absl::Nanoseconds(1);
  EXPECT_THAT(AskFor(CredentialOf(1), "key"), Succeeds());
  // Ten minutes from the last time that it was good.
  now_ = start + absl::Minutes(10);
  EXPECT_THAT(AskFor(CredentialOf(1), "key"), Succeeds());
  EXPECT_THAT(AskFor(CredentialOf(1), "staff"), kLimited);
}

TEST_F(AuthenticatorTest, T2_AKeyThatTurnsBadIsKnownNoMore) {
  EXPECT_THAT(AskFor(CredentialOf(1), "key"), Succeeds());
  now_ += absl::Seconds(1);
  EXPECT_THAT(AskFor(CredentialInvalid(), "key"), kInvalid);
  // It was counted, too.
  for (int i = 1; i < kBurst; ++i) EXPECT_THAT(AskFor(CredentialInvalid(), absl::StrCat("guess", i)), kInvalid);
  now_ += absl::Seconds(1);
  EXPECT_THAT(AskFor(CredentialInvalid(), "key"), kLimited);
}

TEST_F(AuthenticatorTest, T2_GuessesPushOutNoKnownKey) {
  // More than the four keys that are remembered.
  for (const char* key : {"forgotten", "1", "2", "3", "4"}) EXPECT_THAT(AskFor(CredentialOf(1), key), Succeeds());
  Flood();
  EXPECT_THAT(AskFor(CredentialOf(1), "forgotten"), kLimited);
  for (const char* key : {"1", "2", "3", "4"}) EXPECT_THAT(AskFor(CredentialOf(1), key), Succeeds());
}

}  // namespace
}  // namespace parley::gateway
