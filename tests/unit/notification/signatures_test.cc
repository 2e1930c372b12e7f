#include "services/notification/webhooks/signatures.h"

#include <gmock/gmock.h>

#include <set>

#include "absl/strings/escaping.h"

namespace parley::notification {
namespace {

const Uuid kWebhook = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91");
const Uuid kEvent = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad92");

TEST(SignaturesTest, AreThoseOfStandardWebhooks) {
  // The vector that its libraries publish.
  EXPECT_EQ(SignatureOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                        R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(SignaturesTest, EachWebhookHasASecretOfItsOwn) {
  const auto key = *WebhookKey::Make("0123456789abcdef0123456789abcdef");
  // openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | base64, of the id.
  EXPECT_EQ(key.SecretOf(kWebhook), "whsec_ud357EDUrJVRxjFRyJxR96LeTL9iRTmnm1aIQM21/4o=");
  EXPECT_NE(key.SecretOf(kWebhook), key.SecretOf(kEvent));
  const auto other = *WebhookKey::Make("another secret of at least 32 characters");
  EXPECT_NE(other.SecretOf(kWebhook), key.SecretOf(kWebhook));
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(key.SecretOf(kWebhook).substr(6), &bytes));
  EXPECT_EQ(bytes.size(), 32u);
}

TEST(SignaturesTest, TheServersSecretIsOneLongLine) {
  EXPECT_TRUE(WebhookKey::Make("0123456789abcdef0123456789abcdef\n").ok());
  for (const char* secret :
       {"", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef\n0123456789abcdef0123456789abcdef"}) {
    EXPECT_FALSE(WebhookKey::Make(secret).ok()) << secret;
  }
}

TEST(SignaturesTest, DeliveriesAreToldApartByWebhookEventAndSequence) {
  std::set<std::string> ids;
  for (const Uuid& webhook : {kWebhook, kEvent}) {
    for (const Uuid& event : {kWebhook, kEvent}) {
      for (const int64_t sequence : {1, 2, 256, 257}) ids.insert(DeliveryIdOf(webhook, event, sequence).ToString());
    }
  }
  EXPECT_EQ(ids.size(), 16u);
  // The same for ever: receivers keep it. SHA-256 of the three, with the version and variant of a UUID.
  EXPECT_EQ(DeliveryIdOf(kWebhook, kEvent, 7).ToString(), "7a933b83-dabf-8bff-b5a6-61613f65825e");
}

}  // namespace
}  // namespace parley::notification
