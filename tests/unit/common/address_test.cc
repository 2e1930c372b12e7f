#include "common/address/address.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace parley {
namespace {

TEST(AddressTest, U3_GoodAddresses) {
  const std::pair<const char*, const char*> cases[] = {
      {"guest@example.org", "guest@example.org"},
      {"First.Last+tag@Example.ORG", "First.Last+tag@example.org"},
      {"o'brien@example.org", "o'brien@example.org"},
      {"a@bücher.example", "a@xn--bcher-kva.example"},
      {"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
      {"root@localhost", "root@localhost"},
  };
  for (const auto& [given, kept] : cases) {
    ASSERT_OK_AND_ASSIGN(const Address address, ParseAddress(given));
    EXPECT_EQ(address.ToString(), kept);
  }
}

TEST(AddressTest, U3_BadAddresses) {
  const std::string long_local(65, 'a');
  const std::string long_domain = absl::StrCat(std::string(63, 'a'), ".", std::string(63, 'b'), ".",
                                               std::string(63, 'c'), ".", std::string(63, 'd'));
  for (const std::string& text : {std::string(),
                                  std::string("guest"),
                                  std::string("@example.org"),
                                  std::string("guest@"),
                                  std::string("a@b@example.org"),
                                  std::string("Guest <guest@example.org>"),
                                  std::string(".a@example.org"),
                                  std::string("a..b@example.org"),
                                  std::string("a.@example.org"),
                                  std::string("\"a b\"@example.org"),
                                  std::string("größe@example.org"),
                                  std::string("a@exa mple.org"),
                                  std::string("a@-example.org"),
                                  std::string("a@example..org"),
                                  std::string("a@example.org."),
                                  std::string("a@[127.0.0.1]"),
                                  std::string("a\r\nBcc: b@example.org"),
                                  std::string("a@exam_ple.org"),
                                  absl::StrCat(long_local, "@example.org"),
                                  absl::StrCat("a@", long_domain),
                                  absl::StrCat("a", std::string(1, 0), "b@example.org"),
                                  absl::StrCat("a@example.org", std::string(1, 0), ".b")}) {
    EXPECT_FALSE(ParseAddress(text).ok()) << text;
  }
}

TEST(AddressTest, U3_ComparedWithoutRegardToCase) {
  EXPECT_EQ(*ParseAddress("Guest@Example.org"), *ParseAddress("gUEST@example.ORG"));
  EXPECT_EQ(*ParseAddress("a@BÜCHER.example"), *ParseAddress("a@xn--BCHER-kva.example"));
}

}  // namespace
}  // namespace parley
