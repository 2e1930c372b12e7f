#include "services/notification/webhooks/targets.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace parley::notification {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct Socket {
  sockaddr_storage storage{};
  const sockaddr& address() const { return reinterpret_cast<const sockaddr&>(storage); }
};

Socket SocketOf(const std::string& text) {
  Socket socket;
  auto& four = reinterpret_cast<sockaddr_in&>(socket.storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(socket.storage);
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    socket.storage.ss_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1) << text;
    socket.storage.ss_family = AF_INET6;
  }
  return socket;
}

TEST(TargetsTest, AddressesThatAreNotPublicAreKnown) {
  for (const char* text : {"0.0.0.0",
                           "0.255.255.255",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.0",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "169.254.169.254",
                           "172.16.0.0",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.0.1",
                           "198.18.0.0",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.9",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::8.8.8.8",
                           "::ffff:0:127.0.0.1",
                           "1::1",
                           "100::1",
                           "100:0:0:1::1",
                           "200::1",
                           "1fff:ffff::1",
                           "4000::1",
                           "64:ff9b:0:1::8.8.8.8",
                           "2001::1",
                           "2001:1ff::",
                           "2001:db8::1",
                           "3fff::1",
                           "5f00::1",
                           "fc00::1",
                           "fdff::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::7f00:1",
                           "64:ff9b::192.168.1.1",
                           "64:ff9b:1::8.8.8.8",
                           "2002:7f00:1::",
                           "2002:a00:1::1",
                           "2002:c0a8:101::"}) {
    EXPECT_FALSE(IsPublic(SocketOf(text).address())) << text;
  }
}

TEST(TargetsTest, AddressesThatArePublicAreKnown) {
  for (const char* text :
       {"1.0.0.0",         "9.255.255.255",  "11.0.0.0",         "100.63.255.255",       "100.128.0.0",
        "126.255.255.255", "128.0.0.1",      "169.253.255.255",  "169.255.0.0",          "172.15.255.255",
        "172.32.0.0",      "192.0.1.1",      "192.0.3.1",        "192.167.255.255",      "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",     "203.0.112.255",    "223.255.255.255",      "8.8.8.8",
        "2000::1",         "3fff:1000::1",   "2001:200::1",      "2001:4860:4860::8888", "2606:4700::1111",
        "2a00::1",         "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
    EXPECT_TRUE(IsPublic(SocketOf(text).address())) << text;
  }
}

TEST(TargetsTest, WhatIsNoAddressOfTheInternetIsNotPublic) {
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  EXPECT_FALSE(IsPublic(reinterpret_cast<const sockaddr&>(path)));
}

TEST(TargetsTest, AddressesAreWrittenForPeople) {
  EXPECT_EQ(ToText(SocketOf("192.0.2.1").address()), "192.0.2.1");
  EXPECT_EQ(ToText(SocketOf("2001:db8::1").address()), "2001:db8::1");
}

TEST(TargetsTest, GoodUrls) {
  for (const std::string& url :
       {std::string("https://example.com"), std::string("HTTPS://example.com:1/"),
        std::string("https://example.com:8443/hooks?key=secret&a=b"),
        std::string("https://xn--bcher-kva.example/%C3%A4"), std::string("https://192.0.2.1/"),
        std::string("https://example.com/a///b?to=http:///x"), std::string("https://[2001:db8::1]:443/x"),
        "https://example.com/" + std::string(2048 - 20, 'x')}) {
    EXPECT_THAT(UrlViolations(url), IsEmpty()) << url;
  }
}

TEST(TargetsTest, BadUrls) {
  const std::pair<std::string, const char*> bad[] = {
      {"", "must be https://"},
      {"example.com", "must be https://"},
      {"//example.com/", "must be https://"},
      {"http://example.com/", "must be https://"},
      {"ftp://example.com/", "must be https://"},
      {"file:///etc/passwd", "must be https://"},
      {"https:///path", "must be https://"},
      {"https:/example.com/x", "must be https://"},
      {"https:example.com/x", "must be https://"},
      {"https://example.com:0/", "must be https://"},
      {"https://example.com:00000/", "must be https://"},
      {"https://example.com:many/", "must be https://"},
      {"https://me@example.com/", "no user"},
      {"https://me:secret@example.com/", "no user"},
      {"https://:secret@example.com/", "no user"},
      {"https://example.com/#a", "no fragment"},
      {"https://example.com/#", "no fragment"},
      {"https://example.com/a b", "printable ASCII"},
      {"https://example.com/\r\nx: y", "printable ASCII"},
      {"https://b\u00fccher.example/", "printable ASCII"},
      {"https://example.com/" + std::string(2048 - 19, 'x'), "at most 2048"},
  };
  for (const auto& [url, about] : bad) {
    const auto violations = UrlViolations(url);
    ASSERT_THAT(violations, Not(IsEmpty())) << url;
    EXPECT_THAT(violations, ::testing::Contains(HasSubstr(about))) << url;
  }
}

TEST(TargetsTest, AllThatIsWrongIsTold) { EXPECT_THAT(UrlViolations("https://me@example.com/\u00fc#a"), SizeIs(3)); }

}  // namespace
}  // namespace parley::notification
