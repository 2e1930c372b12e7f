#include "services/notification/dispatcher.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/data/erasures.h"
#include "services/notification/transport/file_transport.h"
#include "tests/integration/notification/dispatches.h"

namespace parley::notification {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;
using test::Eventually;
using test::MailServer;
using test::TemporaryFolder;

TEST_F(Dispatches, N4_EveryRecipientGetsAMailWithAKeyOfHisOwn) {
  TemporaryFolder folder;
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"})), test::Succeeds());
  const auto dispatcher = StartWith([&] { return std::make_unique<FileTransport>(folder.path()); });
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  const auto mails = test::MailsIn(folder.path());
  ASSERT_THAT(mails, SizeIs(2));
  const auto keys = tokens_.LivingKeys();
  ASSERT_THAT(keys, SizeIs(2));
  for (const std::string& key : keys) {
    EXPECT_EQ(
        std::ranges::count_if(mails, [&](const auto& mail) { return absl::StrContains(mail, "\n" + key + "\r"); }), 1);
  }
  EXPECT_TRUE(absl::StrContains(mails[0] + mails[1], "To: Bob@example.com\r\n"));
  for (const Notification& notification : NotificationsOf(event_)) {
    ASSERT_THAT(notification.attempts, SizeIs(1));
    EXPECT_EQ(notification.attempts[0].outcome, Outcomes::ACCEPTED);
    EXPECT_TRUE(notification.attempts[0].end_time);
  }
}

TEST_F(Dispatches, AreWokenByNotifyParties) {
  MailServer mailbox;
  const auto dispatcher = StartSmtp(mailbox.url());
  const Context context{pool_, signer_, suppression_key_, limits_, [&] { dispatcher->Wake(); }};
  v1::NotifyPartiesResponse response;
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(NotifyParties(context, CallOf(ann_), Request(event_, {"bob@example.com"}), response), test::Succeeds());
    ASSERT_TRUE(Reaches(v1::Notification::SENT));
  }
  // Unwoken it looks once a second.
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
  ASSERT_THAT(mailbox.Mails(), SizeIs(5));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("ann@example.com asks you about: Picnic"));
}

TEST_F(Dispatches, ARecipientIsSentSoManyADay) {
  TemporaryFolder folder;
  settings_.claim.max_daily_mails = 2;
  for (int i = 0; i < 5; ++i) NotifyOne(ann_, event_, "bob@example.com");
  NotifyOne(ann_, event_, "cid@example.com");
  const auto dispatcher = StartWith([&] { return std::make_unique<FileTransport>(folder.path()); });
  ASSERT_TRUE(Eventually([&] { return CountOf(v1::Notification::SENT) == 3; }));
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.notifications where state = 'PENDING' and "
                          "next_attempt_time > now() + interval '30 s'"),
            "3");
  EXPECT_THAT(test::MailsIn(folder.path()), SizeIs(3));
}

TEST_F(Dispatches, WorkOffManyEventsThatEndAtOnce) {
  std::vector<data::Event> events;
  for (int i = 0; i < 60; ++i) {
    events.push_back(MakeEvent());
    NotifyOne(ann_, events.back(), absl::StrCat(i % 2 == 0 ? "bob" : "cid", "@example.com"));
    database_.Sql("update parley.notifications set next_attempt_time = now() + interval '1 hour'");
    ASSERT_THAT(Delete(events.back()), test::Succeeds());
  }
  TemporaryFolder folder;
  const auto dispatcher = StartWith([&] { return std::make_unique<FileTransport>(folder.path()); });
  // It rests for a second only where there is no more to do.
  ASSERT_TRUE(test::Eventually(
      [&] {
        return database_.Sql("select count(*)::text from parley.notifications where state = 'CANCELLED'") == "60";
      },
      absl::Seconds(20)));
}

// So many notifications, all due.
void MakeDueNotifications(test::TestDatabase& database, const data::Event& event, int count) {
  database.Sql(absl::StrCat(
      "insert into parley.notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, "
      "attempts, next_attempt_time, pending_since, cause) select gen_random_uuid(), '",
      event.id.ToString(), "', '", event.parties[1].user_id.ToString(), "', '", event.parties[0].user_id.ToString(),
      "', 'PENDING', now(), 0, now(), now(), 'NOTIFY_PARTIES' from generate_series(1, ", count, ")"));
}

// 10,000 in tests/run faults.
TEST_F(Dispatches, N6_TwoDispatchersSendNothingTwice) {
  const char* given = std::getenv("PARLEY_TEST_MAILS");
  const int count = given == nullptr ? 500 : std::atoi(given);
  settings_.claim.max_daily_mails = 1000000;
  MailServer mailbox;
  MakeDueNotifications(database_, event_, count);
  data::Pool second_pool(database_.service_url(), Dispatcher::kConnections);
  const auto transport = [&] {
    return std::make_unique<SmtpTransport>(SmtpSettings{.url = mailbox.url(), .starttls = false});
  };
  // Each tells its mails from the other's.
  DispatcherSettings of_second = settings_;
  of_second.mail_from = *ParseAddress("second@example.com");
  Dispatcher first(settings_, pool_, signer_, suppression_key_, client_, transport);
  Dispatcher second(of_second, second_pool, signer_, suppression_key_, client_, transport);
  first.Start();
  second.Start();
  // As long as there is progress.
  const std::string unsent = "select count(*)::text from parley.notifications where state <> 'SENT'";
  for (std::string left = database_.Sql(unsent); left != "0"; left = database_.Sql(unsent)) {
    ASSERT_TRUE(Eventually([&] { return database_.Sql(unsent) != left; })) << left;
  }
  std::set<std::string> message_ids;
  const auto mails = mailbox.Mails();
  for (const std::string& mail : mails) {
    const size_t begin = mail.find("Message-ID: <");
    message_ids.insert(mail.substr(begin, mail.find('>', begin) - begin));
  }
  const auto by_second = std::ranges::count_if(
      mails, [](const std::string& mail) { return absl::StrContains(mail, "X-MailFrom: second@example.com"); });
  EXPECT_GT(by_second, count / 10);
  EXPECT_LT(by_second, count - count / 10);
  EXPECT_EQ(mails.size(), static_cast<size_t>(count));
  EXPECT_EQ(message_ids.size(), static_cast<size_t>(count));
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.delivery_attempts"), absl::StrCat(count));
  EXPECT_EQ(tokens_.made(), static_cast<size_t>(count));
}

TEST_F(Dispatches, E10_OfADeletedEventAreCancelled) {
  MailServer mailbox;
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  ASSERT_THAT(Delete(event_), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::CANCELLED));
  EXPECT_EQ(tokens_.made(), 0u);
  EXPECT_THAT(mailbox.Mails(), IsEmpty());
}

TEST_F(Dispatches, E10_OfAnEventThatIsDeletedMeanwhileAreCancelled) {
  MailServer mailbox;
  tokens_.Refuse(Tokens::Refusals::EVENT_GONE);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::CANCELLED));
  EXPECT_THAT(mailbox.Mails(), IsEmpty());
}

TEST_F(Dispatches, E10_ThoseThatWaitForARetryAreCancelledSoon) {
  settings_.retry_pause = absl::Hours(1);
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  const auto dispatcher = StartSmtp("smtp://127.0.0.1:1");
  ASSERT_TRUE(HasAttempt(Outcomes::DEFERRED));
  ASSERT_THAT(Delete(event_), test::Succeeds());
  ASSERT_TRUE(Reaches(v1::Notification::CANCELLED));
  EXPECT_THAT(Only().attempts, SizeIs(1));
}

TEST_F(Dispatches, N7_OfAnEventThatEndsMeanwhilePutNoEntryIntoACalendar) {
  MailServer mailbox;
  const std::string id = event_.id.ToString();
  database_.Sql("update parley.events set slots = slots[1:1] where event_id = '" + id + "'");
  // It ends in the moment in which the first attempt has begun.
  database_.Sql(
      "create function parley.reopen() returns trigger language plpgsql security definer as $$ begin "
      "update parley.events set successor_id = gen_random_uuid() where event_id = '" +
      id +
      "'; return null; end $$; "
      "create trigger reopen after insert on parley.delivery_attempts for each row when (new.attempt = 1) "
      "execute function parley.reopen()");
  v1::NotifyPartiesRequest request = Request(event_, {"bob@example.com"});
  request.set_etag(event_.etag());
  ASSERT_THAT(Notify(CallOf(ann_), request), test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
  ASSERT_THAT(Only().attempts, SizeIs(2));
  EXPECT_EQ(Only().attempts[0].outcome, Outcomes::DEFERRED);
  EXPECT_EQ(Only().attempts[0].detail, "the event has ended meanwhile");
  ASSERT_THAT(mailbox.Mails(), SizeIs(1));
  EXPECT_THAT(mailbox.Mails()[0], Not(HasSubstr("text/calendar")));
  // So nobody has an entry that would have to be taken back.
  const auto have = Do([&](data::Transaction& tx) { return Deliveries(tx).WithCalendarEntry(event_.id); });
  EXPECT_THAT(*have, IsEmpty());
}

TEST_F(Dispatches, A7_N7_WhatAnErasedPersonHasSentArrivesFromErased) {
  MailServer mailbox;
  database_.Sql("update parley.events set slots = slots[1:1] where event_id = '" + event_.id.ToString() + "'");
  v1::NotifyPartiesRequest request = Request(event_, {"bob@example.com"});
  request.set_etag(event_.etag());
  ASSERT_THAT(Notify(CallOf(ann_), request), test::Succeeds());
  {
    const auto dispatcher = StartSmtp(mailbox.url());
    ASSERT_TRUE(Reaches(v1::Notification::SENT));
  }
  // By a person of staff, who is no party; ann is one. Nothing is blanked yet.
  ASSERT_THAT(Delete(event_), test::Succeeds());
  const data::Event other = MakeEvent();
  NotifyOne(ann_, other, "cid@example.com");
  for (const data::User& user : {ann_, staff_}) {
    ASSERT_TRUE(*Do([&](data::Transaction& tx) {
      return data::Erasures(tx).Erase(user.id, {user.id, std::nullopt, std::nullopt});
    }));
  }
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Eventually([&] { return mailbox.Mails().size() == 3; }));
  const std::vector<std::string> mails = mailbox.Mails();
  for (size_t i = 1; i < mails.size(); ++i) {
    const bool cancel = absl::StrContains(mails[i], "To: Bob@example.com\r\n");
    EXPECT_EQ(absl::StrContains(mails[i], "method=CANCEL"), cancel);
    EXPECT_THAT(mails[i], HasSubstr("erased"));
    EXPECT_THAT(mails[i], Not(HasSubstr("ann@")));
  }
}

TEST_F(Dispatches, U4_OfAUserWhoIsDeactivatedMeanwhileAreSuppressed) {
  MailServer mailbox;
  ASSERT_THAT(Notify(CallOf(ann_), Request(event_, {"bob@example.com"})), test::Succeeds());
  tokens_.Refuse(Tokens::Refusals::USER_DEACTIVATED);
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Reaches(v1::Notification::SUPPRESSED));
  ASSERT_THAT(Only().attempts, SizeIs(1));
  EXPECT_EQ(Only().attempts[0].detail, "the recipient is deactivated");
  EXPECT_THAT(mailbox.Mails(), IsEmpty());
  EXPECT_THAT(Log(event_), SizeIs(1));
}

TEST_F(Dispatches, U4_OfAUserWhoWasDeactivatedAreNotTried) {
  MailServer mailbox;
  SetState(bob_, "DEACTIVATED");
  const auto told = Notify(CallOf(ann_), Request(event_, {"bob@example.com", "cid@example.com"}));
  ASSERT_THAT(told, test::Succeeds());
  const auto dispatcher = StartSmtp(mailbox.url());
  ASSERT_TRUE(Eventually([&] { return mailbox.Mails().size() == 1; }));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("To: cid@example.com\r\n"));
  const auto suppressed = Do([&](data::Transaction& tx) {
                            return Notifications(tx).Find(event_.id, IdOf(told->notifications(0)));
                          }).value();
  EXPECT_EQ(suppressed->state, v1::Notification::SUPPRESSED);
  EXPECT_THAT(suppressed->attempts, IsEmpty());
}

TEST_F(Dispatches, ThereAreSoManyASecond) {
  TemporaryFolder folder;
  settings_.mails_per_second = 10;
  for (int i = 0; i < 3; ++i) {
    const data::Event event = MakeEvent();
    for (int j = 0; j < 10; ++j) NotifyOne(ann_, event, "bob@example.com");
  }
  const absl::Time begin = absl::Now();
  const auto dispatcher = StartWith([&] { return std::make_unique<FileTransport>(folder.path()); });
  ASSERT_TRUE(Eventually(
      [&] { return database_.Sql("select count(*)::text from parley.notifications where state = 'SENT'") == "30"; }));
  // Those of one second at once, and then one each tenth.
  EXPECT_GT(absl::Now() - begin, absl::Milliseconds(1900));
}

TEST_F(Dispatches, APoisonedRowIsNotSentAndKeepsNoOtherBack) {
  MailServer mailbox;
  const std::string id = event_.id.ToString();
  const data::Event good = MakeEvent();
  database_.Sql("update parley.events set title = 'Good' where event_id = '" + good.id.ToString() + "'");
  const std::string slots = "update parley.events set slots = ";
  const std::string of_event = " where event_id = '" + id + "'";
  const std::vector<std::string> poisons{
      "update parley.event_parties set local_part = E'bob@example.com>\\r\\nRCPT TO:<eve' where event_id = '" + id +
          "' and user_id = '" + bob_.id.ToString() + "'",
      "update parley.event_parties set local_part = E'bob\\r\\nBcc: eve@example.net\\r\\n' where event_id = '" + id +
          "' and user_id = '" + bob_.id.ToString() + "'",
      "update parley.event_parties set local_part = 'bob, eve' where event_id = '" + id + "' and user_id = '" +
          bob_.id.ToString() + "'",
      "update parley.event_parties set local_part = E'ann\\nx' where event_id = '" + id + "' and user_id = '" +
          ann_.id.ToString() + "'",
      "update parley.events set title = E'x\\r\\nBcc: eve@example.net' where event_id = '" + id + "'",
      "update parley.events set title = U&'x\\202Ey' where event_id = '" + id + "'",
      slots + "array['empty'::tstzrange]" + of_event,
      slots + "array[null::tstzrange]" + of_event,
      slots + "array[array[slots[1]], array[slots[1]]]" + of_event,
      slots + "array[tstzrange(null, '2033-01-01')]" + of_event,
      slots + "array[tstzrange('2033-01-01', 'infinity')]" + of_event,
      slots + "array[tstzrange('-infinity', '2033-01-01')]" + of_event,
      slots + "array[tstzrange('2033-01-01', '2043-01-01')]" + of_event,
      slots + "array[tstzrange('200000-01-01', '200000-01-02')]" + of_event,
      "update parley.event_parties set user_id = gen_random_uuid() where event_id = '" + id + "' and user_id = '" +
          bob_.id.ToString() + "'"};
  size_t failed = 0;
  limits_.max_daily_notifications = static_cast<int>(poisons.size());
  for (const std::string& poison : poisons) {
    NotifyOne(ann_, event_, "bob@example.com");
    database_.Sql(poison);
    NotifyOne(ann_, good, "bob@example.com");
    const auto dispatcher = StartSmtp(mailbox.url());
    ++failed;
    ASSERT_TRUE(Eventually([&] {
      return database_.Sql("select count(*)::text from parley.notifications where state = 'FAILED'") ==
             absl::StrCat(failed);
    })) << poison;
    for (const Notification& each : NotificationsOf(event_)) {
      ASSERT_THAT(each.attempts, SizeIs(1));
      EXPECT_EQ(each.attempts[0].outcome, Outcomes::REFUSED) << poison;
    }
    ASSERT_TRUE(Eventually([&] {
      return database_.Sql("select count(*)::text from parley.notifications where state = 'SENT'") ==
             absl::StrCat(failed);
    })) << poison;
    // As it was.
    database_.Sql("update parley.event_parties set user_id = '" + bob_.id.ToString() + "' where position = 1");
    database_.Sql(
        "update parley.event_parties p set local_part = u.local_part from parley.users u where u.user_id = p.user_id "
        "and p.event_id = '" +
        id + "'");
    database_.Sql(
        "update parley.events e set title = 'Picnic', slots = g.slots from parley.events g where g.event_id = '" +
        good.id.ToString() + "' and e.event_id = '" + id + "'");
  }
  // The good one's, each to its one recipient.
  ASSERT_THAT(mailbox.Mails(), SizeIs(failed));
  for (const std::string& mail : mailbox.Mails()) {
    EXPECT_THAT(mail, HasSubstr("\r\nSubject: Appointment: Good\r\n"));
    EXPECT_TRUE(mail.starts_with("X-MailFrom: parley@example.com\r\nX-RcptTo: Bob@example.com\r\nX-Connection: "));
    EXPECT_EQ(mail.find("\r\nTo: "), mail.rfind("\r\nTo: "));
  }
  EXPECT_THAT(tokens_.LivingKeys(), SizeIs(poisons.size()));
}

TEST_F(Dispatches, T7_AKeyThatWasAskedForIsMailed) {
  MailServer mailbox;
  const auto dispatcher = StartSmtp(mailbox.url());
  v1::RequestEmailTokenRequest request;
  request.mutable_party()->set_event(event_.name());
  request.mutable_party()->set_address("BOB@example.com");
  ASSERT_THAT(Run(&RequestEmailToken, AsNobody(), request), test::Succeeds());
  ASSERT_TRUE(Eventually([&] { return mailbox.Mails().size() == 1; }));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("To: Bob@example.com\r\n"));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("You asked for a new key for: Picnic"));
  ASSERT_THAT(tokens_.LivingKeys(), SizeIs(1));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("\n" + tokens_.LivingKeys()[0] + "\r"));
  ASSERT_TRUE(Reaches(v1::Notification::SENT));
}

TEST_F(Dispatches, T7_WithoutTheTokenServiceARequestStaysForLater) {
  MailServer mailbox;
  tokens_.FailFind(grpc::StatusCode::UNAVAILABLE);
  const auto dispatcher = StartSmtp(mailbox.url());
  v1::RequestEmailTokenRequest request;
  request.set_key(tokens_.MakeKeyOf(event_.id, bob_.id));
  ASSERT_THAT(Run(&RequestEmailToken, AsNobody(), request), test::Succeeds());
  ASSERT_TRUE(Eventually([&] { return tokens_.found() == 1; }));
  EXPECT_THAT(NotificationsOf(event_), IsEmpty());
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.email_token_requests"), "1");
  tokens_.FailFind(grpc::StatusCode::OK);
  // Its lease is up.
  database_.Sql("update parley.email_token_requests set next_attempt_time = now()");
  ASSERT_TRUE(Eventually([&] { return mailbox.Mails().size() == 1; }));
  EXPECT_EQ(database_.Sql("select count(*)::text from parley.email_token_requests"), "0");
}

}  // namespace
}  // namespace parley::notification
