#include "services/gateway/routes.h"

#include "tests/support/status_matchers.h"

namespace parley::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(RoutesTest, AreReadFromTheSetting) {
  ASSERT_OK_AND_ASSIGN(const auto routes, ParseRoutes("parley.event.=unix:/run/e.sock, parley.token.=localhost:1"));
  ASSERT_EQ(routes.size(), 2);
  EXPECT_EQ(routes[0].prefix, "parley.event.");
  EXPECT_EQ(routes[0].address, "unix:/run/e.sock");
  EXPECT_EQ(routes[1].prefix, "parley.token.");
  EXPECT_EQ(routes[1].address, "localhost:1");
}

TEST(RoutesTest, BadOnesAreRefusedWithTheReason) {
  const struct {
    const char* text;
    const char* why;
  } cases[] = {
      {"", "PREFIX=ADDRESS"},
      {"parley.event.", "PREFIX=ADDRESS"},
      {"parley.event.=", "PREFIX=ADDRESS"},
      {"parley.event.=a,", "PREFIX=ADDRESS"},
      {"=a", "a package and a dot"},
      {".=a", "a package and a dot"},
      {"parley.event=a", "a package and a dot"},
      {"/parley.event.=a", "a package and a dot"},
      {"parley.event.=a,parley.event.=b", "for the same calls"},
      {"parley.event.=a,parley.event.v1.=b", "for the same calls"},
      {"parley.event.v1.=a,parley.event.=b", "for the same calls"},
      {"parley.internal.=a", "parley.internal"},
      {"parley.internal.token.=a", "parley.internal"},
      {"parley.=a", "parley.internal"},
  };
  for (const auto& each : cases) {
    const auto routes = ParseRoutes(each.text);
    EXPECT_EQ(routes.status().code(), absl::StatusCode::kInvalidArgument) << each.text;
    EXPECT_THAT(std::string(routes.status().message()), HasSubstr(each.why)) << each.text;
  }
}

TEST(RoutesTest, TheServiceOfAMethod) {
  EXPECT_EQ(ServiceOf("/parley.event.v1.EventService/GetEvent"), "parley.event.v1.EventService");
  for (const std::string_view bad :
       {std::string_view(""), std::string_view("/"), std::string_view("//"), std::string_view("/a"),
        std::string_view("a/b"), std::string_view("/a/"), std::string_view("/a/b/c"), std::string_view("/a b/c"),
        std::string_view("/a/b?c"), std::string_view("/a/b\n"), std::string_view("/a/b\0c", 6)}) {
    EXPECT_EQ(ServiceOf(bad), "") << bad;
  }
}

TEST(RoutesTest, AreFoundByPackage) {
  ASSERT_OK_AND_ASSIGN(const auto routes, ParseRoutes("parley.event.=a,parley.token.=b"));
  EXPECT_EQ(FindRoute(routes, "parley.token.v1.TokenService")->address, "b");
  for (const char* none : {"", "parley.events.v1.EventService", "parley.internal.token.v1.CredentialService", "parley",
                           "other.parley.event.v1.EventService"}) {
    EXPECT_EQ(FindRoute(routes, none), nullptr) << none;
  }
}

TEST(RoutesTest, TheContractsOfARoute) {
  ASSERT_OK_AND_ASSIGN(const auto routes, ParseRoutes("parley.event.=a,parley.token.=b,grpc.reflection.=c"));
  const Contracts contracts = ContractsOf(routes);
  EXPECT_THAT(contracts.services,
              ElementsAre("grpc.reflection.v1alpha.ServerReflection", "parley.event.v1.EventService",
                          "parley.event.v1.LogService", "parley.token.v1.TokenService"));
  EXPECT_FALSE(contracts.methods.at("/parley.event.v1.EventService/GetEvent")->server_streaming());
  EXPECT_TRUE(
      contracts.methods.at("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")->server_streaming());
}

}  // namespace
}  // namespace parley::gateway
