#include "services/token/token_handlers.h"

#include "common/data/key.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class TokenHandlersTest : public TokenTest {
 protected:
  absl::StatusOr<v1::User> CreateUser(const rpc::Call& call, const std::string& address, int role = 0) {
    v1::CreateUserRequest request;
    request.mutable_user()->set_address(address);
    request.mutable_user()->set_role(static_cast<v1::User::Role>(role));
    return Answer(tokens, &TokenHandlers::CreateUser, call, request);
  }

  absl::StatusOr<v1::User> GetUser(const rpc::Call& call, const std::string& name) {
    return Answer(tokens, &TokenHandlers::GetUser, call, Named<v1::GetUserRequest>(name));
  }

  absl::StatusOr<v1::ApiKey> CreateApiKey(const rpc::Call& call, const std::string& parent) {
    v1::CreateApiKeyRequest request;
    request.set_parent(parent);
    return Answer(tokens, &TokenHandlers::CreateApiKey, call, request);
  }

  absl::StatusOr<v1::ListApiKeysResponse> ListApiKeys(const rpc::Call& call, const std::string& parent,
                                                      int page_size = 0, const std::string& page_token = "") {
    v1::ListApiKeysRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return Answer(tokens, &TokenHandlers::ListApiKeys, call, request);
  }

  absl::StatusOr<v1::ApiKey> RevokeApiKey(const rpc::Call& call, const std::string& name) {
    return Answer(tokens, &TokenHandlers::RevokeApiKey, call, Named<v1::RevokeApiKeyRequest>(name));
  }

  absl::StatusOr<v1::EmailToken> GetEmailToken(const rpc::Call& call, const std::string& name) {
    return Answer(tokens, &TokenHandlers::GetEmailToken, call, Named<v1::GetEmailTokenRequest>(name));
  }

  absl::StatusOr<v1::EmailToken> RevokeEmailToken(const rpc::Call& call, const std::string& name) {
    return Answer(tokens, &TokenHandlers::RevokeEmailToken, call, Named<v1::RevokeEmailTokenRequest>(name));
  }

  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("anna@example.com");
  const data::User ben = MakeUser("ben@example.com");
  const std::string unknown_user = "users/" + Uuid::TimeOrdered().ToString();
  const std::string own_email_token = "events/-/emailTokens/self";
};

// ---- Who may do what

TEST_F(TokenHandlersTest, NobodyMayDoNothingAndIsToldFirst) {
  const auto missing = Fails(kUnauthenticated, error::v1::CREDENTIAL_MISSING);
  EXPECT_THAT(CreateUser(CallByNobody(), ""), missing);
  EXPECT_THAT(GetUser(CallByNobody(), ""), missing);
  EXPECT_THAT(CreateApiKey(CallByNobody(), ""), missing);
  EXPECT_THAT(ListApiKeys(CallByNobody(), ""), missing);
  EXPECT_THAT(RevokeApiKey(CallByNobody(), ""), missing);
  EXPECT_THAT(GetEmailToken(CallByNobody(), ""), missing);
  EXPECT_THAT(RevokeEmailToken(CallByNobody(), ""), missing);
}

TEST_F(TokenHandlersTest, ServicesCallOnlyForUsers) {
  EXPECT_THAT(GetUser(CallByService("gateway"), NameOf(anna)), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

TEST_F(TokenHandlersTest, U4_OnlyStaffCreateUsersAndIssueKeys) {
  const auto denied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);
  EXPECT_THAT(CreateUser(CallByUser(anna), "new@example.com"), denied);
  EXPECT_THAT(CreateApiKey(CallByUser(anna), NameOf(anna)), denied);
  EXPECT_EQ(CreateApiKey(CallByUser(anna), NameOf(ben)).status().message(),
            CreateApiKey(CallByUser(anna), unknown_user).status().message());
  EXPECT_EQ(database.Sql("select count(*)::text from api_keys"), "0");
}

TEST_F(TokenHandlersTest, T4_AGuestMayDoNothingElseWhoeverTheUserIs) {
  const auto denied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);
  const Uuid event_id = MakeEvent({anna, staff});
  Guest guest = MakeGuest(event_id, staff);
  for (const bool claims_staff : {false, true}) {
    guest.call.principal.staff = claims_staff;
    EXPECT_THAT(CreateUser(guest.call, "new@example.com"), denied);
    for (const std::string& user : {std::string("users/self"), NameOf(staff), NameOf(anna), unknown_user}) {
      EXPECT_THAT(GetUser(guest.call, user), denied);
      EXPECT_THAT(ListApiKeys(guest.call, user), denied);
    }
    EXPECT_THAT(CreateApiKey(guest.call, NameOf(staff)), denied);
    EXPECT_THAT(RevokeApiKey(guest.call, NameOf(staff) + "/apiKeys/" + Uuid::TimeOrdered().ToString()), denied);
    EXPECT_THAT(GetEmailToken(guest.call, MakeGuest(event_id, anna).name), denied);
  }
}

TEST_F(TokenHandlersTest, BadFieldsAreToldBeforePermission) {
  EXPECT_THAT(BadFieldsOf(CreateUser(CallByUser(anna), "", 99)), ElementsAre("user.address", "user.role"));
  EXPECT_THAT(BadFieldsOf(CreateApiKey(CallByUser(anna), "users/self")), ElementsAre("parent"));
}

// ---- Users

TEST_F(TokenHandlersTest, U3_CreateUserRegistersAnAddress) {
  ASSERT_OK_AND_ASSIGN(const v1::User user, CreateUser(CallByUser(staff),
                                                       "Carla@B\xC3\xBC"
                                                       "cher.Example"));
  EXPECT_EQ(user.address(), "Carla@xn--bcher-kva.example");
  EXPECT_EQ(user.state(), v1::User::ACTIVE);
  EXPECT_EQ(user.role(), v1::User::MEMBER);
  EXPECT_TRUE(user.has_create_time());
  ASSERT_OK_AND_ASSIGN(const v1::User found, GetUser(CallByUser(staff), user.name()));
  EXPECT_EQ(found.SerializeAsString(), user.SerializeAsString());
}

TEST_F(TokenHandlersTest, CreateUserTakesARole) {
  EXPECT_EQ(CreateUser(CallByUser(staff), "carla@example.com", v1::User::STAFF)->role(), v1::User::STAFF);
  EXPECT_EQ(CreateUser(CallByUser(staff), "dora@example.com", v1::User::MEMBER)->role(), v1::User::MEMBER);
}

TEST_F(TokenHandlersTest, U1_CreateUserActivatesAUserThatWasOnlyNamed) {
  const data::User carla = MakeInactiveUser("carla@example.com");
  EXPECT_EQ(GetUser(CallByUser(staff), NameOf(carla))->state(), v1::User::INACTIVE);
  ASSERT_OK_AND_ASSIGN(const v1::User user, CreateUser(CallByUser(staff), "CARLA@example.com"));
  EXPECT_EQ(user.name(), NameOf(carla));
  EXPECT_EQ(user.state(), v1::User::ACTIVE);
}

TEST_F(TokenHandlersTest, U1_CreateUserOfARegisteredAddressAlreadyExists) {
  for (const char* state : {"ACTIVE", "DEACTIVATED"}) {
    database.Sql(std::string("update users set state = '") + state + "' where local_part = 'anna'");
    const auto again = CreateUser(CallByUser(staff), "ANNA@EXAMPLE.COM", v1::User::STAFF);
    EXPECT_EQ(again.status(), AlreadyExists("parley.token.v1.User", NameOf(anna),
                                            "the address is registered already, as " + NameOf(anna)));
    EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(again).resource_name(), NameOf(anna));
    ASSERT_OK_AND_ASSIGN(const v1::User found, GetUser(CallByUser(staff), NameOf(anna)));
    EXPECT_EQ(v1::User::State_Name(found.state()), state);
    EXPECT_EQ(found.role(), v1::User::MEMBER);
    EXPECT_EQ(found.address(), "anna@example.com");
  }
}

TEST_F(TokenHandlersTest, CreateUserNamesAllBadFieldsAtOnce) {
  EXPECT_THAT(BadFieldsOf(CreateUser(CallByUser(staff), "Anna <anna@example.com>", -1)),
              ElementsAre("user.address", "user.role"));
  v1::User response;
  EXPECT_THAT(BadFieldsOf(tokens.CreateUser(CallByUser(staff), {}, response)), ElementsAre("user.address"));
}

TEST_F(TokenHandlersTest, GetUserIsForTheUserAndForStaff) {
  ASSERT_OK_AND_ASSIGN(const v1::User user, GetUser(CallByUser(anna), "users/self"));
  EXPECT_EQ(user.name(), NameOf(anna));
  EXPECT_EQ(user.address(), "anna@example.com");
  EXPECT_EQ(GetUser(CallByUser(anna), NameOf(anna))->SerializeAsString(), user.SerializeAsString());
  EXPECT_EQ(GetUser(CallByUser(staff), NameOf(anna))->SerializeAsString(), user.SerializeAsString());
}

TEST_F(TokenHandlersTest, U6_AnInactiveUserActedForHasAMembersRights) {
  const data::User carla = MakeInactiveUser("carla@example.com");
  rpc::Call call = CallByUser(carla);
  call.principal.acting_id = staff.id;
  EXPECT_EQ(GetUser(call, "users/self")->name(), NameOf(carla));
  EXPECT_THAT(ListApiKeys(call, "users/self"), Succeeds());
  EXPECT_THAT(GetUser(call, NameOf(anna)), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

TEST_F(TokenHandlersTest, AHiddenUserAndAMissingOneAnswerTheSame) {
  for (const std::string& name : {NameOf(ben), unknown_user}) {
    EXPECT_EQ(GetUser(CallByUser(anna), name).status(), Hidden("parley.token.v1.User", name));
    EXPECT_EQ(ListApiKeys(CallByUser(anna), name).status(), Hidden("parley.token.v1.User", name));
  }
  EXPECT_EQ(GetUser(CallByUser(staff), unknown_user).status(), NotFound("parley.token.v1.User", unknown_user));
  EXPECT_EQ(ListApiKeys(CallByUser(staff), unknown_user).status(), NotFound("parley.token.v1.User", unknown_user));
}

TEST_F(TokenHandlersTest, NamesAreChecked) {
  const rpc::Call call = CallByUser(staff);
  for (const std::string& name : {std::string(), std::string("users"), std::string("users/"), std::string("users/1"),
                                  NameOf(anna) + "/", "events/" + anna.id.ToString(), std::string(100000, 'x')}) {
    EXPECT_THAT(BadFieldsOf(GetUser(call, name)), ElementsAre("name"));
    EXPECT_THAT(BadFieldsOf(CreateApiKey(call, name)), ElementsAre("parent"));
    EXPECT_THAT(BadFieldsOf(ListApiKeys(call, name, -1)), ElementsAre("parent", "page_size"));
    EXPECT_THAT(BadFieldsOf(RevokeApiKey(call, name)), ElementsAre("name"));
    EXPECT_THAT(BadFieldsOf(GetEmailToken(call, name)), ElementsAre("name"));
    EXPECT_THAT(BadFieldsOf(RevokeEmailToken(call, name)), ElementsAre("name"));
  }
}

// ---- API keys

TEST_F(TokenHandlersTest, AnApiKeyIsSeenOnce) {
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey made, CreateApiKey(CallByUser(staff), NameOf(anna)));
  EXPECT_TRUE(data::IsKey(made.key(), data::kApiKeyPrefix));
  EXPECT_EQ(Check(made.key())->user_id(), anna.id.ToBytes());
  ASSERT_OK_AND_ASSIGN(const auto list, ListApiKeys(CallByUser(anna), "users/self"));
  ASSERT_EQ(list.api_keys_size(), 1);
  EXPECT_EQ(list.api_keys(0).name(), made.name());
  EXPECT_EQ(list.api_keys(0).key(), "");
  EXPECT_EQ(RevokeApiKey(CallByUser(anna), made.name())->key(), "");
}

TEST_F(TokenHandlersTest, U4_OnlyAnActiveUserCanHaveApiKeys) {
  const data::User carla = MakeInactiveUser("carla@example.com");
  const auto made = CreateApiKey(CallByUser(staff), NameOf(carla));
  EXPECT_THAT(made, Fails(absl::StatusCode::kFailedPrecondition, error::v1::USER_STATE));
  EXPECT_THAT(DetailOf<google::rpc::ErrorInfo>(made).metadata(), Contains(Pair("state", "INACTIVE")));
  EXPECT_EQ(DetailOf<google::rpc::PreconditionFailure>(made).violations(0).subject(), NameOf(carla));
  EXPECT_EQ(CreateApiKey(CallByUser(staff), unknown_user).status(), NotFound("parley.token.v1.User", unknown_user));
}

TEST_F(TokenHandlersTest, ListApiKeysGoesThroughPagesNewestFirst) {
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.insert(made.begin(), CreateApiKey(CallByUser(staff), NameOf(anna))->name());
    MakeApiKey(ben);
  }
  std::vector<std::string> listed;
  std::vector<int> sizes;
  std::string page_token;
  do {
    // `self` and the own name are one list.
    ASSERT_OK_AND_ASSIGN(const auto page,
                         ListApiKeys(CallByUser(anna), sizes.empty() ? "users/self" : NameOf(anna), 2, page_token));
    for (const auto& api_key : page.api_keys()) listed.push_back(api_key.name());
    sizes.push_back(page.api_keys_size());
    page_token = page.next_page_token();
  } while (!page_token.empty());
  EXPECT_EQ(listed, made);
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
}

TEST_F(TokenHandlersTest, AFullLastPageHasNoNext) {
  for (int i = 0; i < 2; ++i) MakeApiKey(anna);
  EXPECT_EQ(ListApiKeys(CallByUser(anna), "users/self", 2)->next_page_token(), "");
  EXPECT_EQ(ListApiKeys(CallByUser(ben), "users/self", 2)->next_page_token(), "");
}

TEST_F(TokenHandlersTest, PagesHaveASizeAndAMaximum) {
  for (int i = 0; i < 101; ++i) MakeApiKey(anna);
  EXPECT_EQ(ListApiKeys(CallByUser(anna), "users/self")->api_keys_size(), 50);
  EXPECT_EQ(ListApiKeys(CallByUser(anna), "users/self", 2147483647)->api_keys_size(), 100);
  EXPECT_THAT(BadFieldsOf(ListApiKeys(CallByUser(anna), "users/self", -1)), ElementsAre("page_size"));
}

TEST_F(TokenHandlersTest, APageTokenIsBoundToItsList) {
  for (int i = 0; i < 2; ++i) MakeApiKey(anna);
  const std::string page_token = ListApiKeys(CallByUser(anna), "users/self", 1)->next_page_token();
  const auto invalid = Fails(kInvalidArgument, error::v1::CURSOR_INVALID);
  EXPECT_THAT(ListApiKeys(CallByUser(ben), "users/self", 1, page_token), invalid);
  EXPECT_THAT(ListApiKeys(CallByUser(anna), "users/self", 1, page_token + "A"), invalid);
  EXPECT_THAT(ListApiKeys(CallByUser(anna), "users/self", 1, "x"), invalid);
  // It is no permission.
  EXPECT_THAT(ListApiKeys(CallByUser(ben), NameOf(anna), 1, page_token),
              Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(ListApiKeys(CallByUser(staff), NameOf(anna), 1, page_token), Succeeds());
}

TEST_F(TokenHandlersTest, U4_MembersAndStaffRevokeApiKeys) {
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey first, CreateApiKey(CallByUser(staff), NameOf(anna)));
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey second, CreateApiKey(CallByUser(staff), NameOf(anna)));
  EXPECT_FALSE(first.has_revoke_time());
  EXPECT_TRUE(RevokeApiKey(CallByUser(anna), first.name())->has_revoke_time());
  EXPECT_THAT(Check(first.key()), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  EXPECT_THAT(Check(second.key()), Succeeds());
  EXPECT_TRUE(RevokeApiKey(CallByUser(staff), second.name())->has_revoke_time());
  EXPECT_THAT(Check(second.key()), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
}

TEST_F(TokenHandlersTest, RevokingAnApiKeyAgainChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey made, CreateApiKey(CallByUser(staff), NameOf(anna)));
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey revoked, RevokeApiKey(CallByUser(anna), made.name()));
  EXPECT_EQ(RevokeApiKey(CallByUser(staff), made.name())->SerializeAsString(), revoked.SerializeAsString());
}

TEST_F(TokenHandlersTest, AHiddenApiKeyAndAMissingOneAnswerTheSame) {
  ASSERT_OK_AND_ASSIGN(const v1::ApiKey made, CreateApiKey(CallByUser(staff), NameOf(ben)));
  const std::string id = made.name().substr(made.name().rfind('/') + 1);
  const std::string missing = Uuid::TimeOrdered().ToString();
  for (const std::string& name : {made.name(), NameOf(ben) + "/apiKeys/" + missing, unknown_user + "/apiKeys/" + id}) {
    EXPECT_EQ(RevokeApiKey(CallByUser(anna), name).status(), Hidden("parley.token.v1.ApiKey", name));
  }
  // Under a name of one's own neither.
  for (const std::string& name : {NameOf(anna) + "/apiKeys/" + id, NameOf(anna) + "/apiKeys/" + missing}) {
    EXPECT_EQ(RevokeApiKey(CallByUser(anna), name).status(), NotFound("parley.token.v1.ApiKey", name));
    EXPECT_EQ(RevokeApiKey(CallByUser(staff), name).status(), NotFound("parley.token.v1.ApiKey", name));
  }
  EXPECT_THAT(Check(made.key()), Succeeds());
}

// ---- E-mail tokens

TEST_F(TokenHandlersTest, T4_AGuestGetsItsOwnToken) {
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest guest = MakeGuest(event_id, ben);
  ASSERT_OK_AND_ASSIGN(const v1::EmailToken found, GetEmailToken(guest.call, own_email_token));
  EXPECT_EQ(found.name(), guest.name);
  EXPECT_EQ(found.event(), "events/" + event_id.ToString());
  EXPECT_EQ(found.user(), NameOf(ben));
  EXPECT_TRUE(found.has_create_time());
  EXPECT_TRUE(found.has_expire_time());
  EXPECT_FALSE(found.has_revoke_time());
  EXPECT_EQ(GetEmailToken(guest.call, guest.name)->SerializeAsString(), found.SerializeAsString());
  EXPECT_EQ(database.Sql("select count(*)::text from log_entries"), "0");
}

TEST_F(TokenHandlersTest, T5_AGuestRevokesItsOwnToken) {
  const Guest guest = MakeGuest(MakeEvent({anna, ben}), ben);
  ASSERT_OK_AND_ASSIGN(const v1::EmailToken revoked, RevokeEmailToken(guest.call, own_email_token));
  EXPECT_TRUE(revoked.has_revoke_time());
  EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  EXPECT_EQ(RevokeEmailToken(CallByUser(staff), guest.name)->SerializeAsString(), revoked.SerializeAsString());
}

TEST_F(TokenHandlersTest, T5_ItsPartyAndStaffRevokeAToken) {
  const Uuid event_id = MakeEvent({anna, ben});
  for (const data::User& user : {ben, staff}) {
    const Guest guest = MakeGuest(event_id, ben);
    EXPECT_EQ(GetEmailToken(CallByUser(user), guest.name)->user(), NameOf(ben));
    EXPECT_TRUE(RevokeEmailToken(CallByUser(user), guest.name)->has_revoke_time());
    EXPECT_THAT(Check(guest.key), Fails(kUnauthenticated, error::v1::CREDENTIAL_INVALID));
  }
}

TEST_F(TokenHandlersTest, AHiddenEmailTokenAndAMissingOneAnswerTheSame) {
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest ben_guest = MakeGuest(event_id, ben);
  const Guest other_guest = MakeGuest(event_id, ben);
  const std::string id = ben_guest.call.principal.credential_id.ToString();
  const std::string event = "events/" + event_id.ToString();
  const std::string other_event = "events/" + MakeEvent({anna, ben}).ToString();
  for (const std::string& name :
       {ben_guest.name, event + "/emailTokens/" + Uuid::TimeOrdered().ToString(), other_event + "/emailTokens/" + id}) {
    // A party of the event, but not the token's; a guest for the same party, by another token.
    for (const rpc::Call& call : {CallByUser(anna), other_guest.call}) {
      EXPECT_EQ(GetEmailToken(call, name).status(), Hidden("parley.token.v1.EmailToken", name));
      EXPECT_EQ(RevokeEmailToken(call, name).status(), Hidden("parley.token.v1.EmailToken", name));
    }
    if (name != ben_guest.name) {
      EXPECT_EQ(GetEmailToken(CallByUser(ben), name).status(), Hidden("parley.token.v1.EmailToken", name));
      EXPECT_EQ(GetEmailToken(CallByUser(staff), name).status(), NotFound("parley.token.v1.EmailToken", name));
    }
  }
  EXPECT_THAT(Check(ben_guest.key), Succeeds());
}

TEST_F(TokenHandlersTest, OnlyAGuestHasAnEmailTokenOfItsOwn) {
  MakeGuest(MakeEvent({anna, staff}), staff);
  EXPECT_EQ(GetEmailToken(CallByUser(anna), own_email_token).status(),
            Hidden("parley.token.v1.EmailToken", own_email_token));
  EXPECT_EQ(RevokeEmailToken(CallByUser(staff), own_email_token).status(),
            NotFound("parley.token.v1.EmailToken", own_email_token));
}

TEST_F(TokenHandlersTest, E10_TheTokensOfADeletedEventAreGoneForEverybody) {
  const Uuid event_id = MakeEvent({anna, ben});
  const Guest guest = MakeGuest(event_id, ben);
  Delete(event_id);
  const auto gone = Fails(kNotFound, error::v1::NOT_FOUND);
  EXPECT_THAT(GetEmailToken(guest.call, own_email_token), gone);
  EXPECT_THAT(GetEmailToken(CallByUser(ben), guest.name), gone);
  EXPECT_THAT(GetEmailToken(CallByUser(staff), guest.name), gone);
  EXPECT_THAT(RevokeEmailToken(CallByUser(staff), guest.name), gone);
  EXPECT_THAT(GetEmailToken(CallByUser(anna), guest.name), Fails(kPermissionDenied, error::v1::PERMISSION_DENIED));
}

}  // namespace
}  // namespace parley::token
