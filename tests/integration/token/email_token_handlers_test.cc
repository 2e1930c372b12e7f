// E-mail tokens as their lists and the notification service see them (rules T4, T5, T7).
#include <gmock/gmock.h>

#include "common/data/key.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const auto kDenied = Fails(kPermissionDenied, error::v1::PERMISSION_DENIED);

class EmailTokenHandlersTest : public TokenTest {
 protected:
  absl::StatusOr<v1::ListEmailTokensResponse> ListPage(const rpc::Call& call, const std::string& parent,
                                                       int page_size = 0, const std::string& page_token = "") {
    v1::ListEmailTokensRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return Answer(tokens, &TokenHandlers::ListEmailTokens, call, request);
  }

  // The names on all pages, of two each.
  absl::StatusOr<std::vector<std::string>> List(const rpc::Call& call, const std::string& parent) {
    std::vector<std::string> names;
    std::string page_token;
    do {
      PARLEY_ASSIGN_OR_RETURN(const auto page, ListPage(call, parent, 2, page_token));
      EXPECT_LE(page.email_tokens_size(), 2);
      for (const auto& email_token : page.email_tokens()) names.push_back(email_token.name());
      page_token = page.next_page_token();
    } while (!page_token.empty());
    return names;
  }

  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  const data::User anna = MakeUser("anna@example.com");
  const data::User ben = MakeUser("ben@example.com");
  const data::User eve = MakeUser("eve@example.com");
  const Uuid event_id = MakeEvent({anna, ben});
  const std::string event = "events/" + event_id.ToString();
};

TEST_F(EmailTokenHandlersTest, T5_APartyListsItsOwnTokensAndStaffAll) {
  const Guest first = MakeGuest(event_id, anna);
  const Guest second = MakeGuest(event_id, anna);
  const Guest other = MakeGuest(event_id, ben);
  MakeGuest(MakeEvent({anna, ben}), anna);  // of another event
  EXPECT_THAT(*List(CallByUser(staff), event), ElementsAre(other.name, second.name, first.name));
  EXPECT_THAT(*List(CallByUser(anna), event), ElementsAre(second.name, first.name));
  EXPECT_THAT(*List(CallByUser(ben), event), ElementsAre(other.name));
  EXPECT_THAT(*List(CallByUser(staff), "events/" + MakeEvent({anna}).ToString()), IsEmpty());
}

TEST_F(EmailTokenHandlersTest, AListShowsWhatGetShowsAlsoOfRevokedAndExpiredTokens) {
  const Guest guest = MakeGuest(event_id, anna);
  database.Sql("update email_tokens set expire_time = now(), revoke_time = now()");
  ASSERT_OK_AND_ASSIGN(const auto page, ListPage(CallByUser(anna), event));
  ASSERT_EQ(page.email_tokens_size(), 1);
  EXPECT_TRUE(page.email_tokens(0).has_revoke_time());
  ASSERT_OK_AND_ASSIGN(const auto got, Answer(tokens, &TokenHandlers::GetEmailToken, CallByUser(anna),
                                              Named<v1::GetEmailTokenRequest>(guest.name)));
  EXPECT_EQ(page.email_tokens(0).SerializeAsString(), got.SerializeAsString());
}

TEST_F(EmailTokenHandlersTest, T4_AGuestIsToldEventPartyAndExpiry) {
  const Guest guest = MakeGuest(event_id, anna);
  // As the event spells it.
  database.Sql("update event_parties set local_part = 'Anna' where local_part = 'anna'");
  ASSERT_OK_AND_ASSIGN(const auto got, Answer(tokens, &TokenHandlers::GetEmailToken, guest.call,
                                              Named<v1::GetEmailTokenRequest>("events/-/emailTokens/self")));
  EXPECT_EQ(got.name(), guest.name);
  EXPECT_EQ(got.event(), event);
  EXPECT_EQ(got.party(), "Anna@example.com");
  EXPECT_TRUE(got.has_expire_time());
  database.Sql("delete from event_parties");
  ASSERT_OK_AND_ASSIGN(const auto erased, Answer(tokens, &TokenHandlers::GetEmailToken, guest.call,
                                                 Named<v1::GetEmailTokenRequest>("events/-/emailTokens/self")));
  EXPECT_EQ(erased.party(), "erased");
}

TEST_F(EmailTokenHandlersTest, U6_StaffWhoActForAPartyListItsTokensAlone) {
  const Guest own = MakeGuest(event_id, anna);
  MakeGuest(event_id, ben);
  rpc::Call call = CallByUser(anna);
  call.principal.acting_id = staff.id;
  EXPECT_THAT(*List(call, event), ElementsAre(own.name));
  call = CallByUser(eve);
  call.principal.acting_id = staff.id;
  EXPECT_THAT(List(call, event), kDenied);
}

TEST_F(EmailTokenHandlersTest, T4_AGuestListsNoTokens) {
  for (const data::User& user : {anna, staff}) {
    Guest guest = MakeGuest(MakeEvent({anna, staff}), user);
    guest.call.principal.staff = user.role == v1::User::STAFF;
    const std::string own_event = guest.name.substr(0, guest.name.find("/emailTokens"));
    for (const std::string& parent : {own_event, event, "events/" + Uuid::TimeOrdered().ToString()}) {
      const auto denied = List(guest.call, parent);
      EXPECT_THAT(denied, kDenied);
      EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(denied).resource_name(), parent);
    }
  }
}

TEST_F(EmailTokenHandlersTest, AListOfAHiddenEventAndOfAMissingOneAnswerTheSame) {
  const std::string missing = "events/" + Uuid::TimeOrdered().ToString();
  const std::string deleted = "events/" + MakeEvent({anna, ben}).ToString();
  Delete(*Uuid::Parse(deleted.substr(deleted.find('/') + 1)));
  for (const std::string& parent : {event, missing, deleted}) {
    EXPECT_EQ(List(CallByUser(eve), parent).status(), Hidden("parley.event.v1.Event", parent));
  }
  EXPECT_EQ(List(CallByUser(anna), missing).status(), Hidden("parley.event.v1.Event", missing));
  EXPECT_EQ(List(CallByUser(staff), missing).status(), NotFound("parley.event.v1.Event", missing));
}

TEST_F(EmailTokenHandlersTest, E10_TheTokensOfADeletedEventAreListedByNobody) {
  MakeGuest(event_id, anna);
  Delete(event_id);
  for (const data::User& user : {anna, ben, staff}) {
    EXPECT_EQ(List(CallByUser(user), event).status(), NotFound("parley.event.v1.Event", event));
  }
}

TEST_F(EmailTokenHandlersTest, APageTokenIsBoundToItsListAndIsNoPermission) {
  for (int i = 0; i < 2; ++i) MakeGuest(event_id, anna);
  const std::string page_token = ListPage(CallByUser(anna), event, 1)->next_page_token();
  const auto invalid = Fails(kInvalidArgument, error::v1::CURSOR_INVALID);
  EXPECT_THAT(ListPage(CallByUser(anna), "events/" + MakeEvent({anna}).ToString(), 1, page_token), invalid);
  EXPECT_THAT(ListPage(CallByUser(anna), event, 1, page_token + "A"), invalid);
  EXPECT_THAT(ListPage(CallByUser(anna), event, 1, "x"), invalid);
  EXPECT_THAT(ListPage(CallByUser(eve), event, 1, page_token), kDenied);
  EXPECT_EQ(ListPage(CallByUser(anna), event, 2, page_token)->email_tokens_size(), 1) << "the size may change";
  EXPECT_EQ(ListPage(CallByUser(anna), event, 2)->next_page_token(), "") << "a full last page";
}

TEST_F(EmailTokenHandlersTest, BadFieldsAreNamedAllAtOnce) {
  for (const char* parent : {"", "events/-", "events/1", "users/0190163d-8694-739b-aea5-966c26f8ad91"}) {
    EXPECT_THAT(BadFieldsOf(ListPage(CallByUser(anna), parent, -1)), ElementsAre("parent", "page_size"));
  }
  v1::RevokeEmailTokenRequest request;
  request.set_request_id("17");
  EXPECT_THAT(BadFieldsOf(Answer(tokens, &TokenHandlers::RevokeEmailToken, CallByUser(anna), request)),
              ElementsAre("name", "request_id"));
}

TEST_F(EmailTokenHandlersTest, T5_RevokingKeepsTheTimeOfTheFirst) {
  const Guest guest = MakeGuest(event_id, anna);
  database.Sql("update email_tokens set revoke_time = '2020-02-02 02:02:02Z'");
  const std::string before = AllRows();
  ASSERT_OK_AND_ASSIGN(const auto revoked, Answer(tokens, &TokenHandlers::RevokeEmailToken, CallByUser(staff),
                                                  Named<v1::RevokeEmailTokenRequest>(guest.name)));
  EXPECT_EQ(revoked.revoke_time().seconds(),
            absl::ToUnixSeconds(absl::FromCivil(absl::CivilSecond(2020, 2, 2, 2, 2, 2), absl::UTCTimeZone())));
  EXPECT_EQ(AllRows(), before);
}

TEST_F(EmailTokenHandlersTest, T6_ReadingChangesNothing) {
  const Guest guest = MakeGuest(event_id, anna);
  const std::string before = AllRows();
  for (const rpc::Call& call : {guest.call, CallByUser(anna), CallByUser(staff)}) {
    EXPECT_THAT(Answer(tokens, &TokenHandlers::GetEmailToken, call, Named<v1::GetEmailTokenRequest>(guest.name)),
                Succeeds());
  }
  EXPECT_THAT(Answer(tokens, &TokenHandlers::GetEmailToken, guest.call,
                     Named<v1::GetEmailTokenRequest>("events/-/emailTokens/self")),
              Succeeds());
  EXPECT_THAT(ListPage(CallByUser(anna), event), Succeeds());
  EXPECT_THAT(Check(guest.key), Succeeds());
  EXPECT_EQ(AllRows(), before);
}

TEST_F(EmailTokenHandlersTest, T7_ATokenIsFoundByTheHashOfItsKeyAlsoWhenItHasExpired) {
  const Guest guest = MakeGuest(event_id, anna);
  auto find = [&](const rpc::Call& call, const std::string& key) {
    internal::token::v1::FindEmailTokenRequest request;
    request.set_key_hash(data::HashKey(key));
    internal::token::v1::FindEmailTokenResponse response;
    absl::Status status = credentials.FindEmailToken(call, request, response);
    if (status.ok()) {
      EXPECT_EQ(response.event_id(), event_id.ToBytes());
      EXPECT_EQ(response.user_id(), anna.id.ToBytes());
    }
    return status;
  };
  const rpc::Call notification = CallByService("notification");
  const auto absent = Fails(kNotFound, error::v1::NOT_FOUND);
  EXPECT_THAT(find(notification, guest.key), Succeeds());
  database.Sql("update email_tokens set expire_time = now() - interval '1 day'");
  EXPECT_THAT(find(notification, guest.key), Succeeds());
  EXPECT_THAT(find(notification, "another"), absent);
  EXPECT_THAT(find(CallByService("gateway"), guest.key), kDenied);
  EXPECT_THAT(find(CallByUser(staff), guest.key), kDenied);
  database.Sql("update email_tokens set revoke_time = now()");
  EXPECT_THAT(find(notification, guest.key), absent);
  database.Sql("update email_tokens set revoke_time = null");
  Delete(event_id);
  EXPECT_THAT(find(notification, guest.key), absent);
}

}  // namespace
}  // namespace parley::token
