// The door: who is calling, what does not pass, and what callers are told.
#include <regex>

#include "common/rpc/principal.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;

const std::string kUnknownKey = "parley_api_" + std::string(40, '0');

class GatewayTest : public E2eTest {
 protected:
  static std::string ListEventsPath() { return absl::StrCat("/", kEventService, "/ListEvents"); }
  static absl::StatusOr<event::v1::ListEventsResponse> List(Client client) {
    return client.Call(&Events::ListEvents, {});
  }
};

TEST_F(GatewayTest, APrincipalThatAClientSendsIsStripped) {
  const auto signer = rpc::Signer::Make(system->secrets());
  rpc::Principal staff;
  staff.kind = rpc::Principal::Kind::kUser;
  staff.staff = true;
  staff.active = true;
  const test::Metadata forged = {{rpc::kPrincipalMetadata, signer->Sign(staff, ListEventsPath(), absl::Now())}};
  // It is one that the service takes, where nothing stands between.
  EXPECT_THAT(List(Client(system->Channel("event"), "", forged)), Succeeds());
  EXPECT_THAT(List(system->As("", forged)), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_MISSING));
  // Nor does it lend a member the rights of staff.
  Client member = system->As(system->MakeMember("principal@example.com"), forged);
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {})));
  EXPECT_EQ(event.initiator(), "principal@example.com");
}

TEST_F(GatewayTest, TheCallIdIsTheGatewaysAndJoinsAnswerErrorAndLogs) {
  Client member = system->As(system->MakeMember("call.id@example.com"), {{"parley-call-id", "forged"}});
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {})));
  const std::string good_id = member.call_id();
  EXPECT_TRUE(std::regex_match(good_id, std::regex("[0-9a-f]{16}"))) << good_id;
  const auto refused = member.Call(&Events::DeleteEvent, Deletion(event));
  ASSERT_THAT(refused, Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
  const std::string bad_id = member.call_id();
  EXPECT_TRUE(std::regex_match(bad_id, std::regex("[0-9a-f]{16}"))) << bad_id;
  EXPECT_NE(bad_id, good_id);
  EXPECT_EQ(InfoOf(refused.status(), "call_id"), bad_id);
  for (const char* process : {"gateway", "event"}) {
    SCOPED_TRACE(process);
    EXPECT_TRUE(Eventually([&] { return system->CallLine(process, bad_id).is_object(); }));
    const auto good = system->CallLine(process, good_id);
    ASSERT_TRUE(good.is_object());
    EXPECT_EQ(good["method"], absl::StrCat("/", kEventService, "/CreateEvent"));
    EXPECT_EQ(good["code"], "OK");
    EXPECT_GT(good["duration_us"].get<int64_t>(), 0);
    EXPECT_NE(good["user"], "");
    EXPECT_EQ(system->CallLine(process, bad_id)["code"], "PERMISSION_DENIED");
    EXPECT_TRUE(system->CallLine(process, "forged").is_null());
  }
}

TEST_F(GatewayTest, WhatIsInternalOrUnknownIsUnimplemented) {
  Client staff = system->As(system->staff_key());
  internal::token::v1::CheckCredentialRequest check;
  check.set_key(system->staff_key());
  EXPECT_EQ(staff.Call(&internal::token::v1::CredentialService::Stub::CheckCredential, check).status().code(),
            StatusCode::kUnimplemented);
  for (const char* path : {"/parley.event.v1.EventService/NoSuchMethod", "/parley.event.v1.NoSuchService/GetEvent",
                           "/parley.nothing.v1.NoSuchService/Get", "/example.Service/Get", "/nonsense"}) {
    EXPECT_EQ(staff.CallPath(path).code(), StatusCode::kUnimplemented) << path;
  }
}

TEST_F(GatewayTest, ABadCredentialIsRefusedAndTheReasonTold) {
  const std::string key = system->MakeMember("credential@example.com");
  const auto invalid = Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID);
  EXPECT_THAT(List(system->As(key)), Succeeds());
  EXPECT_THAT(List(system->As("")), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_MISSING));
  EXPECT_THAT(List(system->As(kUnknownKey)), invalid);
  EXPECT_THAT(List(system->As("nonsense")), invalid);
  EXPECT_THAT(List(system->As(key + "0")), invalid);
  EXPECT_THAT(List(system->As("", {{"authorization", ""}})), invalid);
  EXPECT_THAT(List(system->As("", {{"authorization", "Bearer "}})), invalid);
  EXPECT_THAT(List(system->As("", {{"authorization", "Basic " + key}})), invalid);
  EXPECT_THAT(List(system->As(key, {{"authorization", "Bearer " + key}})), invalid);
}

TEST_F(GatewayTest, U4_ARevokedKeyIsDeadWithinASecond) {
  Client staff = system->As(system->staff_key());
  const std::string key = system->MakeMember("revoked@example.com");
  Client member = system->As(key);
  token::v1::ListApiKeysRequest list;
  list.set_parent("users/self");
  ASSERT_OK_AND_ASSIGN(const auto keys, member.Call(&Tokens::ListApiKeys, list));
  ASSERT_EQ(keys.api_keys_size(), 1);
  EXPECT_EQ(keys.api_keys(0).key(), "");
  token::v1::RevokeApiKeyRequest revoke;
  revoke.set_name(keys.api_keys(0).name());
  ASSERT_THAT(member.Call(&Tokens::RevokeApiKey, revoke), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {[&] { return member.Call(&Events::ListEvents, {}).status(); }}), absl::Seconds(1));
  EXPECT_THAT(List(member), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
}

TEST_F(GatewayTest, U6_StaffActForAUserAndTheLogNamesWhoActed) {
  system->MakeMember("principal.of@example.com");
  Client staff = system->As(system->staff_key(), {{"parley-act-for", "Principal.Of@EXAMPLE.com"}});
  ASSERT_OK_AND_ASSIGN(const Event event,
                       staff.Call(&Events::CreateEvent, Proposal({"never.registered@example.com"}, {SlotIn(2)})));
  EXPECT_EQ(event.initiator(), "principal.of@example.com");
  EXPECT_THAT(ConfirmedIn(event), ElementsAre("principal.of@example.com"));
  const auto log = LogOf(staff, event.name());
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log[0].effector(), "principal.of@example.com");
  EXPECT_EQ(log[0].data().acted_by(), system->staff_address());
  // Exactly that user's rights: a member deletes nothing.
  EXPECT_THAT(staff.Call(&Events::DeleteEvent, Deletion(event)),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
  // An inactive user may do what parties do, but not create.
  Client for_inactive = system->As(system->staff_key(), {{"parley-act-for", "never.registered@example.com"}});
  EXPECT_THAT(for_inactive.Call(&Events::ConfirmEvent, Confirmation(event)), Succeeds());
  EXPECT_THAT(for_inactive.Call(&Events::CreateEvent, Proposal({}, {})),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
}

TEST_F(GatewayTest, U6_NobodyElseActsForAUserNorAnybodyForSomeoneUnknown) {
  system->MakeMember("acted.for@example.com");
  const std::string key = system->MakeMember("actor@example.com");
  EXPECT_THAT(List(system->As(key, {{"parley-act-for", "acted.for@example.com"}})),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
  EXPECT_THAT(List(system->As(system->staff_key(), {{"parley-act-for", "nobody.knows@example.com"}})),
              Fails(StatusCode::kNotFound, Reason::NOT_FOUND));
  EXPECT_THAT(List(system->As(system->staff_key(), {{"parley-act-for", "no address"}})),
              Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  EXPECT_THAT(List(system->As("", {{"parley-act-for", "acted.for@example.com"}})),
              Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_MISSING));
}

TEST_F(GatewayTest, AServiceTakesNoCallThatIsNotSigned) {
  const std::string key = system->MakeMember("direct@example.com");
  const auto missing = Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_MISSING);
  EXPECT_THAT(List(Client(system->Channel("event"), key)), missing);
  EXPECT_THAT(List(Client(system->Channel("event"), key, {{rpc::kPrincipalMetadata, "forged"}})), missing);
  const auto other = rpc::Signer::Make("a secret that is not the one which the processes share");
  const std::string forged = other->Sign(rpc::Principal::Service("gateway"), ListEventsPath(), absl::Now());
  EXPECT_THAT(List(Client(system->Channel("event"), key, {{rpc::kPrincipalMetadata, forged}})), missing);
  EXPECT_THAT(Client(system->Channel("token"), key).Call(&Tokens::GetUser, {}), missing);
  EXPECT_THAT(Client(system->Channel("notification"), key).Call(&NotificationStub::GetNotification, {}), missing);
}

TEST_F(GatewayTest, AllBadFieldsAreNamedAtOnce) {
  auto request = Proposal({"no address", "a@example.com"}, {SlotIn(2), SlotIn(3)});
  request.mutable_event()->set_title("\n");
  request.mutable_event()->set_time_zone("Nowhere/Atlantis");
  request.mutable_event()->mutable_slots(1)->mutable_duration()->set_seconds(-1);
  const auto refused = system->As(system->MakeMember("bad.fields@example.com")).Call(&Events::CreateEvent, request);
  ASSERT_THAT(refused, Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  const auto fields = test::DetailOf<google::rpc::BadRequest>(refused.status());
  ASSERT_TRUE(fields.has_value());
  std::vector<std::string> paths;
  for (const auto& violation : fields->field_violations()) paths.push_back(violation.field());
  EXPECT_THAT(paths, UnorderedElementsAre("event.title", "event.parties[0].address", "event.slots[1].duration",
                                          "event.time_zone"));
}

TEST(LimitTest, WhoCallsTooOftenIsToldWhenToTryAgain) {
  const TestDatabase database;
  System system({database.service_url(), {{"gateway", {{"calls-per-second", "1"}, {"burst", "3"}}}}});
  system.Start();
  Client staff = system.As(system.staff_key());
  absl::Status refused;
  int passed = 0;
  ASSERT_TRUE(Eventually([&] {
    refused = staff.Call(&Events::ListEvents, {}).status();
    if (refused.ok()) ++passed;
    return !refused.ok();
  }));
  EXPECT_GE(passed, 3);
  EXPECT_THAT(refused, Fails(StatusCode::kResourceExhausted, Reason::RATE_LIMITED));
  const auto retry = test::DetailOf<google::rpc::RetryInfo>(refused);
  ASSERT_TRUE(retry.has_value());
  EXPECT_LE(retry->retry_delay().seconds(), 1);
  // That caller alone.
  EXPECT_THAT(system.As(kUnknownKey).Call(&Events::ListEvents, {}),
              Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  ExpectGoodEnd(system, database);
}

}  // namespace
}  // namespace parley::e2e
