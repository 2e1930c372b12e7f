#include "services/gateway/http/cors.h"

#include "tests/support/status_matchers.h"

namespace parley::gateway::http {
namespace {

using test::Fails;
using test::Succeeds;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kAllowed[] = "access-control-allow-origin";

Request From(const std::string& origin) {
  Request request;
  request.headers = {{"origin", origin}};
  return request;
}

TEST(Cors, LetsNobodyInByDefault) {
  const auto cors = Cors::Parse("");
  ASSERT_THAT(cors, Succeeds());
  EXPECT_THAT(cors->HeadersFor(From("https://app.example")), IsEmpty());
  EXPECT_THAT(cors->AnswerPreflight(From("https://app.example")).headers, IsEmpty());
}

TEST(Cors, LetsInWhomItNames) {
  const auto cors = Cors::Parse("https://app.example,http://localhost:5173");
  ASSERT_THAT(cors, Succeeds());
  for (const char* origin : {"https://app.example", "http://localhost:5173"}) {
    EXPECT_EQ(cors->HeadersFor(From(origin)).find(kAllowed)->second, origin);
    const Response preflight = cors->AnswerPreflight(From(origin));
    EXPECT_EQ(preflight.status, 204);
    EXPECT_THAT(preflight.headers.find("access-control-allow-headers")->second, HasSubstr("authorization"));
    EXPECT_THAT(preflight.headers.find("access-control-allow-methods")->second, HasSubstr("POST"));
  }
  for (const char* origin :
       {"", "http://app.example", "https://app.example:8443", "https://app.example.evil", "null"}) {
    const Headers headers = cors->HeadersFor(From(origin));
    EXPECT_FALSE(headers.contains(kAllowed)) << origin;
    // Whatever keeps an answer must keep one for each origin.
    EXPECT_EQ(headers.find("vary")->second, "origin");
    EXPECT_FALSE(cors->AnswerPreflight(From(origin)).headers.contains("access-control-allow-headers"));
  }
}

TEST(Cors, LetsAllIn) {
  const auto cors = Cors::Parse("*");
  ASSERT_THAT(cors, Succeeds());
  EXPECT_EQ(cors->HeadersFor(From("https://any.example")).find(kAllowed)->second, "*");
}

TEST(Cors, RefusesWhatIsNoOrigin) {
  for (const char* bad : {"app.example", "https://app.example/", "https://App.example", "https://", "ftp://a.example",
                          "https://a.example, https://b.example"}) {
    EXPECT_THAT(Cors::Parse(bad), Fails(absl::StatusCode::kInvalidArgument, error::v1::REASON_UNSPECIFIED)) << bad;
  }
}

}  // namespace
}  // namespace parley::gateway::http
