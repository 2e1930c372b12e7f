// grpcurl, a client that knows Parley by reflection alone, as operators use it.
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using nlohmann::json;

constexpr char kLogService[] = "parley.event.v1.LogService";

class GrpcurlTest : public E2eTest {
 protected:
  static test::Output Grpcurl(const std::vector<std::string>& arguments, const std::string& key = "") {
    std::vector<std::string> command{test::Given("PARLEY_TEST_GRPCURL"), "-plaintext", "-max-time", "30"};
    if (!key.empty()) {
      command.insert(command.end(), {"-expand-headers", "-H", "authorization: Bearer ${PARLEY_KEY}"});
    }
    command.insert(command.end(), arguments.begin(), arguments.end());
    return test::Run(command, {{"PARLEY_KEY", key}});
  }

  // The answer as JSON; null, and a failed test, where it is an error.
  static json Call(const std::string& key, const std::string& method, const json& request) {
    const auto output = Grpcurl({"-d", request.dump(), system->address("gateway"), method}, key);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    return output.exit_code == 0 ? json::parse(output.out, nullptr, false) : json();
  }
};

TEST_F(GrpcurlTest, ListShowsExactlyThePublicServices) {
  const auto output = Grpcurl({system->address("gateway"), "list"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  const std::vector<std::string> services = absl::StrSplit(output.out, '\n', absl::SkipEmpty());
  EXPECT_THAT(services,
              UnorderedElementsAre("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", kEventService,
                                   kLogService, kNotificationService, kTokenService, kWebhookService));
}

TEST_F(GrpcurlTest, DescribeShowsServicesAndMessagesButNothingInternal) {
  const std::string gateway = system->address("gateway");
  EXPECT_THAT(Grpcurl({gateway, "describe", kEventService}).out,
              HasSubstr("rpc CreateEvent ( .parley.event.v1.CreateEventRequest ) returns ( .parley.event.v1.Event );"));
  EXPECT_THAT(Grpcurl({gateway, "describe", "parley.event.v1.Event"}).out,
              HasSubstr("repeated .parley.event.v1.Slot slots = 4;"));
  for (const char* symbol :
       {"parley.internal.token.v1.CredentialService", "parley.internal.rpc.v1.Principal", "parley.no.Such"}) {
    EXPECT_NE(Grpcurl({gateway, "describe", symbol}).exit_code, 0) << symbol;
  }
}

TEST_F(GrpcurlTest, HealthTellsOfAllAndOfEachPublicService) {
  for (const char* service : {"", kEventService, kLogService, kNotificationService, kTokenService, kWebhookService}) {
    const json answer = Call("", "grpc.health.v1.Health/Check", {{"service", service}});
    EXPECT_EQ(answer, (json{{"status", "SERVING"}})) << service;
  }
  const auto unknown = Grpcurl({"-d", R"({"service": "parley.internal.token.v1.CredentialService"})",
                                system->address("gateway"), "grpc.health.v1.Health/Check"});
  EXPECT_EQ(unknown.exit_code, 64 + grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcurlTest, ASmallNegotiation) {
  const std::string ann = "ann@example.com";
  const std::string bob = "bob@example.com";
  const std::string ann_key = system->MakeMember(ann);
  const std::string bob_key = system->MakeMember(bob);
  const std::string service = std::string(kEventService) + "/";
  const json slots = json::parse(R"([{"startTime": "2100-01-04T09:00:00Z", "duration": "3600s"},
                                     {"startTime": "2100-01-05T09:00:00Z", "duration": "1800s"}])");
  const json created = Call(ann_key, service + "CreateEvent",
                            {{"event", {{"title", "Chess"}, {"parties", {{{"address", bob}}}}, {"slots", slots}}}});
  ASSERT_TRUE(created.is_object());
  EXPECT_EQ(created["title"], "Chess");
  EXPECT_EQ(created["slots"], slots);
  const std::string name = created["name"];
  const json seen = Call(bob_key, service + "GetEvent", {{"name", name}});
  ASSERT_TRUE(seen.is_object());
  const json update = {{"event", {{"name", name}, {"etag", seen["etag"]}, {"slots", {slots[1]}}}},
                       {"updateMask", {{"paths", {"slots"}}}}};
  const json narrowed = Call(bob_key, service + "UpdateEvent", update);
  ASSERT_TRUE(narrowed.is_object());
  const json agreed = Call(ann_key, service + "ConfirmEvent", {{"name", name}, {"etag", narrowed["etag"]}});
  ASSERT_TRUE(agreed.is_object());
  EXPECT_EQ(agreed["state"], "AGREED");
  const json log = Call(bob_key, service + "ListLogEntries", {{"parent", name}});
  ASSERT_TRUE(log.is_object());
  std::vector<std::string> effectors;
  for (const json& entry : log["logEntries"]) effectors.push_back(entry["effector"]);
  EXPECT_THAT(effectors, ElementsAre(ann, bob, bob, ann));

  // An error is printed with its details: to people, and to programs as JSON.
  const std::string stale = json{{"name", name}, {"etag", seen["etag"]}}.dump();
  const auto text = Grpcurl({"-d", stale, system->address("gateway"), service + "DeleteEvent"}, system->staff_key());
  EXPECT_EQ(text.exit_code, 64 + grpc::StatusCode::ABORTED);
  EXPECT_THAT(text.err, HasSubstr(R"("reason": "ETAG_MISMATCH")"));
  const auto error =
      Grpcurl({"-format-error", "-d", stale, system->address("gateway"), service + "DeleteEvent"}, system->staff_key());
  EXPECT_EQ(error.exit_code, 64 + grpc::StatusCode::ABORTED);
  const json status = json::parse(error.err, nullptr, false);
  ASSERT_TRUE(status.is_object()) << error.err;
  const json info = status["details"][0];
  EXPECT_EQ(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_EQ(info["reason"], "ETAG_MISMATCH");
  EXPECT_EQ(info["domain"], "parley");
  EXPECT_EQ(info["metadata"]["etag"], agreed["etag"]);
}

}  // namespace
}  // namespace parley::e2e
