#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

class ReadNotifications : public World {
 protected:
  absl::StatusOr<v1::Notification> Get(const rpc::Call& call, const std::string& name) {
    v1::GetNotificationRequest request;
    request.set_name(name);
    return Run(&GetNotification, call, request);
  }
  absl::StatusOr<v1::ListNotificationsResponse> List(const rpc::Call& call, const std::string& parent,
                                                     int page_size = 0, const std::string& page_token = "") {
    v1::ListNotificationsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return Run(&ListNotifications, call, request);
  }
};

TEST_F(ReadNotifications, N5_GetShowsStateAndAttempts) {
  const data::Event event = MakeEvent();
  const auto told = Notify(AsStaff(staff_), Request(event, {"bob@example.com"}));
  const std::string name = told->notifications(0).name();
  EXPECT_EQ(Get(CallOf(ann_), name)->DebugString(), told->notifications(0).DebugString());
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto claimed, Notifications(tx).Claim(absl::Minutes(1), 12));
    return Notifications(tx).Record(claimed->id, claimed->attempts_begun,
                                    {v1::Notification::Attempt::REFUSED, "550 no", v1::Notification::FAILED, {}});
  }).IgnoreError();
  const auto read = Get(CallOf(ann_), name);
  ASSERT_THAT(read, Succeeds());
  EXPECT_EQ(read->state(), v1::Notification::FAILED);
  EXPECT_EQ(read->sender(), "staff@example.com");
  ASSERT_EQ(read->attempts_size(), 1);
  EXPECT_EQ(read->attempts(0).outcome(), v1::Notification::Attempt::REFUSED);
  EXPECT_EQ(read->attempts(0).detail(), "550 no");
  EXPECT_TRUE(read->attempts(0).has_end_time());
}

TEST_F(ReadNotifications, ThoseWhoMayNotSeeTheEventSeeNothing) {
  const data::Event event = MakeEvent();
  const data::Event other = MakeEvent();
  const std::string name = Notify(CallOf(ann_), Request(event, {"bob@example.com"}))->notifications(0).name();
  for (const rpc::Call& call : {CallOf(eve_), AsGuest(bob_, other.id)}) {
    EXPECT_THAT(Get(call, name), Fails(kDenied, error::v1::PERMISSION_DENIED));
    EXPECT_THAT(List(call, event.name()), Fails(kDenied, error::v1::PERMISSION_DENIED));
  }
  const std::string id = name.substr(name.rfind('/') + 1);
  EXPECT_THAT(Get(CallOf(ann_), other.name() + "/notifications/" + id),
              Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Get(CallOf(ann_), "events/1/notifications/2"), Fails(kInvalid, error::v1::INVALID_FIELDS));
  ASSERT_THAT(Delete(event), Succeeds());
  EXPECT_THAT(Get(CallOf(ann_), name), Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(List(AsStaff(staff_), event.name()), Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
}

TEST_F(ReadNotifications, ListIsNewestFirstAndPaged) {
  const data::Event event = MakeEvent();
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    names.push_back(Notify(CallOf(ann_), Request(event, {"bob@example.com"}))->notifications(0).name());
  }
  std::ranges::reverse(names);
  std::vector<std::string> listed;
  std::string page_token;
  std::vector<int> sizes;
  do {
    const auto page = List(CallOf(bob_), event.name(), 2, page_token);
    ASSERT_THAT(page, Succeeds());
    sizes.push_back(page->notifications_size());
    for (const auto& notification : page->notifications()) listed.push_back(notification.name());
    page_token = page->next_page_token();
  } while (!page_token.empty());
  EXPECT_EQ(listed, names);
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
  EXPECT_THAT(List(CallOf(bob_), event.name())->notifications(), SizeIs(5));
  EXPECT_THAT(List(CallOf(bob_), event.name(), 5)->next_page_token(), IsEmpty());
}

TEST_F(ReadNotifications, PageTokensAreBoundToTheirList) {
  const data::Event event = MakeEvent();
  const data::Event other = MakeEvent();
  ASSERT_THAT(Notify(CallOf(ann_), Request(event, {"bob@example.com", "cid@example.com"})), Succeeds());
  const std::string page_token = List(CallOf(ann_), event.name(), 1)->next_page_token();
  EXPECT_THAT(List(CallOf(ann_), other.name(), 1, page_token), Fails(kInvalid, error::v1::CURSOR_INVALID));
  EXPECT_THAT(List(CallOf(ann_), event.name(), 1, "x"), Fails(kInvalid, error::v1::CURSOR_INVALID));
  EXPECT_THAT(List(CallOf(ann_), event.name(), -1), Fails(kInvalid, error::v1::INVALID_FIELDS));
}

TEST_F(ReadNotifications, APageEndsBeforeItIsTooLarge) {
  const data::Event event = MakeEvent();
  for (int i = 0; i < 5; ++i) NotifyOne(ann_, event, "bob@example.com");
  // Half of what a page holds, each.
  database_.Sql(
      "insert into parley.delivery_attempts (notification_id, attempt, start_time, outcome, detail) "
      "select notification_id, 1, now(), 'DEFERRED', repeat('x', 500000) from parley.notifications");
  std::vector<int> sizes;
  std::set<std::string> listed;
  std::string page_token;
  do {
    const auto page = List(CallOf(ann_), event.name(), 0, page_token);
    ASSERT_THAT(page, Succeeds());
    sizes.push_back(page->notifications_size());
    for (const auto& notification : page->notifications()) listed.insert(notification.name());
    page_token = page->next_page_token();
  } while (!page_token.empty());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
  EXPECT_THAT(listed, SizeIs(5));
}

TEST_F(ReadNotifications, L1_ReadingWritesNothing) {
  const data::Event event = MakeEvent();
  const data::Event deleted = MakeEvent();
  const std::string name = NotifyOne(ann_, event, "bob@example.com").name();
  const std::string deleted_name = NotifyOne(ann_, deleted, "bob@example.com").name();
  ASSERT_THAT(Delete(deleted), Succeeds());
  const auto before = Tables();
  EXPECT_THAT(Get(CallOf(ann_), name), Succeeds());
  EXPECT_THAT(List(CallOf(ann_), event.name()), Succeeds());
  EXPECT_EQ(Tables(), before);
  const std::string absent = "events/" + Uuid::TimeOrdered().ToString();
  const std::string absent_name = event.name() + "/notifications/" + Uuid::TimeOrdered().ToString();
  for (const bool list : {false, true}) {
    auto read = [&](const rpc::Call& call, const std::string& of_event, const std::string& of_notification) {
      return [=, this] { return list ? List(call, of_event).status() : Get(call, of_notification).status(); };
    };
    ExpectRefused(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING,
                  read(AsNobody(), event.name(), name));
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, read(AsService(), event.name(), name));
    ExpectRefused(kInvalid, error::v1::INVALID_FIELDS, read(CallOf(ann_), "events/x", "events/x"));
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, read(CallOf(eve_), event.name(), name));
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, read(AsGuest(bob_, deleted.id), event.name(), name));
    ExpectRefused(absl::StatusCode::kNotFound, error::v1::NOT_FOUND,
                  read(AsStaff(staff_), absent, absent + "/notifications/" + Uuid::TimeOrdered().ToString()));
    ExpectRefused(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, read(CallOf(ann_), deleted.name(), deleted_name));
  }
  ExpectRefused(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, [&] { return Get(CallOf(ann_), absent_name); });
  ExpectRefused(kInvalid, error::v1::CURSOR_INVALID, [&] { return List(CallOf(ann_), event.name(), 1, "x"); });
}

}  // namespace
}  // namespace parley::notification
