// What the dispatcher does where the mail server, or the token service, refuses, hangs or is away.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "services/notification/dispatcher.h"
#include "services/notification/transport/file_transport.h"
#include "tests/integration/notification/dispatches.h"

namespace parley::notification {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;
using Fault = test::MailFault;
using test::Eventually;
using test::MailServer;

TEST_F(Dispatches, N5_AMailServerThatHangsDelaysNoOtherMail) {
  MailServer server({.fault = Fault::kHangAfterMail, .times = 1});
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"ann@example.com", "bob@example.com", "cid@example.com"})),
              test::Succeeds());
  const auto dispatcher = StartSmtp(server.url());
  // Long before the first mail's time is up.
  ASSERT_TRUE(test::Eventually([&] { return CountOf(v1::Notification::SENT) == 2; }, settings_.send_timeout / 2));
  EXPECT_EQ(CountOf(v1::Notification::PENDING), 1);
  // Several at once: the others went by connections of their own.
  ASSERT_TRUE(Eventually([&] { return server.Mails().size() == 3; }));
  std::set<std::string> connections;
  for (const std::string& mail : server.Mails()) {
    const size_t at = mail.find("X-Connection: ");
    connections.insert(mail.substr(at, mail.find('\r', at) - at));
  }
  EXPECT_TRUE(connections.contains("X-Connection: 1"));
  EXPECT_GE(connections.size(), 2u);
}

TEST_F(Dispatches, N6_WhatHasTooLittleLeftOfItsLeaseIsNotSent) {
  // The first of the two takes a second, and the only sender with it.
  MailServer server({.fault = Fault::kHangAtGreeting, .times = 1});
  settings_.senders = 1;
  settings_.send_timeout = absl::Seconds(1);
  settings_.claim.lease = absl::Seconds(3);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(server.url());
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  std::set<std::string> details;
  for (const Notification& each : NotificationsOf(event_)) {
    ASSERT_THAT(each.attempts, SizeIs(2));
    EXPECT_EQ(each.attempts[0].outcome, Outcomes::DEFERRED);
    details.insert(each.attempts[0].detail);
  }
  EXPECT_TRUE(details.contains("too little was left of the lease"));
  EXPECT_THAT(server.Mails(), SizeIs(2));
}

TEST_F(Dispatches, N5_WhatIsRefusedForNowIsSentLater) {
  // By the first connection.
  MailServer server({.fault = Fault::kDeferMail, .times = 1});
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(server.url());
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  EXPECT_EQ(Only().attempts.front().outcome, Outcomes::DEFERRED);
  EXPECT_EQ(Only().attempts.front().detail, "451 4.2.2 the mailbox of <address> is full");
  EXPECT_EQ(Only().attempts.back().outcome, Outcomes::ACCEPTED);
}

TEST_F(Dispatches, T1_TheTokenIsRevokedBeforeARefusalIsRecorded) {
  MailServer mailbox;
  Notification::State at_revocation = v1::Notification::STATE_UNSPECIFIED;
  tokens_.on_revoke = [&] { at_revocation = Only().state; };
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"refuse@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::FAILED));
  EXPECT_EQ(at_revocation, v1::Notification::PENDING);
  EXPECT_EQ(tokens_.made(), 1u);
  EXPECT_THAT(tokens_.LivingKeys(), IsEmpty());
  EXPECT_EQ(Only().attempts[0].outcome, Outcomes::REFUSED);
  EXPECT_THAT(Only().attempts[0].detail, HasSubstr("550"));
}

TEST_F(Dispatches, T1_ARefusalIsRecordedOnceTheTokenServiceIsBack) {
  MailServer mailbox;
  std::atomic<int> tries = 0;
  tokens_.on_revoke = [&] { ++tries; };
  tokens_.FailRevoke(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"refuse@example.com", "bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Eventually([&] { return tries >= 3; }));
  // Those that were accepted do not wait for it.
  ASSERT_TRUE(Eventually([&] { return CountOf(v1::Notification::SENT) == 1; }));
  EXPECT_EQ(CountOf(v1::Notification::PENDING), 1);
  tokens_.FailRevoke(grpc::StatusCode::OK);
  ASSERT_TRUE(Eventually([&] { return CountOf(v1::Notification::FAILED) == 1; }));
  // Refused once, and not tried again.
  EXPECT_EQ(tokens_.made(), 2u);
  EXPECT_THAT(tokens_.LivingKeys(), SizeIs(1));
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.suppressions"), "1");
}

TEST_F(Dispatches, T1_NoRefusalIsRecordedWhoseTokenLives) {
  MailServer mailbox;
  settings_.send_timeout = absl::Seconds(1);
  settings_.claim.lease = absl::Seconds(3);
  tokens_.FailRevoke(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"refuse@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(HasAttempt(Outcomes::UNKNOWN));
  EXPECT_EQ(Only().attempts[0].detail, "the key could not be revoked after: 550 5.1.1 there is no such mailbox");
  // It was refused for good all the same, and the address with it.
  EXPECT_EQ(Only().state, v1::Notification::FAILED);
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.suppressions"), "1");
  EXPECT_EQ(tokens_.made(), 1u);
}

TEST_F(Dispatches, N7_WhatWasRefusedWhileKeysCannotBeRevokedPutNothingIntoACalendar) {
  MailServer mailbox;
  settings_.send_timeout = absl::Seconds(1);
  settings_.claim.lease = absl::Seconds(3);
  database_.Sql("update parley.events set slots = slots[1:1] where event_id = '" + event_.id.ToString() + "'");
  tokens_.FailRevoke(grpc::StatusCode::UNAVAILABLE);
  v1::NotifyPartiesRequest request = Request(event_, {"refuse@example.com"});
  request.set_etag(event_.etag());
  ASSERT_THAT(Notify(CallOf(ann_), request), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(HasAttempt(Outcomes::UNKNOWN));
  const auto have = Do([&](data::Transaction& tx) { return Deliveries(tx).WithCalendarEntry(event_.id); });
  EXPECT_THAT(*have, IsEmpty());
}

TEST_F(Dispatches, EndAlsoWhileKeysCannotBeRevoked) {
  MailServer mailbox;
  std::atomic<int> tries = 0;
  tokens_.on_revoke = [&] { ++tries; };
  tokens_.FailRevoke(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"refuse@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Eventually([&] { return tries >= 1; }));
  dispatcher->Stop(absl::Now() + absl::Milliseconds(500));
  EXPECT_EQ(Only().attempts.at(0).outcome, Outcomes::UNKNOWN);
  EXPECT_EQ(Only().state, v1::Notification::FAILED);
}

TEST_F(Dispatches, N5_OneRecipientsFailureTouchesNoOther) {
  MailServer mailbox;
  settings_.retry_pause = absl::Milliseconds(300);
  settings_.claim.retry_for = absl::Seconds(1);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"refuse@example.com", "bob@example.com", "defer@example.com",
                                                    "cid@example.com"})),
              test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  std::map<Uuid, Notification> by_recipient;
  ASSERT_TRUE(Eventually([&] {
    for (const auto& each : NotificationsOf(event_)) by_recipient[each.recipient_id] = each;
    return std::ranges::none_of(by_recipient,
                                [](const auto& e) { return e.second.state == v1::Notification::PENDING; });
  }));
  auto of = [&](size_t party) { return by_recipient.at(event_.parties[party].user_id); };
  EXPECT_EQ(of(1).state, v1::Notification::SENT);
  EXPECT_EQ(of(2).state, v1::Notification::SENT);
  EXPECT_EQ(of(3).state, v1::Notification::FAILED);
  EXPECT_THAT(of(3).attempts, SizeIs(1));
  // Refused for now until its time is up, at each attempt with a key of its own, of which none lives.
  EXPECT_EQ(of(4).state, v1::Notification::FAILED);
  EXPECT_GE(of(4).attempts.size(), 2u);
  for (const Attempt& attempt : of(4).attempts) EXPECT_EQ(attempt.outcome, Outcomes::DEFERRED);
  EXPECT_EQ(tokens_.made(), 2u + 1u + of(4).attempts.size());
  EXPECT_THAT(tokens_.LivingKeys(), SizeIs(2));
  EXPECT_THAT(mailbox.Mails(), SizeIs(2));
}

TEST_F(Dispatches, N5_NoMailServerIsTriedAgain) {
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  {
    const auto dispatcher = StartSmtp("smtp://127.0.0.1:1");
    ASSERT_TRUE(HasAttempt(Outcomes::DEFERRED));
  }
  MailServer mailbox;
  database_.Sql("update parley.notifications set next_attempt_time = now()");
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  EXPECT_THAT(tokens_.LivingKeys(), SizeIs(1));
}

TEST_F(Dispatches, N5_NoTokenServiceIsTriedAgain) {
  MailServer mailbox;
  tokens_.FailCreate(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(HasAttempt(Outcomes::DEFERRED));
  EXPECT_THAT(mailbox.Mails(), IsEmpty());
  tokens_.FailCreate(grpc::StatusCode::OK);
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
}

TEST_F(Dispatches, N5_PausesGrow) {
  settings_.retry_pause = absl::Hours(1) / 4;
  tokens_.FailCreate(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartWith([] { return std::make_unique<FileTransport>("/nowhere"); });
  for (const int minutes : {15, 30, 60, 60}) {
    // By a quarter more or less.
    ASSERT_TRUE(Eventually([&] {
      return database_.Sql(absl::StrCat("select abs(extract(epoch from next_attempt_time - now()) / 60 - ", minutes,
                                        ") < ", minutes, " / 4.0 + 1 from parley.notifications where attempts > 0")) ==
             "t";
    })) << minutes;
    MakeDue();
  }
}

TEST(RetryPause, N5_DoublesUpToAnHourAndIsJittered) {
  absl::BitGen random;
  absl::Duration expected = absl::Seconds(5);
  for (int attempt = 1; attempt <= 40; ++attempt) {
    std::set<absl::Duration> pauses;
    for (int i = 0; i < 100; ++i) {
      const absl::Duration pause = RetryPause(absl::Seconds(5), attempt, random);
      EXPECT_GE(pause, expected * 0.75);
      EXPECT_LE(pause, expected * 1.25);
      pauses.insert(pause);
    }
    EXPECT_GT(pauses.size(), 50u);
    expected = std::min(2 * expected, absl::Hours(1));
  }
}

TEST_F(Dispatches, N5_NothingIsTriedAgainAfterADay) {
  tokens_.FailCreate(grpc::StatusCode::UNAVAILABLE);
  settings_.retry_pause = absl::Minutes(10);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  database_.Sql("update parley.notifications set pending_since = now() - interval '23 hours 30 minutes'");
  const auto dispatcher = StartWith([] { return std::make_unique<FileTransport>("/nowhere"); });
  ASSERT_TRUE(HasAttempt(Outcomes::DEFERRED));
  EXPECT_EQ(Only().state, v1::Notification::PENDING);
  database_.Sql(
      "update parley.notifications set pending_since = now() - interval '23 hours 59 minutes', "
      "next_attempt_time = now()");
  ASSERT_TRUE(Reaches(v1::Notification::FAILED));
  EXPECT_THAT(Only().attempts, SizeIs(2));
}

TEST_F(Dispatches, N6_WhereTheReplyIsLostTheMailIsSentAgainWithTheSameMessageId) {
  MailServer server({.fault = Fault::kCloseAfterMail, .times = 1});
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(server.url());
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  EXPECT_EQ(Only().attempts[0].outcome, Outcomes::UNKNOWN);
  EXPECT_EQ(Only().attempts[1].outcome, Outcomes::ACCEPTED);
  // The first mail may have arrived: its key lives on.
  EXPECT_THAT(tokens_.LivingKeys(), SizeIs(2));
  ASSERT_THAT(server.Mails(), SizeIs(2));
  const std::string message_id = absl::StrCat("Message-ID: <", Only().id.ToString(), "@parley.internal>");
  for (const std::string& mail : server.Mails()) EXPECT_THAT(mail, HasSubstr(message_id));
}

TEST_F(Dispatches, N5_RetryGivesANewDay) {
  tokens_.FailCreate(grpc::StatusCode::UNAVAILABLE);
  settings_.retry_pause = absl::Minutes(10);
  const v1::Notification notification = NotifyOne(ann_, event_, "bob@example.com");
  database_.Sql("update parley.notifications set pending_since = now() - interval '1 day'");
  const auto dispatcher = StartWith([] { return std::make_unique<FileTransport>("/nowhere"); });
  ASSERT_TRUE(Reaches(v1::Notification::FAILED));
  v1::RetryNotificationRequest request;
  request.set_name(notification.name());
  ASSERT_THAT(Run(&RetryNotification, AsStaff(staff_), request), test::Succeeds());
  ASSERT_TRUE(Eventually([&] { return Only().attempts.size() == 2 && Only().attempts[1].end_time; }));
  EXPECT_EQ(Only().state, v1::Notification::PENDING);
}

TEST_F(Dispatches, N5_AnAddressThatTheServerDoesNotKnowIsSuppressedFromThenOn) {
  MailServer mailbox;
  const auto dispatcher = StartSmtp(mailbox.url());
  NotifyOne(ann_, event_, "refuse@example.com");
  ASSERT_TRUE(Reaches(v1::Notification::FAILED));
  EXPECT_EQ(database_.Sql("select reason || ' ' || detail from parley.suppressions"),
            "ADDRESS_REFUSED 550 5.1.1 there is no such mailbox");
  const v1::Notification second = NotifyOne(ann_, event_, "refuse@example.com");
  dispatcher->Wake();
  ASSERT_TRUE(Eventually([&] {
    return database_.Sql("select state from parley.notifications where notification_id = '" + IdOf(second).ToString() +
                         "'") == "SUPPRESSED";
  }));
  EXPECT_EQ(tokens_.made(), 1u);
  // A refusal for now, and one that is not about the address, suppress nobody.
  NotifyOne(ann_, event_, "defer@example.com");
  dispatcher->Wake();
  ASSERT_TRUE(Eventually([&] { return tokens_.made() > 2; }));
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.suppressions"), "1");
}

TEST_F(Dispatches, EndSoonWhileTheMailServerHangs) {
  MailServer server({.fault = Fault::kHangAfterMail});
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(server.url());
  ASSERT_TRUE(Eventually([&] { return !server.Mails().empty(); }));
  const absl::Time begin = absl::Now();
  dispatcher->Stop(absl::Now());
  // Long before the mail's time is up.
  EXPECT_LT(absl::Now() - begin, settings_.send_timeout / 2);
  EXPECT_EQ(Only().state, v1::Notification::PENDING);
  EXPECT_EQ(Only().attempts[0].outcome, Outcomes::UNKNOWN);
}

}  // namespace
}  // namespace parley::notification
