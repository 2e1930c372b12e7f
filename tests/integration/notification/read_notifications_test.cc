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
  Record(*ClaimOne(), v1::Notification::Attempt::REFUSED, v1::Notification::FAILED, "550 no");
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
  EXPECT_THAT(List(CallOf(ann_), event.name()), Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
}

TEST_F(ReadNotifications, N5_StaffReadThoseOfDeletedEvents) {
  const data::Event event = MakeEvent();
  const std::string name = NotifyOne(ann_, event, "bob@example.com").name();
  ASSERT_THAT(Delete(event), Succeeds());
  const auto read = Get(AsStaff(staff_), name);
  ASSERT_THAT(read, Succeeds());
  EXPECT_EQ(read->name(), name);
  const auto listed = List(AsStaff(staff_), event.name());
  ASSERT_THAT(listed, Succeeds());
  ASSERT_EQ(listed->notifications_size(), 1);
  EXPECT_EQ(listed->notifications(0).DebugString(), read->DebugString());
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

// All pages of a list; the names, in their order.
class ListedNotifications : public ReadNotifications {
 protected:
  std::vector<std::string> All(const rpc::Call& call, v1::ListNotificationsRequest request) {
    std::vector<std::string> names;
    do {
      const auto page = Run(&ListNotifications, call, request);
      EXPECT_THAT(page, Succeeds());
      if (!page.ok()) break;
      EXPECT_LE(page->notifications_size(), request.page_size() == 0 ? 50 : request.page_size());
      for (const auto& notification : page->notifications()) names.push_back(notification.name());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return names;
  }
  static v1::ListNotificationsRequest Of(const std::string& parent, int page_size = 0) {
    v1::ListNotificationsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    return request;
  }
};

TEST_F(ListedNotifications, N5_ByState) {
  const data::Event event = MakeEvent();
  const data::Event other = MakeEvent();
  std::vector<std::string> failed, pending;
  for (int i = 0; i < 8; ++i) {
    const v1::Notification notification = NotifyOne(ann_, i < 6 ? event : other, "bob@example.com");
    if (i % 2 == 0) SetState(notification, "FAILED");
    (i % 2 == 0 ? failed : pending).insert((i % 2 == 0 ? failed : pending).begin(), notification.name());
  }
  for (const int page_size : {0, 1, 2}) {
    auto request = Of("events/-", page_size);
    request.set_state(v1::Notification::FAILED);
    EXPECT_EQ(All(AsStaff(staff_), request), failed);
    request.set_parent(event.name());
    EXPECT_EQ(All(CallOf(bob_), request), std::vector(failed.begin() + 1, failed.end()));
    request.set_state(v1::Notification::PENDING);
    EXPECT_EQ(All(AsGuest(bob_, event.id), request), std::vector(pending.begin() + 1, pending.end()));
    request.set_state(v1::Notification::SENT);
    EXPECT_THAT(All(CallOf(bob_), request), IsEmpty());
  }
}

TEST_F(ListedNotifications, N5_ByTime) {
  const data::Event event = MakeEvent();
  std::vector<v1::Notification> made;
  for (int i = 0; i < 4; ++i) made.push_back(NotifyOne(ann_, event, "bob@example.com"));
  const auto within = [&](std::optional<int64_t> begin, std::optional<int64_t> end) {
    auto request = Of(event.name(), 2);
    request.mutable_created();
    // In seconds from the second one on.
    const auto time = [&](int64_t seconds, google::protobuf::Timestamp* proto) {
      *proto = made[1].create_time();
      proto->set_seconds(proto->seconds() + seconds);
    };
    if (begin) time(*begin, request.mutable_created()->mutable_start_time());
    if (end) time(*end, request.mutable_created()->mutable_end_time());
    return All(CallOf(ann_), request);
  };
  // Exactly: two seconds before, at, one second after, and two seconds after.
  for (size_t i = 0; i < made.size(); ++i) {
    const int offsets[] = {-2, 0, 1, 2};
    database_.Sql(
        absl::StrCat("update parley.notifications set create_time = (select create_time from "
                     "parley.notifications where notification_id = '",
                     IdOf(made[1]).ToString(), "') + interval '", offsets[i], " s' where notification_id = '",
                     IdOf(made[i]).ToString(), "'"));
  }
  const auto names = [&](const std::vector<size_t>& which) {
    std::vector<std::string> of;
    for (const size_t i : which) of.push_back(made[i].name());
    return of;
  };
  EXPECT_EQ(within(std::nullopt, std::nullopt), names({3, 2, 1, 0}));
  EXPECT_EQ(within(0, 1), names({1}));  // the end is no part of it
  EXPECT_EQ(within(0, std::nullopt), names({3, 2, 1}));
  EXPECT_EQ(within(std::nullopt, 0), names({0}));
  EXPECT_EQ(within(3, std::nullopt), names({}));
  auto request = Of(event.name());
  *request.mutable_created()->mutable_start_time() = made[1].create_time();
  *request.mutable_created()->mutable_end_time() = made[1].create_time();
  request.set_state(static_cast<v1::Notification::State>(77));
  const auto refused = Run(&ListNotifications, CallOf(ann_), request);
  EXPECT_EQ(BadFields(refused.status()), (std::set<std::string>{"created.end_time", "state"}));
}

TEST_F(ListedNotifications, N5_StaffSeeThoseOfAllEventsAlsoDeletedOnes) {
  const data::Event event = MakeEvent();
  const data::Event deleted = MakeEvent({"dan@example.com"});
  const std::string first = NotifyOne(ann_, deleted, "dan@example.com").name();
  const std::string second = NotifyOne(ann_, event, "bob@example.com").name();
  ASSERT_THAT(Delete(deleted), Succeeds());
  const auto listed = Run(&ListNotifications, AsStaff(staff_), Of("events/-"));
  ASSERT_THAT(listed, Succeeds());
  ASSERT_EQ(listed->notifications_size(), 2);
  EXPECT_EQ(listed->notifications(0).name(), second);
  // As it is spelled for its event.
  EXPECT_EQ(listed->notifications(0).recipient(), "Bob@example.com");
  EXPECT_EQ(listed->notifications(1).name(), first);
  EXPECT_EQ(listed->notifications(1).recipient(), "dan@example.com");
  for (const rpc::Call& call : {CallOf(ann_), AsGuest(ann_, event.id)}) {
    EXPECT_THAT(Run(&ListNotifications, call, Of("events/-")), Fails(kDenied, error::v1::PERMISSION_DENIED));
  }
  EXPECT_THAT(Run(&ListNotifications, AsNobody(), Of("events/-")),
              Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING));
}

TEST_F(ListedNotifications, PageTokensAreBoundToTheFilters) {
  const data::Event event = MakeEvent();
  ASSERT_THAT(Notify(CallOf(ann_), Request(event, {"bob@example.com", "cid@example.com"})), Succeeds());
  auto request = Of(event.name(), 1);
  request.set_page_token(Run(&ListNotifications, CallOf(ann_), request)->next_page_token());
  request.set_state(v1::Notification::PENDING);
  EXPECT_THAT(Run(&ListNotifications, CallOf(ann_), request), Fails(kInvalid, error::v1::CURSOR_INVALID));
}

TEST_F(ReadNotifications, APageEndsBeforeItIsTooLarge) {
  const data::Event event = MakeEvent();
  for (int i = 0; i < 5; ++i) NotifyOne(ann_, event, "bob@example.com");
  // Half of what a page holds, each.
  database_.Sql(
      "insert into parley.delivery_attempts (notification_id, attempt, recipient_id, start_time, outcome, detail) "
      "select notification_id, 1, recipient_id, now(), 'DEFERRED', repeat('x', 500000) from parley.notifications");
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
