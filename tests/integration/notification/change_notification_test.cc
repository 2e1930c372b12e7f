#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using test::Succeeds;
using Outcomes = v1::Notification::Attempt;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

class ChangeNotification : public World {
 protected:
  absl::StatusOr<v1::Notification> Cancel(const rpc::Call& call, const std::string& name,
                                          const std::string& request_id = "") {
    v1::CancelNotificationRequest request;
    request.set_name(name);
    request.set_request_id(request_id);
    return Run(&CancelNotification, call, request);
  }
  absl::StatusOr<v1::Notification> Retry(const rpc::Call& call, const std::string& name,
                                         const std::string& request_id = "") {
    v1::RetryNotificationRequest request;
    request.set_name(name);
    request.set_request_id(request_id);
    return Run(&RetryNotification, call, request);
  }

  const data::Event event_ = MakeEvent();
  const v1::Notification notification_ = NotifyOne(bob_, event_, "cid@example.com");
  const std::string name_ = notification_.name();
};

TEST_F(ChangeNotification, N5_TheSenderCancelsWhatWasNotSent) {
  const auto before = Tables();
  const auto cancelled = Cancel(CallOf(bob_), name_);
  ASSERT_THAT(cancelled, Succeeds());
  v1::Notification expected = notification_;
  expected.set_state(v1::Notification::CANCELLED);
  EXPECT_EQ(cancelled->DebugString(), expected.DebugString());
  // No entry, and nothing else.
  auto after = Tables();
  after["notifications"] = before.at("notifications");
  EXPECT_EQ(after, before);
  EXPECT_FALSE(ClaimOne());
}

TEST_F(ChangeNotification, N5_WhoMayCancel) {
  constexpr char kOthers[] = "ann@example.com";
  const v1::Notification anns = NotifyOne(ann_, event_, "cid@example.com");
  const v1::Notification bobs = NotifyOne(bob_, event_, kOthers);
  const v1::Notification staffs = NotifyOne(bob_, event_, kOthers);
  // Parties, the recipient among them, who did not send it.
  for (const rpc::Call& call : {CallOf(ann_), AsGuest(ann_, event_.id)}) {
    ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Cancel(call, bobs.name()); });
  }
  ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Cancel(AsGuest(bob_, event_.id), anns.name()); });
  // A guest of staff has no rights of staff.
  rpc::Call staff_guest = AsGuest(bob_, event_.id);
  staff_guest.principal.staff = true;
  ExpectRefused(kDenied, error::v1::PERMISSION_DENIED, [&] { return Cancel(staff_guest, anns.name()); });
  EXPECT_THAT(Cancel(AsGuest(bob_, event_.id), bobs.name()), Succeeds());
  EXPECT_THAT(Cancel(AsStaff(staff_), staffs.name()), Succeeds());
}

TEST_F(ChangeNotification, N5_TheOneInWhoseNameItIsCancels) {
  v1::NotifyPartiesRequest request = Request(event_, {"cid@example.com"});
  request.set_sender("bob@example.com");
  const auto told = Notify(AsStaff(staff_), request);
  EXPECT_THAT(Cancel(CallOf(bob_), told->notifications(0).name()), Succeeds());
}

TEST_F(ChangeNotification, N5_OnlyPendingOnesAreCancelled) {
  for (const std::string state : {"SENT", "FAILED", "CANCELLED", "SUPPRESSED"}) {
    SetState(notification_, state);
    ExpectRefused(kPrecondition, error::v1::NOTIFICATION_STATE, [&] { return Cancel(CallOf(bob_), name_); });
    const absl::Status status = Cancel(CallOf(bob_), name_).status();
    EXPECT_EQ(InfoOf(status, "state"), state);
    const auto failure = DetailOf<google::rpc::PreconditionFailure>(status);
    ASSERT_EQ(failure.violations_size(), 1);
    EXPECT_EQ(failure.violations(0).type(), "NOTIFICATION_STATE");
    EXPECT_EQ(failure.violations(0).subject(), name_);
  }
}

TEST_F(ChangeNotification, N5_NothingIsCancelledWhileItIsSent) {
  const Notification claimed = ClaimOne().value();
  ExpectRefused(kPrecondition, error::v1::NOTIFICATION_STATE, [&] { return Cancel(CallOf(bob_), name_); });
  EXPECT_EQ(InfoOf(Cancel(CallOf(bob_), name_).status(), "state"), "PENDING");
  Record(claimed, Outcomes::DEFERRED, v1::Notification::PENDING, "", absl::Hours(1));
  // It waits for the next attempt.
  const auto cancelled = Cancel(CallOf(bob_), name_);
  ASSERT_THAT(cancelled, Succeeds());
  EXPECT_EQ(cancelled->attempts_size(), 1);
}

TEST_F(ChangeNotification, N5_OneWhoseAttemptWasLostIsCancelled) {
  const Notification claimed = ClaimOne().value();
  MakeDue();
  const auto cancelled = Cancel(CallOf(bob_), name_);
  ASSERT_THAT(cancelled, Succeeds());
  EXPECT_EQ(cancelled->state(), v1::Notification::CANCELLED);
  EXPECT_EQ(cancelled->attempts(0).outcome(), Outcomes::UNKNOWN);
  // Who comes back late changes nothing.
  EXPECT_FALSE(Record(claimed, Outcomes::ACCEPTED, v1::Notification::SENT));
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::CANCELLED);
  EXPECT_EQ(NotificationsOf(event_)[0].attempts[0].outcome, Outcomes::UNKNOWN);
}

TEST_F(ChangeNotification, N5_ClaimingRacesCancelling) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = NotifyOne(ann_, MakeEvent(), "bob@example.com").name();
    database_.Sql("update parley.notifications set state = 'SENT' where state = 'PENDING' and notification_id <> '" +
                  name.substr(name.rfind('/') + 1) + "'");
    std::optional<Notification> claimed;
    absl::Status cancelled;
    AtOnce(2, [&](int thread) {
      if (thread == 0) {
        claimed = ClaimOne();
      } else {
        cancelled = Cancel(CallOf(ann_), name).status();
      }
    });
    // Never both: what is being sent was not cancelled.
    EXPECT_FALSE(claimed && cancelled.ok());
    if (!cancelled.ok()) {
      EXPECT_EQ(ReasonOf(cancelled), error::v1::NOTIFICATION_STATE) << cancelled;
    }
  }
}

TEST_F(ChangeNotification, N5_StaffRetryWhatFailedOrWasSuppressed) {
  for (const std::string state : {"FAILED", "SUPPRESSED"}) {
    const v1::Notification notification = NotifyOne(bob_, event_, "cid@example.com");
    SetState(notification, state);
    const auto before = Tables();
    const int woken = woken_;
    const auto retried = Retry(AsStaff(staff_), notification.name());
    ASSERT_THAT(retried, Succeeds());
    EXPECT_EQ(retried->DebugString(), notification.DebugString());
    EXPECT_EQ(woken_, woken + 1);
    auto after = Tables();
    after["notifications"] = before.at("notifications");
    EXPECT_EQ(after, before);
  }
}

TEST_F(ChangeNotification, N5_ARetryIsDueNowWithANewAllowance) {
  // A day is over.
  database_.Sql("update parley.notifications set pending_since = now() - interval '2 days'");
  Record(*ClaimOne(), Outcomes::DEFERRED, v1::Notification::FAILED);
  ASSERT_THAT(Retry(AsStaff(staff_), name_), Succeeds());
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const Notification claimed = ClaimOne().value();
    EXPECT_EQ(claimed.state, v1::Notification::PENDING);
    EXPECT_EQ(claimed.attempts_begun, 1 + attempt);
    EXPECT_EQ(claimed.attempts_counted(), attempt);
    MakeDue();
  }
}

TEST_F(ChangeNotification, N5_OthersAreNotRetried) {
  ClaimOne();
  for (const std::string state : {"PENDING", "SENT", "CANCELLED"}) {
    SetState(notification_, state);
    ExpectRefused(kPrecondition, error::v1::NOTIFICATION_STATE, [&] { return Retry(AsStaff(staff_), name_); });
    EXPECT_EQ(InfoOf(Retry(AsStaff(staff_), name_).status(), "state"), state);
  }
}

TEST_F(ChangeNotification, N7_StaffRetryAndCancelWhatTakesBackEntriesOfADeletedEvent) {
  database_.Sql("update parley.notifications set cause = 'CANCEL_CALENDAR_ENTRY'");
  SetState(notification_, "FAILED");
  ASSERT_THAT(Delete(event_), Succeeds());
  ExpectRefused(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, [&] { return Cancel(CallOf(bob_), name_); });
  const auto retried = Retry(AsStaff(staff_), name_);
  ASSERT_THAT(retried, Succeeds());
  EXPECT_EQ(retried->state(), v1::Notification::PENDING);
  const auto claimed = ClaimOne();
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->state, v1::Notification::PENDING) << "it is sent";
  Record(*claimed, v1::Notification::Attempt::DEFERRED, v1::Notification::PENDING, "", absl::Hours(1));
  const auto cancelled = Cancel(AsStaff(staff_), name_);
  ASSERT_THAT(cancelled, Succeeds());
  EXPECT_EQ(cancelled->state(), v1::Notification::CANCELLED);
}

TEST_F(ChangeNotification, L1_ACallThatFailsChangesNothing) {
  SetState(notification_, "FAILED");
  const data::Event other = MakeEvent();
  const data::Event deleted = MakeEvent();
  const std::string deleted_name = NotifyOne(bob_, deleted, "cid@example.com").name();
  ASSERT_THAT(Delete(deleted), Succeeds());
  const std::string id = Uuid::TimeOrdered().ToString();
  const std::string absent = event_.name() + "/notifications/" + id;
  const std::string elsewhere = other.name() + name_.substr(name_.find("/notifications/"));
  const std::string nowhere = "events/" + id + "/notifications/" + id;
  auto refuse = [&](absl::StatusCode code, Reason reason, auto call) { ExpectRefused(code, reason, call); };
  for (const bool retry : {false, true}) {
    auto change = [&](const rpc::Call& call, const std::string& name, const std::string& request_id = "") {
      return [=, this] { return retry ? Retry(call, name, request_id) : Cancel(call, name, request_id); };
    };
    refuse(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING, change(AsNobody(), name_));
    refuse(kDenied, error::v1::PERMISSION_DENIED, change(AsService(), name_));
    refuse(kDenied, error::v1::PERMISSION_DENIED, change(CallOf(eve_), name_));
    refuse(kDenied, error::v1::PERMISSION_DENIED, change(CallOf(eve_), nowhere));
    refuse(kDenied, error::v1::PERMISSION_DENIED, change(AsGuest(bob_, other.id), name_));
    refuse(kInvalid, error::v1::INVALID_FIELDS, change(AsStaff(staff_), "events/x", "y"));
    EXPECT_EQ(BadFields(change(AsStaff(staff_), "events/x", "y")().status()),
              (std::set<std::string>{"name", "request_id"}));
    for (const std::string& name : {absent, elsewhere, nowhere, deleted_name}) {
      refuse(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, change(AsStaff(staff_), name));
    }
  }
  refuse(absl::StatusCode::kNotFound, error::v1::NOT_FOUND, [&] { return Cancel(CallOf(bob_), deleted_name); });
  refuse(kDenied, error::v1::PERMISSION_DENIED, [&] { return Cancel(CallOf(ann_), deleted_name); });
  // Parties do not retry, not even their own; strangers cannot tell whether it exists.
  refuse(kDenied, error::v1::PERMISSION_DENIED, [&] { return Retry(CallOf(bob_), name_); });
  refuse(kDenied, error::v1::PERMISSION_DENIED, [&] { return Retry(AsGuest(bob_, event_.id), name_); });
  EXPECT_EQ(Retry(CallOf(eve_), name_).status().message(), Retry(CallOf(eve_), nowhere).status().message());
  for (const auto& denied : {Retry(CallOf(eve_), nowhere), Cancel(CallOf(ann_), name_)}) {
    const auto resource = DetailOf<google::rpc::ResourceInfo>(denied.status());
    EXPECT_EQ(resource.resource_type(), "parley.notification.v1.Notification");
  }
}

TEST_F(ChangeNotification, ARepeatedCancellationAnswersTheSame) {
  const std::string request_id = Uuid::TimeOrdered().ToString();
  const auto first = Cancel(CallOf(bob_), name_, request_id);
  ASSERT_THAT(first, Succeeds());
  ASSERT_THAT(Delete(event_), Succeeds());
  const auto before = Tables();
  const auto again = Cancel(CallOf(bob_), name_, request_id);
  ASSERT_THAT(again, Succeeds());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(Tables(), before);
}

TEST_F(ChangeNotification, ARepeatedRetryDoesNothingAndAnswersWithThePresentState) {
  SetState(notification_, "FAILED");
  const std::string request_id = Uuid::TimeOrdered().ToString();
  ASSERT_THAT(Retry(AsStaff(staff_), name_, request_id), Succeeds());
  SetState(notification_, "FAILED");
  const auto again = Retry(AsStaff(staff_), name_, request_id);
  ASSERT_THAT(again, Succeeds());
  EXPECT_EQ(again->state(), v1::Notification::FAILED);
}

TEST_F(ChangeNotification, EqualCallsAtOnceHaveOneEffect) {
  const std::string request_id = Uuid::TimeOrdered().ToString();
  std::vector<absl::StatusOr<v1::Notification>> answers(50);
  AtOnce(50, [&](int i) { answers[static_cast<size_t>(i)] = Cancel(CallOf(bob_), name_, request_id); });
  for (const auto& answer : answers) {
    ASSERT_THAT(answer, Succeeds());
    EXPECT_EQ(answer->SerializeAsString(), answers[0]->SerializeAsString());
  }
}

TEST_F(ChangeNotification, AnotherCallWithTheSameRequestIdIsRefused) {
  const std::string other = NotifyOne(bob_, event_, "cid@example.com").name();
  const std::string request_id = Uuid::TimeOrdered().ToString();
  ASSERT_THAT(Cancel(CallOf(bob_), name_, request_id), Succeeds());
  ExpectRefused(kInvalid, error::v1::REQUEST_ID_REUSED, [&] { return Cancel(CallOf(bob_), other, request_id); });
  // Of another method it is another one.
  SetState(notification_, "FAILED");
  EXPECT_THAT(Retry(AsStaff(staff_), name_, request_id), Succeeds());
}

TEST_F(ChangeNotification, ACallThatFailedIsNotRemembered) {
  const std::string request_id = Uuid::TimeOrdered().ToString();
  SetState(notification_, "SENT");
  ExpectRefused(kPrecondition, error::v1::NOTIFICATION_STATE, [&] { return Cancel(CallOf(bob_), name_, request_id); });
  SetState(notification_, "PENDING");
  EXPECT_THAT(Cancel(CallOf(bob_), name_, request_id), Succeeds());
}

}  // namespace
}  // namespace parley::notification
