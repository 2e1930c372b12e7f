#include "common/rpc/principal.h"

#include <gtest/gtest.h>

#include "common/rpc/page_token.h"
#include "tests/support/status_matchers.h"

namespace parley::rpc {
namespace {

using test::Fails;

constexpr char kMethod[] = "/parley.event.v1.EventService/GetEvent";
const absl::Time kNow = absl::FromUnixSeconds(1800000000);
const std::string kOld(32, 'o'), kNew(32, 'n');

Signer SignerOf(const std::string& secrets) { return *Signer::Make(secrets); }

Principal Guest() {
  Principal principal;
  principal.kind = Principal::Kind::kUser;
  principal.user_id = Uuid::TimeOrdered();
  principal.credential_id = Uuid::TimeOrdered();
  principal.event_id = Uuid::TimeOrdered();
  principal.acting_id = Uuid::TimeOrdered();
  return principal;
}

TEST(PrincipalTest, WhatIsSignedIsRead) {
  const Signer signer = SignerOf(kNew);
  const Principal guest = Guest();
  ASSERT_OK_AND_ASSIGN(const Principal read, signer.Verify(signer.Sign(guest, kMethod, kNow), kMethod, kNow));
  EXPECT_EQ(read.kind, Principal::Kind::kUser);
  EXPECT_EQ(read.user_id, guest.user_id);
  EXPECT_EQ(read.credential_id, guest.credential_id);
  EXPECT_EQ(read.event_id, guest.event_id);
  EXPECT_EQ(read.acting_id, guest.acting_id);
  EXPECT_FALSE(read.staff);
  EXPECT_FALSE(read.active);
}

TEST(PrincipalTest, OnlyForThisMethodAndOnlyForAWhile) {
  const Signer signer = SignerOf(kNew);
  const std::string good = signer.Sign(Guest(), kMethod, kNow);
  const auto fails = Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING);
  EXPECT_THAT(signer.Verify(good, "/parley.event.v1.EventService/DeleteEvent", kNow), fails);
  EXPECT_THAT(signer.Verify(good, kMethod, kNow + absl::Seconds(29)), test::Succeeds());
  EXPECT_THAT(signer.Verify(good, kMethod, kNow + absl::Seconds(30)), fails);
  EXPECT_THAT(signer.Verify("", kMethod, kNow), fails);
  EXPECT_THAT(signer.Verify(good.substr(1), kMethod, kNow), fails);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THAT(signer.Verify(bad, kMethod, kNow), fails) << "byte " << i;
  }
}

TEST(PrincipalTest, ASecretCanBeReplacedWhileEverythingRuns) {
  const std::string by_old = SignerOf(kOld).Sign(Guest(), kMethod, kNow);
  EXPECT_THAT(SignerOf(kNew + "\n" + kOld + "\n").Verify(by_old, kMethod, kNow), test::Succeeds());
  EXPECT_THAT(SignerOf(kNew).Verify(by_old, kMethod, kNow),
              Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING));
}

TEST(PrincipalTest, BadSecrets) {
  for (const std::string& secrets :
       {std::string(), std::string("short"), kOld + "\nshort", kOld + "\n" + kNew + "\n" + kOld}) {
    EXPECT_FALSE(Signer::Make(secrets).ok());
  }
}

TEST(PrincipalTest, Audiences) {
  EXPECT_EQ(AudienceOf(kMethod), "event");
  EXPECT_EQ(AudienceOf("/parley.internal.token.v1.CredentialService/CheckCredential"), "token");
  EXPECT_EQ(AudienceOf("/grpc.health.v1.Health/Check"), "");
}

TEST(PageTokenTest, BoundToTheListAndUnforgeable) {
  const Signer signer = SignerOf(kNew);
  const std::string token = MakePageToken(signer, "ListLogEntries events/1", "17");
  ASSERT_OK_AND_ASSIGN(const std::string cursor, ParsePageToken(signer, "ListLogEntries events/1", token));
  EXPECT_EQ(cursor, "17");
  const auto fails = Fails(absl::StatusCode::kInvalidArgument, error::v1::CURSOR_INVALID);
  EXPECT_THAT(ParsePageToken(signer, "ListLogEntries events/2", token), fails);
  EXPECT_THAT(ParsePageToken(signer, "ListLogEntries events/1", "17"), fails);
  EXPECT_THAT(ParsePageToken(signer, "ListLogEntries events/1", token + "AAAA"), fails);
  EXPECT_THAT(ParsePageToken(SignerOf(kOld), "ListLogEntries events/1", token), fails);
}

TEST(PageTokenTest, Sizes) {
  EXPECT_EQ(PageSize(0, 50, 100), 50);
  EXPECT_EQ(PageSize(7, 50, 100), 7);
  EXPECT_EQ(PageSize(1000, 50, 100), 100);
}

}  // namespace
}  // namespace parley::rpc
