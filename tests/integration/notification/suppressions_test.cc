#include "services/notification/suppressions.h"

#include <gmock/gmock.h>

#include "absl/strings/ascii.h"
#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class SuppressionsTest : public World {
 protected:
  absl::Status Leave(const std::string& token) {
    v1::UnsubscribeRequest request;
    request.set_token(token);
    return Run(&notification::Unsubscribe, AsNobody(), request).status();
  }
  std::string TokenOf(const std::string& address) { return suppression_key_.UnsubscribeToken(*ParseAddress(address)); }
  absl::StatusOr<v1::ListSuppressionsResponse> List(const std::string& address = "", int page_size = 0,
                                                    const std::string& page_token = "") {
    v1::ListSuppressionsRequest request;
    request.set_address(address);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return Run(&ListSuppressions, AsStaff(staff_), request);
  }
  absl::StatusOr<v1::Suppression> Get(const rpc::Call& call, const std::string& name) {
    v1::GetSuppressionRequest request;
    request.set_name(name);
    return Run(&GetSuppression, call, request);
  }
  absl::Status Lift(const rpc::Call& call, const std::string& name, const std::string& request_id = "") {
    v1::DeleteSuppressionRequest request;
    request.set_name(name);
    request.set_request_id(request_id);
    return Run(&DeleteSuppression, call, request).status();
  }
};

TEST_F(SuppressionsTest, N5_WhoUnsubscribesIsFoundByTheAddressHoweverItIsSpelled) {
  ASSERT_THAT(Leave(TokenOf("Bob@Example.com")), Succeeds());
  for (const char* spelled : {"bob@example.com", "BOB@example.COM"}) {
    const auto found = List(spelled);
    ASSERT_THAT(found, Succeeds());
    ASSERT_EQ(found->suppressions_size(), 1) << spelled;
    EXPECT_EQ(found->suppressions(0).reason(), v1::Suppression::UNSUBSCRIBED);
    EXPECT_TRUE(found->suppressions(0).has_create_time());
    EXPECT_EQ(Get(AsStaff(staff_), found->suppressions(0).name())->DebugString(), found->suppressions(0).DebugString());
  }
  EXPECT_THAT(List("ann@example.com")->suppressions(), IsEmpty());
  EXPECT_THAT(List()->suppressions(), SizeIs(1));
}

TEST_F(SuppressionsTest, HoldNoAddressAndNoToken) {
  ASSERT_THAT(Leave(TokenOf("very.special@elsewhere.example")), Succeeds());
  for (const auto& [table, rows] : Tables()) {
    EXPECT_THAT(absl::AsciiStrToLower(rows), Not(::testing::HasSubstr("special"))) << table;
    EXPECT_THAT(rows, Not(::testing::HasSubstr(TokenOf("very.special@elsewhere.example").substr(19 + 64)))) << table;
  }
}

TEST_F(SuppressionsTest, UnsubscribingAgainChangesNothing) {
  ASSERT_THAT(Leave(TokenOf("bob@example.com")), Succeeds());
  const auto before = Tables();
  std::vector<absl::Status> answers(20);
  AtOnce(20, [&](int i) { answers[static_cast<size_t>(i)] = Leave(TokenOf("BOB@example.com")); });
  for (const absl::Status& answer : answers) EXPECT_THAT(answer, Succeeds());
  EXPECT_EQ(Tables(), before);
}

TEST_F(SuppressionsTest, WhoUnsubscribesHasSoWhateverAServerSaid) {
  const auto refuse = [this] {
    Do([this](data::Transaction& tx) {
      const std::string address_mac = suppression_key_.Mac(*ParseAddress("bob@example.com"));
      return Suppressions(tx).Insert(address_mac, v1::Suppression::ADDRESS_REFUSED, "550 5.1.1 nobody");
    }).IgnoreError();
  };
  refuse();
  const v1::Suppression refused = List("bob@example.com")->suppressions(0);
  EXPECT_EQ(refused.reason(), v1::Suppression::ADDRESS_REFUSED);
  EXPECT_EQ(refused.detail(), "550 5.1.1 nobody");
  ASSERT_THAT(Leave(TokenOf("bob@example.com")), Succeeds());
  const v1::Suppression left = List("bob@example.com")->suppressions(0);
  EXPECT_EQ(left.reason(), v1::Suppression::UNSUBSCRIBED);
  EXPECT_EQ(left.detail(), "");
  EXPECT_EQ(left.name(), refused.name());
  EXPECT_EQ(left.create_time().seconds(), refused.create_time().seconds());
  // Not the other way round.
  refuse();
  EXPECT_EQ(List("bob@example.com")->suppressions(0).DebugString(), left.DebugString());
}

TEST_F(SuppressionsTest, AnotherSecretThanTheDatabasesIsNoticed) {
  const auto check = [this](const SuppressionKey& key) {
    return data::Transact(pool_, absl::Now() + absl::Minutes(1),
                          [&](data::Transaction& tx) { return Suppressions(tx).CheckKey(key); });
  };
  EXPECT_THAT(check(suppression_key_), Succeeds());
  EXPECT_THAT(check(suppression_key_), Succeeds());
  const auto other = check(*SuppressionKey::Make("another secret of at least 32 characters"));
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()), ::testing::HasSubstr("PARLEY_SUPPRESSION_SECRET"));
  EXPECT_THAT(check(suppression_key_), Succeeds());
}

TEST_F(SuppressionsTest, ManyAtOnceLeaveOneOfAnAddress) {
  std::vector<absl::Status> answers(20);
  AtOnce(20, [&](int i) { answers[static_cast<size_t>(i)] = Leave(TokenOf("bob@example.com")); });
  for (const absl::Status& answer : answers) EXPECT_THAT(answer, Succeeds());
  EXPECT_THAT(List()->suppressions(), SizeIs(1));
}

TEST_F(SuppressionsTest, OnlyTokensOfOursUnsubscribe) {
  const std::string good = TokenOf("bob@example.com");
  std::string forged = good;
  forged.back() = forged.back() == '0' ? '1' : '0';
  std::string other_address = TokenOf("eve@example.com").substr(0, 19 + 64) + good.substr(19 + 64);
  const auto other_key = *SuppressionKey::Make("another secret of at least 32 characters");
  for (const std::string& token :
       {std::string(), std::string("parley_unsubscribe_"), good.substr(0, good.size() - 1), good + "0", forged,
        other_address, absl::AsciiStrToUpper(good), other_key.UnsubscribeToken(*ParseAddress("bob@example.com")),
        std::string("parley_guest_0123456789012345678901234567890123456789")}) {
    ExpectRefused(kInvalid, error::v1::INVALID_FIELDS, [&] { return Leave(token); });
    EXPECT_THAT(BadFields(Leave(token)), ElementsAre("token"));
  }
}

TEST_F(SuppressionsTest, TheSecretIsOneLongLine) {
  EXPECT_TRUE(SuppressionKey::Make(std::string(32, 'x') + "\n").ok());
  for (const std::string& secret :
       {std::string(), std::string(31, 'x'), std::string(32, 'x') + "\n" + std::string(32, 'y')}) {
    EXPECT_FALSE(SuppressionKey::Make(secret).ok()) << secret;
  }
}

TEST_F(SuppressionsTest, AreListedNewestFirstInPages) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    const std::string address = absl::StrCat("user-", i, "@example.com");
    ASSERT_THAT(Leave(TokenOf(address)), Succeeds());
    names.insert(names.begin(), List(address)->suppressions(0).name());
  }
  std::vector<std::string> listed;
  std::string page_token;
  do {
    const auto page = List("", 2, page_token);
    ASSERT_THAT(page, Succeeds());
    EXPECT_LE(page->suppressions_size(), 2);
    for (const auto& suppression : page->suppressions()) listed.push_back(suppression.name());
    page_token = page->next_page_token();
  } while (!page_token.empty());
  EXPECT_EQ(listed, names);
  EXPECT_THAT(List("user-1@example.com", 2, List("", 2)->next_page_token()),
              Fails(kInvalid, error::v1::CURSOR_INVALID));
  EXPECT_EQ(BadFields(List("nobody", -1).status()), (std::set<std::string>{"address", "page_size"}));
}

TEST_F(SuppressionsTest, StaffLiftThem) {
  ASSERT_THAT(Leave(TokenOf("bob@example.com")), Succeeds());
  const std::string name = List("bob@example.com")->suppressions(0).name();
  const std::string request_id = Uuid::TimeOrdered().ToString();
  EXPECT_THAT(Lift(AsStaff(staff_), name, request_id), Succeeds());
  EXPECT_THAT(List()->suppressions(), IsEmpty());
  EXPECT_THAT(Lift(AsStaff(staff_), name, request_id), Succeeds()) << "sent again, it answers as before";
  ExpectRefused(kNotFound, error::v1::NOT_FOUND, [&] { return Lift(AsStaff(staff_), name); });
  ExpectRefused(kInvalid, error::v1::REQUEST_ID_REUSED,
                [&] { return Lift(AsStaff(staff_), "suppressions/" + Uuid::TimeOrdered().ToString(), request_id); });
  // What was suppressed is tried again by RetryNotification, and goes out.
  const data::Event event = MakeEvent();
  ASSERT_THAT(Leave(TokenOf("bob@example.com")), Succeeds());
  const v1::Notification notification = NotifyOne(ann_, event, "bob@example.com");
  EXPECT_EQ(ClaimOne()->state, v1::Notification::SUPPRESSED);
  v1::RetryNotificationRequest retry;
  retry.set_name(notification.name());
  ASSERT_THAT(Run(&RetryNotification, AsStaff(staff_), retry), Succeeds());
  EXPECT_EQ(ClaimOne()->state, v1::Notification::SUPPRESSED) << "it is still on the list";
  ASSERT_THAT(Lift(AsStaff(staff_), List("bob@example.com")->suppressions(0).name()), Succeeds());
  ASSERT_THAT(Run(&RetryNotification, AsStaff(staff_), retry), Succeeds());
  EXPECT_EQ(ClaimOne()->state, v1::Notification::PENDING);
}

TEST_F(SuppressionsTest, AreForStaffAlone) {
  ASSERT_THAT(Leave(TokenOf("bob@example.com")), Succeeds());
  const std::string name = List()->suppressions(0).name();
  const data::Event event = MakeEvent();
  for (const rpc::Call& call : {CallOf(bob_), AsGuest(bob_, event.id), AsService()}) {
    for (const std::string& of : {name, "suppressions/" + Uuid::TimeOrdered().ToString()}) {
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Get(call, of); });
      ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Lift(call, of); });
    }
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED,
                  [&] { return Run(&ListSuppressions, call, v1::ListSuppressionsRequest()); });
  }
  ExpectRefused(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING,
                [&] { return Get(AsNobody(), name); });
  ExpectRefused(kInvalid, error::v1::INVALID_FIELDS, [&] { return Get(AsStaff(staff_), "suppressions/1"); });
  ExpectRefused(kNotFound, error::v1::NOT_FOUND,
                [&] { return Get(AsStaff(staff_), "suppressions/" + Uuid::TimeOrdered().ToString()); });
}

}  // namespace
}  // namespace parley::notification
