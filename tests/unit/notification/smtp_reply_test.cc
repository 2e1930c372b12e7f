#include <gtest/gtest.h>

#include "services/notification/transport/smtp_transport.h"

namespace parley::notification {
namespace {

TEST(Reduced, KeepsWhatTheServerSaysOnOneLine) {
  EXPECT_EQ(Reduced("550 5.1.1 there is no such mailbox\r\n"), "550 5.1.1 there is no such mailbox");
}

TEST(Reduced, DropsAddressesAndKeys) {
  EXPECT_EQ(Reduced("550 <ann@example.com>: unknown"), "550 <address> unknown");
  EXPECT_EQ(Reduced("550 \"ann@x\"@example.com, (ann@example.com)"), "550 <address> <address>");
  EXPECT_EQ(Reduced("554 no parley_guest_0123456789012345678901234567890123456789 here"), "554 no <key> here");
  EXPECT_EQ(Reduced("554 https://parley.example/unsubscribe/parley_unsubscribe_01"), "554 <key>");
}

TEST(Reduced, PutsTheLinesOfAReplyIntoOne) {
  EXPECT_EQ(Reduced("550-5.1.1 no\r\n550 5.1.1 never\r\n"), "550-5.1.1 no 550 5.1.1 never");
}

TEST(Reduced, IsShortPrintableAscii) {
  EXPECT_EQ(Reduced("550 \xff\xfe\x01z\tb"), "550 z b");
  EXPECT_EQ(Reduced("550 " + std::string(5000, 'x')).size(), 200u);
}

}  // namespace
}  // namespace parley::notification
