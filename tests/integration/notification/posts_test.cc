#include "services/notification/webhooks/posts.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "absl/time/clock.h"
#include "tests/support/webhook_receiver.h"

namespace parley::notification {
namespace {

using test::WebhookReceiver;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// At https, where nobody is: port 1 is nobody's.
constexpr char kNobody[] = "https://localhost:1/";

class PostsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    receiver = std::make_unique<WebhookReceiver>();
  }
  static void TearDownTestSuite() { receiver.reset(); }

  static PostSettings Trusting() {
    return {.timeout = test::kPatience, .private_targets = true, .ca_file = receiver->certificate_file()};
  }

  static PostResult Only(Posts& posts, const std::string& url) {
    posts.Begin(7, {url, {"webhook-id: 1"}, "{}"});
    const absl::Time end = absl::Now() + 2 * test::kPatience;
    while (absl::Now() < end) {
      const auto ended = posts.Run(absl::Seconds(1));
      if (ended.empty()) continue;
      EXPECT_THAT(ended, SizeIs(1));
      EXPECT_EQ(ended[0].first, 7);
      return ended[0].second;
    }
    ADD_FAILURE() << "it does not end";
    return {};
  }
  static PostResult Send(const std::string& url, const PostSettings& settings = Trusting()) {
    Posts posts(settings);
    return Only(posts, url);
  }

  static inline std::unique_ptr<WebhookReceiver> receiver;
};

TEST_F(PostsTest, SendsWhatItIsGiven) {
  Posts posts(Trusting());
  posts.Begin(1, {receiver->url("/good?key=x"), {"content-type: application/json", "webhook-id: 1"}, R"({"a": 1})"});
  std::vector<std::pair<int64_t, PostResult>> ended;
  ASSERT_TRUE(test::Eventually([&] { return !(ended = posts.Run(absl::Seconds(1))).empty(); }));
  EXPECT_EQ(ended[0].second.http_status, 200);
  EXPECT_EQ(ended[0].second.detail, "");
  const auto requests = receiver->Requests("/good");
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].target, "/good?key=x");
  EXPECT_EQ(requests[0].body, R"({"a": 1})");
  EXPECT_EQ(requests[0].header("user-agent"), "parley");
  EXPECT_EQ(requests[0].header("content-type"), "application/json");
  EXPECT_EQ(requests[0].header("webhook-id"), "1");
  EXPECT_FALSE(requests[0].headers.contains("expect"));
}

TEST_F(PostsTest, OtherAnswersThan2xxAreFailures) {
  for (const char* status : {"201", "204", "299"}) {
    receiver->Do("/status", status);
    EXPECT_EQ(Send(receiver->url("/status")).detail, "") << status;
  }
  for (const char* status : {"304", "400", "410", "500", "503"}) {
    receiver->Do("/status", status);
    const PostResult result = Send(receiver->url("/status"));
    EXPECT_EQ(result.http_status, std::atoi(status));
    EXPECT_THAT(result.detail, HasSubstr(status));
  }
}

TEST_F(PostsTest, RedirectsAreNotFollowed) {
  receiver->Do("/moved", "redirect");
  const PostResult result = Send(receiver->url("/moved"));
  EXPECT_EQ(result.http_status, 302);
  EXPECT_EQ(result.detail, "the answer was 302: redirects are not followed");
  EXPECT_THAT(receiver->Requests("/redirected"), IsEmpty());
}

TEST_F(PostsTest, ACertificateThatIsNotTrustedIsRefused) {
  PostSettings settings = Trusting();
  settings.ca_file = "";
  const PostResult result = Send(receiver->url("/untrusted?secret"), settings);
  EXPECT_EQ(result.http_status, 0);
  EXPECT_THAT(result.detail, HasSubstr("the certificate is refused: self"));
  EXPECT_THAT(result.detail, Not(HasSubstr("secret")));
  EXPECT_THAT(receiver->Requests("/untrusted"), IsEmpty());
}

TEST_F(PostsTest, ACertificateOfAnotherHostIsRefused) {
  std::string url = receiver->url("/other");
  url.replace(url.find("localhost"), 9, "127.0.0.1");
  EXPECT_EQ(Send(url).detail, "the certificate is refused: it is not of this host");
  EXPECT_THAT(receiver->Requests("/other"), IsEmpty());
}

TEST_F(PostsTest, AnAddressThatIsNotPublicIsNotDialled) {
  PostSettings settings = Trusting();
  settings.private_targets = false;
  for (const char* host : {"localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"}) {
    std::string url = receiver->url("/private");
    url.replace(url.find("localhost"), 9, host);
    const PostResult result = Send(url, settings);
    EXPECT_EQ(result.http_status, 0);
    EXPECT_THAT(result.detail, HasSubstr("is not a public address")) << host;
  }
  EXPECT_THAT(receiver->Requests("/private"), IsEmpty());
}

TEST_F(PostsTest, NothingButHttpsIsSpoken) {
  std::string url = receiver->url("/plain");
  url.replace(0, 5, "http");
  EXPECT_THAT(Send(url).detail, Not(IsEmpty()));
  EXPECT_THAT(Send("file:///etc/hostname").detail, Not(IsEmpty()));
}

TEST_F(PostsTest, AProxyOfTheEnvironmentIsNotForIt) {
  setenv("https_proxy", "http://localhost:1", 1);
  setenv("ALL_PROXY", "http://localhost:1", 1);
  EXPECT_EQ(Send(receiver->url("/direct")).detail, "");
  unsetenv("https_proxy");
  unsetenv("ALL_PROXY");
}

TEST_F(PostsTest, WhoIsAwayOrSaysNothingIsAFailure) {
  EXPECT_THAT(Send(kNobody).detail, Not(IsEmpty()));
  receiver->Do("/close", "close");
  const PostResult closed = Send(receiver->url("/close"));
  EXPECT_EQ(closed.http_status, 0);
  EXPECT_THAT(closed.detail, Not(IsEmpty()));
  receiver->Do("/hang", "hang");
  PostSettings settings = Trusting();
  settings.timeout = absl::Milliseconds(300);
  EXPECT_EQ(Send(receiver->url("/hang"), settings).detail, "no answer within 300ms");
}

TEST_F(PostsTest, WhoHasAnsweredHasAnswered) {
  for (const char* what : {"cut", "flood", "bare"}) {
    receiver->Do("/rest", what);
    const PostResult result = Send(receiver->url("/rest"));
    EXPECT_EQ(result.http_status, 200) << what;
    EXPECT_EQ(result.detail, "") << what;
  }
  // Before all headers have come there is no answer.
  receiver->Do("/rest", "flood-headers");
  EXPECT_THAT(Send(receiver->url("/rest")).detail, Not(IsEmpty()));
}

TEST_F(PostsTest, OneThatHangsDelaysNoOther) {
  receiver->Do("/hanging", "hang");
  Posts posts(Trusting());
  for (int id = 0; id < 20; ++id) posts.Begin(id, {receiver->url("/hanging"), {}, "{}"});
  EXPECT_EQ(Only(posts, receiver->url("/quick")).detail, "");
  EXPECT_THAT(posts.Abandon(), SizeIs(20));
  EXPECT_THAT(posts.Run(absl::ZeroDuration()), IsEmpty());
}

TEST_F(PostsTest, WakeEndsTheWait) {
  Posts posts(Trusting());
  std::thread waker([&posts] { posts.Wake(); });
  const absl::Time start = absl::Now();
  posts.Run(test::kPatience);
  waker.join();
  EXPECT_LT(absl::Now() - start, test::kPatience / 2);
}

}  // namespace
}  // namespace parley::notification
