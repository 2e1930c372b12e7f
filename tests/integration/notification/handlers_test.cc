#include <gmock/gmock.h>

#include <set>

#include "google/rpc/error_details.pb.h"
#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class NotifyParties : public World {
 protected:
  void ExpectNobodyTold(const data::Event& event) {
    EXPECT_THAT(NotificationsOf(event), IsEmpty());
    EXPECT_THAT(Log(event), IsEmpty());
    EXPECT_EQ(notified_, 0);
  }
};

std::vector<std::string> RecipientsOf(const absl::StatusOr<v1::NotifyPartiesResponse>& response) {
  std::vector<std::string> recipients;
  for (const auto& notification : response->notifications()) recipients.push_back(notification.recipient());
  return recipients;
}

std::set<std::string> BadFields(const absl::Status& status) {
  google::rpc::BadRequest bad;
  std::set<std::string> fields;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload && bad.ParseFromString(std::string(*payload))) {
    for (const auto& violation : bad.field_violations()) fields.insert(violation.field());
  }
  return fields;
}

TEST_F(NotifyParties, N1_SlotsMustBeExactlyThePresentSet) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  request.mutable_slots()->mutable_slots()->RemoveLast();
  EXPECT_THAT(Notify(CallOf(ann_), request), Fails(absl::StatusCode::kFailedPrecondition, error::v1::SLOTS_MISMATCH));
  request.mutable_slots()->clear_slots();
  EXPECT_THAT(Notify(CallOf(ann_), request), Fails(absl::StatusCode::kFailedPrecondition, error::v1::SLOTS_MISMATCH));
  ExpectNobodyTold(event);

  ToProto({event.slots[1], event.slots[0], event.slots[1]}, request.mutable_slots()->mutable_slots());
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyParties, N1_AStaleEtagIsAbortedWithThePresentOne) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  request.set_etag("2");
  const auto stale = Notify(CallOf(ann_), request);
  EXPECT_THAT(stale, Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
  google::rpc::ErrorInfo info;
  const auto payload = stale.status().GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  ASSERT_TRUE(payload && info.ParseFromString(std::string(*payload)));
  EXPECT_EQ(info.metadata().at("etag"), event.etag());
  ExpectNobodyTold(event);

  request.set_etag(event.etag());
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyParties, NamesAllBadFieldsAtOnce) {
  v1::NotifyPartiesRequest request;
  request.set_event("events/x");
  request.add_recipients("bob@example.com");
  request.add_recipients("");
  request.add_recipients("Bob <bob@example.com>");
  request.set_sender("nobody");
  const auto bad = Notify(CallOf(ann_), request);
  EXPECT_THAT(bad, Fails(kInvalid, error::v1::INVALID_FIELDS));
  EXPECT_THAT(BadFields(bad.status()),
              UnorderedElementsAre("event", "recipients[1]", "recipients[2]", "based_on", "sender"));

  request = {};
  request.set_event("events/" + Uuid::TimeOrdered().ToString());
  request.mutable_slots()->add_slots();
  EXPECT_THAT(BadFields(Notify(CallOf(ann_), request).status()),
              UnorderedElementsAre("recipients", "slots.slots[0].start_time", "slots.slots[0].duration"));

  request.set_etag("");
  for (int i = 0; i < 101; ++i) request.add_recipients("p" + std::to_string(i) + "@example.com");
  EXPECT_THAT(BadFields(Notify(CallOf(ann_), request).status()), UnorderedElementsAre("recipients", "etag"));
}

TEST_F(NotifyParties, N2_RecipientsMustBePartiesAndAllThatAreNotAreNamed) {
  const data::Event event = MakeEvent();
  const auto bad = Notify(CallOf(ann_), Request(event, {"eve@example.com", "bob@example.com", "new@example.com"}));
  EXPECT_THAT(bad, Fails(kInvalid, error::v1::INVALID_FIELDS));
  EXPECT_THAT(BadFields(bad.status()), UnorderedElementsAre("recipients[0]", "recipients[2]"));
  ExpectNobodyTold(event);
}

TEST_F(NotifyParties, N2_RepeatsCollapseAndTheOrderIsKept) {
  const data::Event event = MakeEvent();
  const auto told = Notify(
      CallOf(ann_), Request(event, {"cid@example.com", "BOB@EXAMPLE.COM", "bob@example.com", "cid@example.com"}));
  ASSERT_THAT(told, Succeeds());
  // As spelled for this event.
  EXPECT_THAT(RecipientsOf(told), ElementsAre("cid@example.com", "Bob@example.com"));
  EXPECT_THAT(Log(event), SizeIs(2));
}

TEST_F(NotifyParties, N3_TheSenderIsTheCaller) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"ann@example.com"});
  EXPECT_EQ(Notify(CallOf(bob_), request)->notifications(0).sender(), "Bob@example.com");
  request.set_sender("BOB@example.com");
  EXPECT_EQ(Notify(CallOf(bob_), request)->notifications(0).sender(), "Bob@example.com");
  request.set_sender("cid@example.com");
  EXPECT_THAT(Notify(CallOf(bob_), request), Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Log(event), SizeIs(2));
}

TEST_F(NotifyParties, N3_StaffMayNameAPartyInstead) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"ann@example.com"});
  EXPECT_EQ(Notify(AsStaff(staff_), request)->notifications(0).sender(), "staff@example.com");
  request.set_sender("bob@example.com");
  EXPECT_EQ(Notify(AsStaff(staff_), request)->notifications(0).sender(), "Bob@example.com");
  EXPECT_EQ(Log(event).back().effector_id, staff_.id);
  EXPECT_EQ(Log(event).back().data.sender_id(), bob_.id.ToBytes());
  request.set_sender("eve@example.com");
  EXPECT_EQ(BadFields(Notify(AsStaff(staff_), request).status()), std::set<std::string>{"sender"});
}

TEST_F(NotifyParties, L1_WritesOneEntryForEachRecipient) {
  const data::Event event = MakeEvent();
  const rpc::Call call = AsGuest(bob_, event.id);
  const auto told = Notify(call, Request(event, {"ann@example.com", "cid@example.com"}));
  ASSERT_THAT(told, Succeeds());
  const auto log = Log(event);
  ASSERT_THAT(log, SizeIs(2));
  for (int i = 0; i < 2; ++i) {
    const data::LogEntry& entry = log[static_cast<size_t>(i)];
    EXPECT_EQ(entry.sequence, event.last_sequence + 1 + i);
    EXPECT_EQ(entry.occurrence, event::v1::LogEntry::NOTIFY);
    EXPECT_EQ(entry.effector_id, bob_.id);
    EXPECT_EQ(entry.revision, event.revision);
    EXPECT_EQ(entry.slots, event.slots);
    EXPECT_EQ(entry.data.email_token_id(), call.principal.credential_id.ToBytes());
    EXPECT_EQ(entry.data.sender_id(), bob_.id.ToBytes());
    EXPECT_EQ(told->notifications(i).name(),
              event.name() + "/notifications/" + Uuid::FromBytes(entry.data.notification_id())->ToString());
    EXPECT_EQ(told->notifications(i).state(), v1::Notification::PENDING);
  }
  EXPECT_EQ(log[0].data.recipient_id(), ann_.id.ToBytes());
  EXPECT_EQ(notified_, 1);
  // The revision is as before, and the next entry follows.
  const auto after = Do([&](data::Transaction& tx) { return data::Events(tx).Find({event.id}); }).value();
  EXPECT_EQ(after[0].revision, event.revision);
  EXPECT_EQ(after[0].last_sequence, event.last_sequence + 2);
}

TEST_F(NotifyParties, L2_TheEntrySaysWhoActed) {
  const data::Event event = MakeEvent();
  rpc::Call call = CallOf(ann_);
  call.principal.acting_id = staff_.id;
  ASSERT_THAT(Notify(call, Request(event, {"bob@example.com"})), Succeeds());
  EXPECT_EQ(Log(event)[0].data.acted_by_id(), staff_.id.ToBytes());
  EXPECT_EQ(Log(event)[0].data.email_token_id(), "");
  EXPECT_EQ(Log(event)[0].effector_id, ann_.id);
}

TEST_F(NotifyParties, A4_PartiesOfAClosedEventMayBeNotified) {
  data::Event event = MakeEvent();
  event.state = event::v1::Event::AGREED;
  event.slots.resize(1);
  Do([&](data::Transaction& tx) { return data::Events(tx).Save(event); }).IgnoreError();
  EXPECT_THAT(Notify(CallOf(ann_), Request(event, {"bob@example.com"})), Succeeds());
}

TEST_F(NotifyParties, OnlyPartiesGuestsOfTheEventAndStaffMay) {
  constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
  const data::Event event = MakeEvent();
  const data::Event other = MakeEvent();
  const auto request = Request(event, {"bob@example.com"});
  rpc::Call nobody = CallOf(eve_);
  nobody.principal = {};
  EXPECT_THAT(Notify(nobody, request), Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING));
  EXPECT_THAT(Notify(CallOf(eve_), request), Fails(kDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Notify(AsGuest(bob_, other.id), request), Fails(kDenied, error::v1::PERMISSION_DENIED));
  rpc::Call staff_guest = AsGuest(staff_, other.id);
  staff_guest.principal.staff = true;
  EXPECT_THAT(Notify(staff_guest, request), Fails(kDenied, error::v1::PERMISSION_DENIED));
  ExpectNobodyTold(event);
  EXPECT_THAT(Notify(AsGuest(bob_, event.id), request), Succeeds());
  EXPECT_THAT(Notify(CallOf(bob_), request), Succeeds());
  EXPECT_THAT(Notify(AsStaff(staff_), request), Succeeds());
}

TEST_F(NotifyParties, StrangersCannotTellWhetherAnEventExists) {
  const data::Event event = MakeEvent();
  data::Event absent = event;
  absent.id = Uuid::TimeOrdered();
  const auto refused = Notify(CallOf(eve_), Request(event, {"bob@example.com"})).status();
  Delete(event);
  EXPECT_EQ(Notify(CallOf(eve_), Request(event, {"bob@example.com"})).status(), refused);
  EXPECT_THAT(Notify(CallOf(eve_), Request(absent, {"bob@example.com"})),
              Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Notify(AsStaff(staff_), Request(absent, {"bob@example.com"})),
              Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
}

TEST_F(NotifyParties, E10_ADeletedEventIsGoneForItsParties) {
  const data::Event event = MakeEvent();
  Delete(event);
  for (const rpc::Call& call : {CallOf(ann_), AsGuest(bob_, event.id), AsStaff(staff_)}) {
    EXPECT_THAT(Notify(call, Request(event, {"bob@example.com"})),
                Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  }
  ExpectNobodyTold(event);
}

class ReadNotifications : public World {
 protected:
  absl::StatusOr<v1::Notification> Get(const rpc::Call& call, const std::string& name) {
    v1::GetNotificationRequest request;
    request.set_name(name);
    v1::Notification response;
    PARLEY_RETURN_IF_ERROR(handlers_.GetNotification(call, request, response));
    return response;
  }
  absl::StatusOr<v1::ListNotificationsResponse> List(const rpc::Call& call, const std::string& parent,
                                                     int page_size = 0, const std::string& page_token = "") {
    v1::ListNotificationsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    v1::ListNotificationsResponse response;
    PARLEY_RETURN_IF_ERROR(handlers_.ListNotifications(call, request, response));
    return response;
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
  constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
  for (const rpc::Call& call : {CallOf(eve_), AsGuest(bob_, other.id)}) {
    EXPECT_THAT(Get(call, name), Fails(kDenied, error::v1::PERMISSION_DENIED));
    EXPECT_THAT(List(call, event.name()), Fails(kDenied, error::v1::PERMISSION_DENIED));
  }
  const std::string id = name.substr(name.rfind('/') + 1);
  EXPECT_THAT(Get(CallOf(ann_), other.name() + "/notifications/" + id),
              Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  EXPECT_THAT(Get(CallOf(ann_), "events/1/notifications/2"), Fails(kInvalid, error::v1::INVALID_FIELDS));
  Delete(event);
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

}  // namespace
}  // namespace parley::notification
