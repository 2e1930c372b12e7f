#include <gtest/gtest.h>

#include "services/notification/transport/smtp_transport.h"

namespace parley::notification {
namespace {

constexpr char kBob[] = "Bob.Smith@example.com";

TEST(Reduced, KeepsWhatTheServerSaysOnOneLine) {
  EXPECT_EQ(Reduced("550 5.1.1 there is no such mailbox\r\n", kBob), "550 5.1.1 there is no such mailbox");
}

TEST(Reduced, DropsAddressesAndKeys) {
  EXPECT_EQ(Reduced("550 <ann@example.com>: unknown", kBob), "550 <address> unknown");
  EXPECT_EQ(Reduced("550 \"ann@x\"@example.com, (ann@example.com)", kBob), "550 <address> <address>");
  EXPECT_EQ(Reduced("554 no parley_guest_0123456789012345678901234567890123456789 here", kBob), "554 no <key> here");
  EXPECT_EQ(Reduced("554 https://parley.example/unsubscribe/parley_unsubscribe_01", kBob), "554 <key>");
}

TEST(Reduced, DropsTheRecipientsLocalPartWhereverItStands) {
  EXPECT_EQ(Reduced("550 5.1.1 bob.smith: user unknown", kBob), "550 5.1.1 <address> user unknown");
  EXPECT_EQ(Reduced("550 for=<BOB.SMITH%40example.com>, (bob.smith)", kBob), "550 <address> <address>");
  // What only begins or ends like it is another word.
  EXPECT_EQ(Reduced("550 bob.smithers, abob.smith, bob", kBob), "550 bob.smithers, abob.smith, bob");
  EXPECT_EQ(Reduced("550 bob.smithbob.smith bob.smiths.bob.smith", kBob), "550 bob.smithbob.smith <address>");
}

TEST(Reduced, PutsTheLinesOfAReplyIntoOne) {
  EXPECT_EQ(Reduced("550-5.1.1 no\r\n550 5.1.1 never\r\n", kBob), "550-5.1.1 no 550 5.1.1 never");
}

TEST(Reduced, IsShortPrintableAscii) {
  EXPECT_EQ(Reduced("550 \xff\xfe\x01z\tb", kBob), "550 z b");
  EXPECT_EQ(Reduced("550 " + std::string(5000, 'x'), kBob).size(), 200u);
}

}  // namespace
}  // namespace parley::notification
