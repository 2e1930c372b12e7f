#include <gmock/gmock.h>

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
constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

class NotifyPartiesTest : public World {
 protected:
  void ExpectNobodyTold(const data::Event& event) {
    EXPECT_THAT(NotificationsOf(event), IsEmpty());
    EXPECT_THAT(Log(event), IsEmpty());
    EXPECT_EQ(woken_, 0);
  }
};

std::vector<std::string> RecipientsOf(const absl::StatusOr<v1::NotifyPartiesResponse>& response) {
  std::vector<std::string> recipients;
  for (const auto& notification : response->notifications()) recipients.push_back(notification.recipient());
  return recipients;
}

TEST_F(NotifyPartiesTest, N1_SlotsMustBeExactlyThePresentSet) {
  const data::Event event = MakeEvent();
  const Slot first = kSlots[0];
  const Slot second = kSlots[1];
  const Slot third{kNine + absl::Hours(4), absl::Hours(1)};
  const Slot longer{first.start, absl::Hours(2)};
  const std::vector<std::vector<Slot>> others{
      {}, {first}, {second}, {first, second, third}, {first, third}, {longer, second}, {first, first}};
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  for (const auto& slots : others) {
    ToProto(slots, request.mutable_slots()->mutable_slots());
    ExpectRefused(absl::StatusCode::kFailedPrecondition, error::v1::SLOTS_MISMATCH,
                  [&] { return Notify(CallOf(ann_), request); });
  }
  ExpectNobodyTold(event);
  // In any order, with repeats.
  ToProto({second, first, second}, request.mutable_slots()->mutable_slots());
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyPartiesTest, N1_AnEventWithoutSlotsIsMatchedByNoSlots) {
  data::Event event = MakeEvent();
  const v1::NotifyPartiesRequest with_slots = Request(event, {"bob@example.com"});
  event.slots.clear();
  Do([&](data::Transaction& tx) { return data::Events(tx).Save({event}); }).IgnoreError();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, error::v1::SLOTS_MISMATCH,
                [&] { return Notify(CallOf(ann_), with_slots); });
  v1::NotifyPartiesRequest request = with_slots;
  request.clear_slots();
  ExpectRefused(kInvalid, error::v1::INVALID_FIELDS, [&] { return Notify(CallOf(ann_), request); });
  request.mutable_slots();
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyPartiesTest, N1_AStaleEtagIsAbortedWithThePresentOne) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  for (const char* etag : {"2", "4", "x"}) {
    request.set_etag(etag);
    ExpectRefused(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH, [&] { return Notify(CallOf(ann_), request); });
    EXPECT_EQ(InfoOf(Notify(CallOf(ann_), request).status(), "etag"), event.etag());
  }
  ExpectNobodyTold(event);

  request.set_etag(event.etag());
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyPartiesTest, NamesAllBadFieldsAtOnce) {
  v1::NotifyPartiesRequest request;
  request.set_event("events/x");
  request.add_recipients("bob@example.com");
  request.add_recipients("");
  request.add_recipients("Bob <bob@example.com>");
  request.set_sender("nobody");
  request.set_request_id("1");
  const auto bad = Notify(CallOf(ann_), request);
  EXPECT_THAT(bad, Fails(kInvalid, error::v1::INVALID_FIELDS));
  EXPECT_THAT(BadFields(bad.status()),
              UnorderedElementsAre("event", "recipients[1]", "recipients[2]", "based_on", "sender", "request_id"));

  request = {};
  request.set_event("events/" + Uuid::TimeOrdered().ToString());
  request.mutable_slots()->add_slots();
  EXPECT_THAT(BadFields(Notify(CallOf(ann_), request).status()),
              UnorderedElementsAre("recipients", "slots.slots[0].start_time", "slots.slots[0].duration"));

  request.set_etag("");
  for (int i = 0; i < 101; ++i) request.add_recipients("p" + std::to_string(i) + "@example.com");
  EXPECT_THAT(BadFields(Notify(CallOf(ann_), request).status()), UnorderedElementsAre("recipients", "etag"));
}

TEST_F(NotifyPartiesTest, N2_RecipientsMustBePartiesAndAllThatAreNotAreNamed) {
  const data::Event event = MakeEvent();
  const auto bad = Notify(CallOf(ann_), Request(event, {"eve@example.com", "bob@example.com", "new@example.com"}));
  EXPECT_THAT(bad, Fails(kInvalid, error::v1::INVALID_FIELDS));
  EXPECT_THAT(BadFields(bad.status()), UnorderedElementsAre("recipients[0]", "recipients[2]"));
  ExpectNobodyTold(event);
}

TEST_F(NotifyPartiesTest, N2_RepeatsCollapseAndTheOrderIsKept) {
  const data::Event event = MakeEvent();
  const auto told = Notify(
      CallOf(ann_), Request(event, {"cid@example.com", "BOB@EXAMPLE.COM", "bob@example.com", "cid@example.com"}));
  ASSERT_THAT(told, Succeeds());
  // As spelled for this event.
  EXPECT_THAT(RecipientsOf(told), ElementsAre("cid@example.com", "Bob@example.com"));
  EXPECT_THAT(Log(event), SizeIs(2));
}

TEST_F(NotifyPartiesTest, N3_TheSenderIsTheCaller) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"ann@example.com"});
  EXPECT_EQ(Notify(CallOf(bob_), request)->notifications(0).sender(), "Bob@example.com");
  request.set_sender("BOB@example.com");
  EXPECT_EQ(Notify(CallOf(bob_), request)->notifications(0).sender(), "Bob@example.com");
  request.set_sender("cid@example.com");
  EXPECT_THAT(Notify(CallOf(bob_), request), Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Log(event), SizeIs(2));
}

TEST_F(NotifyPartiesTest, N3_StaffMayNameAPartyInstead) {
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

TEST_F(NotifyPartiesTest, L1_WritesOneEntryForEachRecipient) {
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
  EXPECT_EQ(woken_, 1);
  // The revision is as before, and the next entry follows.
  const auto after = Do([&](data::Transaction& tx) { return data::Events(tx).Find({event.id}); }).value();
  EXPECT_EQ(after[0].revision, event.revision);
  EXPECT_EQ(after[0].last_sequence, event.last_sequence + 2);
}

TEST_F(NotifyPartiesTest, L2_TheEntrySaysWhoActed) {
  const data::Event event = MakeEvent();
  rpc::Call call = CallOf(ann_);
  call.principal.acting_id = staff_.id;
  ASSERT_THAT(Notify(call, Request(event, {"bob@example.com"})), Succeeds());
  EXPECT_EQ(Log(event)[0].data.acted_by_id(), staff_.id.ToBytes());
  EXPECT_EQ(Log(event)[0].data.email_token_id(), "");
  EXPECT_EQ(Log(event)[0].effector_id, ann_.id);
}

TEST_F(NotifyPartiesTest, A4_PartiesOfAClosedEventMayBeNotified) {
  data::Event event = MakeEvent();
  event.state = event::v1::Event::AGREED;
  event.slots.resize(1);
  Do([&](data::Transaction& tx) { return data::Events(tx).Save({event}); }).IgnoreError();
  EXPECT_THAT(Notify(CallOf(ann_), Request(event, {"bob@example.com"})), Succeeds());
}

TEST_F(NotifyPartiesTest, OnlyPartiesGuestsOfTheEventAndStaffMay) {
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

TEST_F(NotifyPartiesTest, StrangersCannotTellWhetherAnEventExists) {
  const data::Event event = MakeEvent();
  data::Event absent = event;
  absent.id = Uuid::TimeOrdered();
  const auto refused = Notify(CallOf(eve_), Request(event, {"bob@example.com"})).status();
  ASSERT_THAT(Delete(event), Succeeds());
  EXPECT_EQ(Notify(CallOf(eve_), Request(event, {"bob@example.com"})).status(), refused);
  EXPECT_THAT(Notify(CallOf(eve_), Request(absent, {"bob@example.com"})),
              Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Notify(AsStaff(staff_), Request(absent, {"bob@example.com"})),
              Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
}

TEST_F(NotifyPartiesTest, E10_ADeletedEventIsGoneForItsParties) {
  const data::Event event = MakeEvent();
  ASSERT_THAT(Delete(event), Succeeds());
  for (const rpc::Call& call : {CallOf(ann_), AsGuest(bob_, event.id), AsStaff(staff_)}) {
    ExpectRefused(absl::StatusCode::kNotFound, error::v1::NOT_FOUND,
                  [&] { return Notify(call, Request(event, {"bob@example.com"})); });
  }
}

TEST_F(NotifyPartiesTest, L1_ACallThatFailsChangesNothing) {
  const data::Event event = MakeEvent();
  const data::Event other = MakeEvent();
  const auto request = Request(event, {"bob@example.com"});
  auto refuse = [&](absl::StatusCode code, Reason reason, const rpc::Call& call, const auto& bad_request) {
    ExpectRefused(code, reason, [&] { return Notify(call, bad_request); });
  };
  refuse(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING, AsNobody(), request);
  refuse(kDenied, error::v1::PERMISSION_DENIED, AsService(), request);
  refuse(kDenied, error::v1::PERMISSION_DENIED, CallOf(eve_), request);
  refuse(kDenied, error::v1::PERMISSION_DENIED, AsGuest(bob_, other.id), request);
  refuse(kInvalid, error::v1::INVALID_FIELDS, CallOf(ann_), v1::NotifyPartiesRequest());
  refuse(kInvalid, error::v1::INVALID_FIELDS, CallOf(ann_), Request(event, {"bob@example.com", "eve@example.com"}));
  auto named = request;
  named.set_sender("cid@example.com");
  refuse(kDenied, error::v1::PERMISSION_DENIED, CallOf(bob_), named);
  named.set_sender("eve@example.com");
  refuse(kInvalid, error::v1::INVALID_FIELDS, AsStaff(staff_), named);
  data::Event absent = event;
  absent.id = Uuid::TimeOrdered();
  refuse(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, AsStaff(staff_), Request(absent, {"bob@example.com"}));
}

TEST_F(NotifyPartiesTest, ChecksPermissionBeforeExistenceAndStateBeforeRecipients) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"eve@example.com"});
  request.set_sender("cid@example.com");
  request.set_etag("1");
  ASSERT_THAT(Delete(event), Succeeds());
  // A sender of others is refused also on an event that is gone.
  EXPECT_THAT(Notify(CallOf(ann_), request), Fails(kDenied, error::v1::PERMISSION_DENIED));
  request.clear_sender();
  EXPECT_THAT(Notify(CallOf(ann_), request), Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  v1::NotifyPartiesRequest stale = Request(MakeEvent(), {"eve@example.com"});
  stale.set_etag("1");
  EXPECT_THAT(Notify(CallOf(ann_), stale), Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
}

TEST_F(NotifyPartiesTest, N8_ARecipientIsNotifiedTenTimesADayOfAnEvent) {
  const data::Event event = MakeEvent();
  const auto request = Request(event, {"bob@example.com", "cid@example.com"});
  // Whoever sends, and whatever became of it.
  for (int i = 0; i < 5; ++i) NotifyOne(ann_, event, "bob@example.com");
  for (int i = 0; i < 4; ++i) NotifyOne(bob_, event, "bob@example.com");
  SetState(NotifyOne(ann_, event, "bob@example.com"), "CANCELLED");
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(CallOf(ann_), request); });
  EXPECT_THAT(NotificationsOf(event), SizeIs(10));
  // Others, and other events, are another matter.
  NotifyOne(ann_, event, "cid@example.com");
  NotifyOne(ann_, MakeEvent(), "bob@example.com");
}

TEST_F(NotifyPartiesTest, N8_SuppressedNotificationsCount) {
  limits_.max_daily_notifications = 2;
  const data::Event event = MakeEvent();
  SetState(bob_, "DEACTIVATED");
  for (int i = 0; i < 2; ++i) NotifyOne(ann_, event, "bob@example.com");
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(CallOf(ann_), Request(event, {"bob@example.com"})); });
}

TEST_F(NotifyPartiesTest, N8_RetryInfoTellsWhenTheOldestDropsOut) {
  limits_.max_daily_notifications = 2;
  limits_.max_daily_recipients = 2;
  const data::Event event = MakeEvent();
  auto retry_delay = [&](const std::string& recipient) {
    const auto limited = Notify(CallOf(ann_), Request(event, {recipient}));
    EXPECT_THAT(limited, Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
    return DetailOf<google::rpc::RetryInfo>(limited.status()).retry_delay().seconds();
  };
  NotifyOne(ann_, event, "bob@example.com");
  TimePasses("20 hours");
  NotifyOne(ann_, event, "bob@example.com");
  NotifyOne(ann_, event, "cid@example.com");
  TimePasses("3 hours");
  // The oldest to bob was 23 hours ago.
  EXPECT_LE(retry_delay("bob@example.com"), 3600);
  EXPECT_GE(retry_delay("bob@example.com"), 3000);
  // The last to each of bob and cid was 3 hours ago.
  EXPECT_LE(retry_delay("ann@example.com"), 21 * 3600);
  EXPECT_GE(retry_delay("ann@example.com"), 21 * 3600 - 600);
  TimePasses("1 hour");
  NotifyOne(ann_, event, "bob@example.com");
  TimePasses("20 hours");
  // Cid is forgotten.
  NotifyOne(ann_, event, "ann@example.com");
}

TEST_F(NotifyPartiesTest, N8_ASenderNotifiesAHundredRecipientsADay) {
  std::vector<std::string> addresses;
  for (int i = 0; i < 60; ++i) addresses.push_back(absl::StrCat("p", i, "@example.com"));
  const data::Event event = MakeEvent(addresses);
  for (std::string& address : addresses) address.insert(0, "q");
  addresses.resize(41);
  const data::Event other = MakeEvent(addresses);
  std::vector<std::string> sixty;
  for (const data::Party& party : event.parties) sixty.push_back(party.address.ToString());
  sixty.erase(sixty.begin());  // ann
  ASSERT_THAT(Notify(CallOf(ann_), Request(event, sixty)), Succeeds());
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(CallOf(ann_), Request(other, addresses)); });
  addresses.pop_back();
  EXPECT_THAT(Notify(CallOf(ann_), Request(other, addresses)), Succeeds());
  // Those whom she has notified already do not count again; one more does.
  EXPECT_THAT(Notify(CallOf(ann_), Request(event, sixty)), Succeeds());
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(CallOf(ann_), Request(other, {"ann@example.com"})); });
  // It is the sender's limit, whoever calls.
  v1::NotifyPartiesRequest request = Request(other, {"ann@example.com"});
  EXPECT_THAT(Notify(AsStaff(staff_), request), Succeeds());
  request.set_sender("ann@example.com");
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(AsStaff(staff_), request); });
}

TEST_F(NotifyPartiesTest, N8_TheSendersLimitIsExactWhereEventsRace) {
  limits_.max_daily_recipients = 5;
  std::vector<v1::NotifyPartiesRequest> requests;
  for (int i = 0; i < 16; ++i) {
    const std::string address = absl::StrCat("p", i, "@example.com");
    requests.push_back(Request(MakeEvent({address}), {address}));
  }
  std::atomic<int> told = 0;
  AtOnce(16, [&](int i) {
    const auto status = Notify(CallOf(ann_), requests[static_cast<size_t>(i)]).status();
    if (status.ok()) ++told;
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), error::v1::RATE_LIMITED) << status;
    }
  });
  EXPECT_EQ(told, 5);
  EXPECT_EQ(database_.Sql("select count(distinct recipient_id)::text from parley.notifications"), "5");
}

TEST_F(NotifyPartiesTest, N8_TheRecipientsLimitIsExactWhereSendersRace) {
  const data::Event event = MakeEvent();
  std::atomic<int> told = 0;
  AtOnce(16, [&](int i) {
    const auto status = Notify(CallOf(i % 2 == 0 ? ann_ : bob_), Request(event, {"cid@example.com"})).status();
    if (status.ok()) ++told;
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), error::v1::RATE_LIMITED) << status;
    }
  });
  EXPECT_EQ(told, 10);
  EXPECT_THAT(NotificationsOf(event), SizeIs(10));
  EXPECT_THAT(Log(event), SizeIs(10));
}

TEST_F(NotifyPartiesTest, U4_ToADeactivatedUserIsSuppressed) {
  const data::Event event = MakeEvent();
  SetState(bob_, "DEACTIVATED");
  const auto told = Notify(CallOf(ann_), Request(event, {"bob@example.com", "cid@example.com"}));
  ASSERT_THAT(told, Succeeds());
  EXPECT_EQ(told->notifications(0).state(), v1::Notification::SUPPRESSED);
  EXPECT_EQ(told->notifications(1).state(), v1::Notification::PENDING);
  // The log says that he was to be told, as of everybody.
  ASSERT_THAT(Log(event), SizeIs(2));
  EXPECT_EQ(Log(event)[0].data.recipient_id(), bob_.id.ToBytes());
}

TEST_F(NotifyPartiesTest, N4_FiftyEqualCallsAtOnceTellOnce) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com", "cid@example.com"});
  request.set_request_id("0190163d-8694-739b-aea5-966c26f8ad91");
  std::vector<absl::StatusOr<v1::NotifyPartiesResponse>> answers(50);
  AtOnce(50, [&](int i) { answers[static_cast<size_t>(i)] = Notify(CallOf(ann_), request); });
  for (const auto& answer : answers) {
    ASSERT_THAT(answer, Succeeds());
    EXPECT_EQ(answer->SerializeAsString(), answers[0]->SerializeAsString());
  }
  EXPECT_THAT(RecipientsOf(answers[0]), ElementsAre("Bob@example.com", "cid@example.com"));
  EXPECT_THAT(NotificationsOf(event), SizeIs(2));
  EXPECT_THAT(Log(event), SizeIs(2));
  EXPECT_EQ(woken_, 1);
}

TEST_F(NotifyPartiesTest, ARepeatedCallAnswersWithThePresentStateAlsoAfterTheDeletion) {
  limits_.max_daily_notifications = 1;
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"cid@example.com", "bob@example.com"});
  request.set_request_id("0190163D-8694-739B-AEA5-966C26F8AD91");
  auto first = Notify(CallOf(ann_), request);
  ASSERT_THAT(first, Succeeds());
  SetState(first->notifications(0), "SENT");
  first->mutable_notifications(0)->set_state(v1::Notification::SENT);
  ASSERT_THAT(Delete(event), Succeeds());
  const auto before = Tables();
  const auto again = Notify(CallOf(ann_), request);
  ASSERT_THAT(again, Succeeds());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  // Also by another credential of hers, but not by others.
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
  EXPECT_THAT(Notify(CallOf(bob_), request), Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
  EXPECT_EQ(Tables(), before);
  EXPECT_EQ(woken_, 1);
}

TEST_F(NotifyPartiesTest, AnotherCallWithTheSameRequestIdIsRefused) {
  const data::Event event = MakeEvent();
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  request.set_request_id(Uuid::TimeOrdered().ToString());
  ASSERT_THAT(Notify(CallOf(ann_), request), Succeeds());
  v1::NotifyPartiesRequest other = request;
  other.add_recipients("cid@example.com");
  ExpectRefused(kInvalid, error::v1::REQUEST_ID_REUSED, [&] { return Notify(CallOf(ann_), other); });
  other = Request(MakeEvent(), {"bob@example.com"});
  other.set_request_id(request.request_id());
  ExpectRefused(kInvalid, error::v1::REQUEST_ID_REUSED, [&] { return Notify(CallOf(ann_), other); });
  // Everybody has his own.
  EXPECT_THAT(Notify(CallOf(bob_), other), Succeeds());
}

TEST_F(NotifyPartiesTest, ACallThatFailedIsNotRemembered) {
  limits_.max_daily_notifications = 1;
  const data::Event event = MakeEvent();
  NotifyOne(bob_, event, "bob@example.com");
  v1::NotifyPartiesRequest request = Request(event, {"bob@example.com"});
  request.set_request_id(Uuid::TimeOrdered().ToString());
  ExpectRefused(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED,
                [&] { return Notify(CallOf(ann_), request); });
  request.set_etag("1");
  ExpectRefused(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH, [&] { return Notify(CallOf(ann_), request); });
  TimePasses("24 hours");
  request.set_etag(event.etag());
  EXPECT_THAT(Notify(CallOf(ann_), request), Succeeds());
}

TEST_F(NotifyPartiesTest, E10_NobodyIsToldAfterTheDeletion) {
  limits_.max_daily_notifications = 1000000;
  const data::Event event = MakeEvent();
  const auto request = Request(event, {"bob@example.com", "cid@example.com"});
  std::atomic<int> told = 0;
  constexpr int kNotifiers = 6;
  AtOnce(kNotifiers + 1, [&](int i) {
    if (i == kNotifiers) {
      while (told < 20) std::this_thread::yield();
      EXPECT_THAT(Delete(event), Succeeds());
      return;
    }
    while (true) {
      const auto status = Notify(CallOf(ann_), request).status();
      if (!status.ok()) {
        EXPECT_THAT(status, Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND));
        return;
      }
      ++told;
    }
  });
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.notifications"), std::to_string(2 * told));
  EXPECT_EQ(database_.Sql("select count(*) filter (where occurrence = 'NOTIFY')::text from parley.log_entries"),
            std::to_string(2 * told));
  // Without gaps, and the deletion is the last one.
  EXPECT_EQ(database_.Sql("select count(*) = max(sequence) - 7 and (array_agg(occurrence order by sequence desc))[1] = "
                          "'UPDATE' from parley.log_entries"),
            "t");
}

}  // namespace
}  // namespace parley::notification
