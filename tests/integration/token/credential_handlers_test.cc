#include "services/token/credential_handlers.h"

#include "common/data/key.h"
#include "common/time/proto_time.h"
#include "services/token/email_tokens.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using internal::token::v1::CheckCredentialRequest;
using internal::token::v1::CheckCredentialResponse;
using internal::token::v1::CreateEmailTokensRequest;
using internal::token::v1::CreateEmailTokensResponse;
using internal::token::v1::RevokeEmailTokensRequest;
using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CredentialHandlersTest : public TokenTest {
 protected:
  using Result = CreateEmailTokensResponse::Result;

  static void Add(CreateEmailTokensRequest& request, const std::string& event_id, const std::string& user_id) {
    auto& holder = *request.add_holders();
    holder.set_event_id(event_id);
    holder.set_user_id(user_id);
  }

  absl::Status CreateEmailToken(const rpc::Call& call, const std::string& event_id, const std::string& user_id) {
    CreateEmailTokensRequest request;
    Add(request, event_id, user_id);
    CreateEmailTokensResponse response;
    return credentials.CreateEmailTokens(call, request, response);
  }

  absl::Status RevokeEmailToken(const rpc::Call& call, const std::string& id) {
    RevokeEmailTokensRequest request;
    request.add_email_token_ids(id);
    google::protobuf::Empty response;
    return credentials.RevokeEmailTokens(call, request, response);
  }

  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("anna@example.com");
  const data::User ben = MakeInactiveUser("ben@example.com");
};

// ---- Who may call

TEST_F(CredentialHandlersTest, TakesOnlyCallsOfServices) {
  CheckCredentialResponse response;
  EXPECT_THAT(credentials.CheckCredential(CallByNobody(), {}, response),
              Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING));
  EXPECT_THAT(credentials.CheckCredential(CallByUser(staff), {}, response),
              Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(CreateEmailToken(CallByNobody(), "", ""), Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING));
  EXPECT_THAT(CreateEmailToken(CallByUser(staff), "", ""), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(RevokeEmailToken(CallByNobody(), ""), Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING));
  EXPECT_THAT(RevokeEmailToken(CallByUser(staff), ""), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

TEST_F(CredentialHandlersTest, OnlyTheNotificationServiceMakesAndRevokesEmailTokens) {
  const std::string event_id = MakeEvent({anna}).ToBytes();
  EXPECT_THAT(CreateEmailToken(CallByService("gateway"), event_id, anna.id.ToBytes()),
              Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(RevokeEmailToken(CallByService("gateway"), event_id),
              Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

// ---- API keys

TEST_F(CredentialHandlersTest, AnApiKeyTellsItsUser) {
  ASSERT_OK_AND_ASSIGN(const auto found, Check(MakeApiKey(anna)));
  EXPECT_EQ(found.user_id(), anna.id.ToBytes());
  EXPECT_EQ(found.role(), v1::User::MEMBER);
  EXPECT_EQ(found.state(), v1::User::ACTIVE);
  EXPECT_EQ(Uuid::FromBytes(found.credential_id())->ToString(), database.Sql("select api_key_id::text from api_keys"));
  EXPECT_EQ(found.event_id(), "");
  EXPECT_EQ(found.acting_user_id(), "");
  EXPECT_FALSE(found.has_expire_time());

  ASSERT_OK_AND_ASSIGN(const auto found_staff, Check(MakeApiKey(staff)));
  EXPECT_EQ(found_staff.role(), v1::User::STAFF);
}

TEST_F(CredentialHandlersTest, WhatIsNoKeyOfOursIsRefused) {
  const std::string key = MakeApiKey(anna);
  const std::string digits = key.substr(data::kApiKeyPrefix.size());
  for (const std::string& other :
       {std::string(), std::string("x"), digits, key + "0", key.substr(0, key.size() - 1), " " + key, key + "\n",
        "parley_guest_" + digits, data::MakeKey(data::kApiKeyPrefix), data::MakeKey(data::kGuestKeyPrefix),
        std::string(100000, 'x'), key + '\0', std::string("parley_api_") + std::string(40, '\xff')}) {
    EXPECT_THAT(Check(other), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  }
}

TEST_F(CredentialHandlersTest, U4_ARevokedApiKeyIsRefused) {
  const std::string key = MakeApiKey(anna);
  const std::string other_key = MakeApiKey(anna);
  const std::string id = Check(key)->credential_id();
  const bool revoked = InTransaction([&](data::Transaction& tx) -> absl::StatusOr<bool> {
    PARLEY_RETURN_IF_ERROR(data::ApiKeys(tx).Revoke(*Uuid::FromBytes(id)));
    return true;
  });
  EXPECT_TRUE(revoked);
  EXPECT_THAT(Check(key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  EXPECT_THAT(Check(other_key), Succeeds());
}

TEST_F(CredentialHandlersTest, U4_TheApiKeyOfAUserWhoIsNotActiveIsRefused) {
  EXPECT_THAT(Check(MakeApiKey(ben)), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

// ---- Acting for a user

TEST_F(CredentialHandlersTest, U6_StaffActForAUserWithThatUsersRights) {
  ASSERT_OK_AND_ASSIGN(const auto found, Check(MakeApiKey(staff), "ANNA@Example.COM"));
  EXPECT_EQ(found.user_id(), anna.id.ToBytes());
  EXPECT_EQ(found.role(), v1::User::MEMBER);
  EXPECT_EQ(found.state(), v1::User::ACTIVE);
  EXPECT_EQ(found.acting_user_id(), staff.id.ToBytes());
}

TEST_F(CredentialHandlersTest, U6_StaffActForAnInactiveUser) {
  ASSERT_OK_AND_ASSIGN(const auto found, Check(MakeApiKey(staff), "ben@example.com"));
  EXPECT_EQ(found.user_id(), ben.id.ToBytes());
  EXPECT_EQ(found.role(), v1::User::MEMBER);
  EXPECT_EQ(found.state(), v1::User::INACTIVE);
  EXPECT_EQ(found.acting_user_id(), staff.id.ToBytes());
}

TEST_F(CredentialHandlersTest, U6_NobodyElseActsForAUser) {
  const Guest guest = MakeGuest(MakeEvent({staff, anna}), staff);
  for (const char* address : {"anna@example.com", "unknown@example.com"}) {
    EXPECT_THAT(Check(MakeApiKey(anna), address), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
    EXPECT_THAT(Check(guest.key, address), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
  }
}

TEST_F(CredentialHandlersTest, U6_AnUnknownAddressIsNotFoundAndNotRepeated) {
  const auto found = Check(MakeApiKey(staff), "canary@example.com");
  EXPECT_THAT(found, Fails(kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(found.status().ToString(absl::StatusToStringMode::kWithEverything), Not(HasSubstr("canary")));
  EXPECT_EQ(database.Sql("select count(*)::text from users"), "3");
}

TEST_F(CredentialHandlersTest, U6_WhatIsNoAddressIsABadField) {
  const auto found = Check(MakeApiKey(staff), "anna");
  EXPECT_THAT(found, Fails(kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("parley-act-for"));
  // Who are you comes first.
  EXPECT_THAT(Check("no key", "anna"), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

// ---- E-mail tokens

TEST_F(CredentialHandlersTest, T1_AnEmailTokenOpensOneEventForOneParty) {
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest guest = MakeGuest(event_id, ben);
  ASSERT_OK_AND_ASSIGN(const auto found, Check(guest.key));
  EXPECT_EQ(found.user_id(), ben.id.ToBytes());
  EXPECT_EQ(found.role(), v1::User::MEMBER);
  EXPECT_EQ(found.state(), v1::User::INACTIVE);
  EXPECT_EQ(found.event_id(), event_id.ToBytes());
  EXPECT_EQ(found.credential_id(), guest.call.principal.credential_id.ToBytes());
  EXPECT_EQ(found.acting_user_id(), "");
  EXPECT_TRUE(found.has_expire_time());
}

TEST_F(CredentialHandlersTest, T1_EachAttemptMakesATokenOfItsOwn) {
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest first = MakeGuest(event_id, ben);
  const Guest second = MakeGuest(event_id, ben);
  EXPECT_NE(first.key, second.key);
  EXPECT_NE(first.name, second.name);
  EXPECT_THAT(RevokeEmailToken(CallByService("notification"), first.call.principal.credential_id.ToBytes()),
              Succeeds());
  EXPECT_THAT(Check(first.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  EXPECT_THAT(Check(second.key), Succeeds());
}

TEST_F(CredentialHandlersTest, T2_KeptOnlyAsAHash) {
  const Guest guest = MakeGuest(MakeEvent({anna}), anna);
  const std::string api_key = MakeApiKey(anna);
  for (const auto& [table, prefix, key] :
       {std::tuple{"email_tokens", data::kGuestKeyPrefix, guest.key}, {"api_keys", data::kApiKeyPrefix, api_key}}) {
    ASSERT_TRUE(data::IsKey(key, prefix));
    const std::string row = database.Sql(std::string("select t::text from ") + table + " t");
    EXPECT_THAT(row, Not(HasSubstr(key.substr(prefix.size()))));
    EXPECT_EQ(database.Sql(std::string("select (key_hash = sha256('") + key + "'))::text from " + table), "true");
  }
}

TEST_F(CredentialHandlersTest, T3_ExpiresAfterItsLifetime) {
  const Guest guest = MakeGuest(MakeEvent({anna}), anna);
  EXPECT_EQ(database.Sql("select (expire_time - create_time = interval '36 hours')::text from email_tokens"), "true");
  const auto expire_time = FromProto(Check(guest.key)->expire_time());
  EXPECT_EQ(absl::FormatTime("%Y-%m-%d %H:%M:%E6S", *expire_time, absl::UTCTimeZone()),
            database.Sql("select to_char(expire_time, 'YYYY-MM-DD HH24:MI:SS.US') from email_tokens"));
}

TEST_F(CredentialHandlersTest, T3_AtTheMomentOfExpiryItIsExpired) {
  const absl::Time expiry = absl::FromUnixMicros(1700000000000001);
  EXPECT_FALSE(IsExpired(expiry, expiry - absl::Microseconds(1)));
  EXPECT_TRUE(IsExpired(expiry, expiry));
  EXPECT_TRUE(IsExpired(expiry, expiry + absl::Microseconds(1)));

  const Guest guest = MakeGuest(MakeEvent({anna}), anna);
  database.Sql("update email_tokens set expire_time = now()");
  EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::TOKEN_EXPIRED));
}

TEST_F(CredentialHandlersTest, T4_AGuestIsAMemberWhoeverTheUserIs) {
  const Guest guest = MakeGuest(MakeEvent({staff, anna}), staff);
  ASSERT_OK_AND_ASSIGN(const auto found, Check(guest.key));
  EXPECT_EQ(found.user_id(), staff.id.ToBytes());
  EXPECT_EQ(found.role(), v1::User::MEMBER);
  EXPECT_EQ(found.state(), v1::User::ACTIVE);
}

TEST_F(CredentialHandlersTest, T6_CheckingNeverUsesATokenUp) {
  const Guest guest = MakeGuest(MakeEvent({anna}), anna);
  const std::string row = database.Sql("select t::text from email_tokens t");
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Check(guest.key), Succeeds());
  EXPECT_EQ(database.Sql("select t::text from email_tokens t"), row);
}

TEST_F(CredentialHandlersTest, E10_TheTokensOfADeletedEventAreGone) {
  const Uuid event_id = MakeEvent({anna});
  const Guest guest = MakeGuest(event_id, anna);
  Delete(event_id);
  EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  // That it is expired is told only where the key is right.
  database.Sql("update email_tokens set expire_time = now()");
  EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

TEST_F(CredentialHandlersTest, RevokedComesBeforeExpired) {
  const Guest guest = MakeGuest(MakeEvent({anna}), anna);
  database.Sql("update email_tokens set expire_time = now(), revoke_time = now()");
  EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

TEST_F(CredentialHandlersTest, NoTokenIsMadeWithoutAnEventAndItsParty) {
  const rpc::Call call = CallByService("notification");
  const Uuid event_id = MakeEvent({anna});
  const Uuid deleted = MakeEvent({anna});
  Delete(deleted);
  CreateEmailTokensRequest request;
  Add(request, Uuid::TimeOrdered().ToBytes(), anna.id.ToBytes());
  Add(request, event_id.ToBytes(), ben.id.ToBytes());
  Add(request, event_id.ToBytes(), anna.id.ToBytes());
  Add(request, deleted.ToBytes(), anna.id.ToBytes());
  Add(request, event_id.ToBytes(), Uuid::TimeOrdered().ToBytes());
  CreateEmailTokensResponse response;
  ASSERT_THAT(credentials.CreateEmailTokens(call, request, response), Succeeds());
  std::vector<Result::Refusal> refusals;
  for (const Result& result : response.results()) refusals.push_back(result.refusal());
  EXPECT_THAT(refusals, ::testing::ElementsAre(Result::EVENT_GONE, Result::EVENT_GONE, Result::REFUSAL_UNSPECIFIED,
                                               Result::EVENT_GONE, Result::EVENT_GONE));
  EXPECT_THAT(Check(response.results(2).key()), Succeeds());
  EXPECT_EQ(database.Sql("select count(*)::text from email_tokens"), "1");
}

TEST_F(CredentialHandlersTest, AllBadFieldsAreNamedAtOnce) {
  const absl::Status status = CreateEmailToken(CallByService("notification"), "", "x");
  EXPECT_THAT(status, Fails(kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_THAT(std::string(status.message()), HasSubstr("event_id"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("user_id"));
  EXPECT_THAT(RevokeEmailToken(CallByService("notification"), "x"), Fails(kInvalidArgument, error::v1::INVALID_FIELDS));
}

TEST_F(CredentialHandlersTest, RevokingAgainOrWhatIsAbsentChangesNothing) {
  const rpc::Call call = CallByService("notification");
  const std::string id = MakeGuest(MakeEvent({anna}), anna).call.principal.credential_id.ToBytes();
  EXPECT_THAT(RevokeEmailToken(call, id), Succeeds());
  const std::string revoked = database.Sql("select revoke_time::text from email_tokens");
  EXPECT_NE(revoked, "");
  EXPECT_THAT(RevokeEmailToken(call, id), Succeeds());
  EXPECT_EQ(database.Sql("select revoke_time::text from email_tokens"), revoked);
  EXPECT_THAT(RevokeEmailToken(call, Uuid::TimeOrdered().ToBytes()), Succeeds());
}

TEST_F(CredentialHandlersTest, WithoutTheDatabaseItIsUnavailable) {
  data::Pool away("host=/nowhere", 1);
  CheckCredentialRequest request;
  request.set_key(data::MakeKey(data::kApiKeyPrefix));
  CheckCredentialResponse response;
  EXPECT_THAT(CredentialHandlers(away, kLifetime).CheckCredential(CallByService("gateway"), request, response),
              Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE));
}

// ---- Looking again

class RecheckTest : public CredentialHandlersTest {
 protected:
  using Request = internal::token::v1::RecheckCredentialsRequest;
  using Response = internal::token::v1::RecheckCredentialsResponse;

  // Who calls with the key, as a stream remembers it.
  Request::Caller CallerBy(const std::string& key, const std::string& act_for = "") {
    const auto found = Check(key, act_for);
    Request::Caller caller;
    EXPECT_THAT(found, Succeeds());
    if (!found.ok()) return caller;
    caller.set_credential_id(found->credential_id());
    caller.set_email_token(!found->event_id().empty());
    caller.set_user_id(found->user_id());
    caller.set_role(found->role());
    caller.set_acting_user_id(found->acting_user_id());
    return caller;
  }

  std::vector<int> Recheck(const std::vector<Request::Caller>& callers) {
    Request request;
    for (const auto& caller : callers) *request.add_callers() = caller;
    Response response;
    EXPECT_THAT(credentials.RecheckCredentials(CallByService("event"), request, response), Succeeds());
    return {response.verdicts().begin(), response.verdicts().end()};
  }

  void Set(const data::User& user, const std::string& what) {
    database.Sql("update users set " + what + " where user_id = '" + user.id.ToString() + "'");
  }

  const Uuid event_id = MakeEvent({anna, ben});
  const Guest guest = MakeGuest(event_id, ben);
  const std::string anna_key = MakeApiKey(anna), staff_key = MakeApiKey(staff);
  const std::vector<Request::Caller> all = {CallerBy(anna_key), CallerBy(staff_key),
                                            CallerBy(staff_key, "anna@example.com"),
                                            CallerBy(staff_key, "ben@example.com"), CallerBy(guest.key)};
};

TEST_F(RecheckTest, U4_T5_WhoeverIsAsBeforeIsGoodAndNobodyElse) {
  EXPECT_THAT(Recheck(all),
              ElementsAre(Response::GOOD, Response::GOOD, Response::GOOD, Response::GOOD, Response::GOOD));
  // Deactivation is looked at of both, whoever acts and whoever is acted for.
  Set(anna, "state = 'DEACTIVATED'");
  EXPECT_THAT(Recheck(all),
              ElementsAre(Response::INVALID, Response::GOOD, Response::INVALID, Response::GOOD, Response::GOOD));
  Set(anna, "state = 'ACTIVE'");
  Set(staff, "state = 'DEACTIVATED'");
  EXPECT_THAT(Recheck(all),
              ElementsAre(Response::GOOD, Response::INVALID, Response::INVALID, Response::INVALID, Response::GOOD));
  Set(staff, "state = 'ACTIVE'");
  Set(ben, "state = 'DEACTIVATED'");
  EXPECT_THAT(Recheck(all),
              ElementsAre(Response::GOOD, Response::GOOD, Response::GOOD, Response::INVALID, Response::INVALID));
}

TEST_F(RecheckTest, T3_T5_ATokenExpiresAndIsRevokedButTheDeletionOfItsEventIsToldByTheStream) {
  database.Sql("update email_tokens set expire_time = now()");
  EXPECT_THAT(Recheck({all[4]}), ElementsAre(Response::EXPIRED));
  database.Sql("update email_tokens set expire_time = now() + interval '1 day'");
  Delete(event_id);
  EXPECT_THAT(Recheck({all[4]}), ElementsAre(Response::GOOD));
  database.Sql("update email_tokens set revoke_time = now()");
  EXPECT_THAT(Recheck({all[4]}), ElementsAre(Response::INVALID));
}

TEST_F(RecheckTest, U4_AKeyIsRevokedAndARoleIsLost) {
  Set(staff, "role = 'MEMBER'");
  EXPECT_THAT(Recheck(all), ElementsAre(Response::GOOD, Response::ROLE_LOST, Response::ROLE_LOST, Response::ROLE_LOST,
                                        Response::GOOD));
  Set(staff, "role = 'STAFF'");
  // A role that is gained takes nothing away.
  Set(anna, "role = 'STAFF'");
  EXPECT_THAT(Recheck({all[0], all[2]}), ElementsAre(Response::GOOD, Response::GOOD));
  database.Sql("update api_keys set revoke_time = now()");
  EXPECT_THAT(Recheck(all),
              ElementsAre(Response::INVALID, Response::INVALID, Response::INVALID, Response::INVALID, Response::GOOD));
}

TEST_F(RecheckTest, WhatIsUnknownErasedOrOfAnotherUserIsInvalid) {
  Request::Caller unknown = all[0], others = all[0], no_key = all[0];
  unknown.set_credential_id(Uuid::TimeOrdered().ToBytes());
  others.set_user_id(ben.id.ToBytes());
  no_key.set_email_token(true);
  EXPECT_THAT(Recheck({unknown, others, no_key}), ElementsAre(Response::INVALID, Response::INVALID, Response::INVALID));
  database.Sql("delete from users where user_id = '" + ben.id.ToString() + "'");
  EXPECT_THAT(Recheck({all[3], all[4]}), ElementsAre(Response::INVALID, Response::INVALID));
}

}  // namespace
}  // namespace parley::token
