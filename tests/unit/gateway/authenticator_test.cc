#include "services/gateway/authenticator.h"

#include "tests/support/status_matchers.h"

namespace parley::gateway {
namespace {

using test::Fails;
using test::Succeeds;

const auto kInvalid = Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_INVALID);
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
  std::shared_ptr<Answer> Ask(const std::string& key, const std::string& act_for = "") {
    auto answer = std::make_shared<Answer>();
    authenticator_.Authenticate({key, act_for}, "id", [answer](const Authenticator::Answer& given) {
      EXPECT_FALSE(answer->has_value());
      *answer = given;
    });
    return answer;
  }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1000);
  std::vector<Question> questions_;
  Authenticator authenticator_{
      [this](const Presented& presented, std::string_view, std::function<void(absl::StatusOr<Credential>)> answer) {
        questions_.push_back({presented, std::move(answer)});
      },
      [this] { return now_; }, 4};
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

}  // namespace
}  // namespace parley::gateway
