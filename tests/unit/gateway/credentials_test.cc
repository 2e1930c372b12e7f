#include "services/gateway/credentials.h"

#include "tests/support/status_matchers.h"

namespace parley::gateway {
namespace {

using test::Fails;
using test::Succeeds;

TEST(CredentialsTest, NoneIsNothing) {
  ASSERT_OK_AND_ASSIGN(const auto presented, PresentedIn({{"x-other", "value"}}));
  EXPECT_FALSE(presented.has_value());
}

TEST(CredentialsTest, TheKeyIsTakenFromTheBearer) {
  for (const char* authorization : {"Bearer parley_api_1", "bearer parley_api_1", "BEARER   parley_api_1 "}) {
    ASSERT_OK_AND_ASSIGN(const auto presented, PresentedIn({{"authorization", authorization}}));
    ASSERT_TRUE(presented.has_value()) << authorization;
    EXPECT_EQ(presented->key, "parley_api_1");
    EXPECT_EQ(presented->act_for, "");
  }
}

TEST(CredentialsTest, WhatIsNotWellFormedIsInvalid) {
  const std::string long_one = "Bearer " + std::string(300, 'a');
  for (const char* authorization : {"", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer a\xff",
                                    "Bearer a,b", "Bearera", long_one.c_str()}) {
    EXPECT_THAT(PresentedIn({{"authorization", authorization}}),
                Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_INVALID))
        << authorization;
  }
  EXPECT_THAT(PresentedIn({{"authorization", "Bearer a"}, {"authorization", "Bearer a"}}),
              Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

TEST(CredentialsTest, ActingForSomebody) {
  ASSERT_OK_AND_ASSIGN(const auto presented,
                       PresentedIn({{"authorization", "Bearer a"}, {"parley-act-for", "b@example.com"}}));
  EXPECT_EQ(presented->act_for, "b@example.com");
  EXPECT_THAT(PresentedIn({{"parley-act-for", "b@example.com"}}),
              Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING));
  const std::string long_one(255, 'a');
  for (const char* address : {"", "\xc3\xa4@example.com", long_one.c_str()}) {
    EXPECT_THAT(PresentedIn({{"authorization", "Bearer a"}, {"parley-act-for", address}}),
                Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS))
        << address;
  }
  EXPECT_THAT(PresentedIn({{"authorization", "Bearer a"}, {"parley-act-for", "b@c"}, {"parley-act-for", "b@c"}}),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

}  // namespace
}  // namespace parley::gateway
