#include "services/notification/ended_events.h"

#include <gmock/gmock.h>

#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Method = CalendarEntry::Method;
using Outcomes = v1::Notification::Attempt;

class EndedEvents : public World {
 protected:
  EndedEvents() { Set("slots = slots[1:1], revision = 4"); }

  void Set(const std::string& assignments) {
    database_.Sql(
        absl::StrCat("update parley.events set ", assignments, " where event_id = '", event_.id.ToString(), "'"));
  }

  // A mail to this party whose attempt has this outcome; what it did to the calendar.
  std::optional<Method> Mail(const std::string& recipient, Attempt::Outcome outcome) {
    NotifyOneNow(recipient);
    const Claimed claimed = ClaimDue();
    EXPECT_THAT(claimed.deliveries, SizeIs(1));
    const Delivery& delivery = claimed.deliveries.at(0);
    Record(delivery.notification, outcome,
           outcome == Outcomes::ACCEPTED ? v1::Notification::SENT : v1::Notification::FAILED);
    return delivery.calendar;
  }
  v1::Notification NotifyOneNow(const std::string& recipient) { return NotifyOneNow(ann_, recipient); }
  v1::Notification NotifyOneNow(const data::User& sender, const std::string& recipient) {
    v1::NotifyPartiesRequest request;
    request.set_event(event_.name());
    request.add_recipients(recipient);
    request.set_etag(
        database_.Sql("select revision::text from parley.events where event_id = '" + event_.id.ToString() + "'"));
    const auto told = Notify(CallOf(sender), request);
    EXPECT_THAT(told, test::Succeeds());
    return told->notifications(0);
  }

  // As the event service ends it.
  void End(const std::function<void(data::Event&, internal::data::v1::EntryData&)>& end) {
    Do([&](data::Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({event_.id}));
      data::Event& ended = locked.front();
      ++ended.last_sequence;
      internal::data::v1::EntryData data;
      end(ended, data);
      data::LogEntry entry =
          data::EntryOf(ended, event::v1::LogEntry::UPDATE, {bob_.id, Uuid::TimeOrdered(), staff_.id}, tx.now());
      data.set_email_token_id(entry.data.email_token_id());
      data.set_acted_by_id(entry.data.acted_by_id());
      entry.data = data;
      entry.with_event = true;
      PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append({entry}));
      ended.last_hash = hashes.front();
      return data::Events(tx).Save({ended});
    }).IgnoreError();
  }
  void Abandon() {
    End([](data::Event& event, auto& data) {
      event.state = event::v1::Event::ABANDONED;
      event.slots.clear();
      ++event.revision;
      data.set_closed(true);
      data.set_state(event.state);
    });
  }
  void Reopen() {
    End([](data::Event& event, auto& data) {
      event.successor_id = Uuid::TimeOrdered();
      data.set_successor_id(event.successor_id->ToBytes());
    });
  }
  void DeleteIt() {
    End([](data::Event& event, auto& data) {
      event.delete_time = absl::Now();
      ++event.revision;
      data.set_deleted(true);
    });
  }

  // All attempts that have ended are purged, as they are when they are old.
  void Forget() {
    Do([](data::Transaction& tx) {
      return Deliveries(tx).Purge(-absl::Minutes(1), absl::InfinitePast());
    }).IgnoreError();
    EXPECT_EQ(database_.Sql("select count(*)::text from parley.delivery_attempts"), "0");
  }

  // Of the one that is due; nothing where none is.
  std::optional<EndedEventWork> WorkOff() {
    const auto work = WorkOffEndedEvent(pool_, absl::Seconds(5));
    EXPECT_THAT(work, test::Succeeds());
    return work.value_or(std::nullopt);
  }
  // Of all that are due.
  std::vector<Notification> Cancel() {
    std::vector<Notification> made;
    while (const auto work = WorkOff()) {
      EXPECT_THAT(work->failed, test::Succeeds());
      made.insert(made.end(), work->made.begin(), work->made.end());
    }
    return made;
  }
  static std::vector<Uuid> RecipientsOf(const std::vector<Notification>& notifications) {
    std::vector<Uuid> recipients;
    for (const Notification& each : notifications) recipients.push_back(each.recipient_id);
    return recipients;
  }
  std::string Ended() { return database_.Sql("select count(*)::text from parley.ended_events"); }
  void EndedAreDue() { database_.Sql("update parley.ended_events set next_attempt_time = now()"); }

  const data::Event event_ = MakeEvent();
  const Uuid bobs_ = event_.parties[1].user_id;
  const Uuid cids_ = event_.parties[2].user_id;
};

TEST_F(EndedEvents, N7_EachPartyThatWasSentARequestIsSentACancelOnce) {
  const std::vector<std::pair<std::string, std::function<void()>>> ends{
      {"abandoned", [this] { Abandon(); }}, {"reopened", [this] { Reopen(); }}, {"deleted", [this] { DeleteIt(); }}};
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), Method::kTentative);
  const size_t entries = Log(event_).size();
  ends[0].second();
  const auto made = Cancel();
  ASSERT_THAT(RecipientsOf(made), ElementsAre(bobs_));
  EXPECT_EQ(made[0].cause, v1::Notification::CANCEL_CALENDAR_ENTRY);
  // In the name of who did it, who is the effector of the entry as well; the token he used was not used again.
  EXPECT_EQ(made[0].sender_id, bob_.id);
  const auto log = Log(event_);
  ASSERT_EQ(log.size(), entries + 2);
  EXPECT_EQ(log.back().occurrence, event::v1::LogEntry::NOTIFY);
  EXPECT_EQ(log.back().effector_id, bob_.id);
  EXPECT_EQ(log.back().data.acted_by_id(), staff_.id.ToBytes());
  EXPECT_EQ(log.back().data.email_token_id(), "");
  EXPECT_EQ(log.back().data.recipient_id(), bobs_.ToBytes());
  EXPECT_EQ(log.back().data.notification_id(), made[0].id.ToBytes());
  // Once, however often the event ends, and though it was not sent yet.
  EXPECT_THAT(Cancel(), IsEmpty());
  ends[1].second();
  ends[2].second();
  EXPECT_EQ(Ended(), "2");
  EXPECT_THAT(Cancel(), IsEmpty());
  EXPECT_EQ(Ended(), "0");
  const Claimed claimed = ClaimDue();
  ASSERT_THAT(claimed.deliveries, SizeIs(1));
  EXPECT_EQ(claimed.deliveries[0].notification.id, made[0].id);
  EXPECT_EQ(claimed.deliveries[0].calendar, Method::kCancel);
}

TEST_F(EndedEvents, N7_OfReopenedAndOfDeletedEventsToo) {
  for (const bool deleted : {false, true}) {
    database_.Sql("delete from parley.delivery_attempts; delete from parley.notifications;");
    Set("delete_time = null, successor_id = null");
    Mail("bob@example.com", Outcomes::ACCEPTED);
    deleted ? DeleteIt() : Reopen();
    EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(bobs_));
    // What is unsent of a deleted event is cancelled (E10), but not this.
    EXPECT_EQ(Do([&](data::Transaction& tx) { return Deliveries(tx).CancelUnsent(event_.id); })->cancelled, 0);
    const Claimed claimed = ClaimDue();
    ASSERT_THAT(claimed.deliveries, SizeIs(1));
    EXPECT_EQ(claimed.deliveries[0].calendar, Method::kCancel);
  }
}

TEST_F(EndedEvents, N7_WhoMayHaveBeenSentOneIsToldAndNobodyElse) {
  Mail("bob@example.com", Outcomes::UNKNOWN);
  Mail("cid@example.com", Outcomes::REFUSED);
  Mail("ann@example.com", Outcomes::DEFERRED);
  DeleteIt();
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(bobs_));
}

TEST_F(EndedEvents, N7_NobodyIsToldOfAnEventWithoutCalendarEntries) {
  Set("slots = array[slots[1], tstzrange('2033-06-01 10:00Z', '2033-06-01 11:00Z')]");
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), std::nullopt);
  const size_t entries = Log(event_).size();
  DeleteIt();
  EXPECT_THAT(Cancel(), IsEmpty());
  EXPECT_EQ(Ended(), "0");
  EXPECT_EQ(Log(event_).size(), entries + 1);
}

TEST_F(EndedEvents, N7_WithSeveralSlotsAgainTheNextMailTakesItBack) {
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), Method::kTentative);
  Set("slots = array[slots[1], tstzrange('2033-06-01 10:00Z', '2033-06-01 11:00Z')], revision = revision + 1");
  // Whoever has none is sent none.
  EXPECT_EQ(Mail("cid@example.com", Outcomes::ACCEPTED), std::nullopt);
  // Until one is accepted.
  EXPECT_EQ(Mail("bob@example.com", Outcomes::DEFERRED), Method::kCancel);
  Set("slots = '{}', revision = revision + 1");
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), Method::kCancel);
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), std::nullopt);
  // A new one: then there is something to take back again.
  Set("slots = array[tstzrange('2033-06-01 10:00Z', '2033-06-01 11:00Z')], state = 'AGREED', revision = revision + 1");
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), Method::kAgreed);
  Reopen();
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(bobs_));
}

TEST_F(EndedEvents, N7_WhatMailsDidToCalendarsOutlivesTheirAttempts) {
  const auto mail = [this](const std::string& recipient, Attempt::Outcome outcome) {
    const auto method = Mail(recipient, outcome);
    Forget();
    return method;
  };
  EXPECT_EQ(mail("bob@example.com", Outcomes::UNKNOWN), Method::kTentative);
  EXPECT_EQ(mail("cid@example.com", Outcomes::ACCEPTED), Method::kTentative);
  EXPECT_EQ(mail("ann@example.com", Outcomes::REFUSED), Method::kTentative);
  // What is taken back, and what only was to be.
  Set("slots = array[slots[1], tstzrange('2033-06-01 10:00Z', '2033-06-01 11:00Z')], revision = revision + 1");
  EXPECT_EQ(mail("ann@example.com", Outcomes::ACCEPTED), std::nullopt);
  EXPECT_EQ(mail("bob@example.com", Outcomes::DEFERRED), Method::kCancel);
  EXPECT_EQ(mail("bob@example.com", Outcomes::ACCEPTED), Method::kCancel);
  EXPECT_EQ(mail("bob@example.com", Outcomes::ACCEPTED), std::nullopt);
  DeleteIt();
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(cids_));
}

TEST_F(EndedEvents, N7_AfterTheEndOtherMailsCarryNoCalendar) {
  Set("state = 'AGREED'");
  Mail("bob@example.com", Outcomes::ACCEPTED);
  Reopen();
  // Of a closed event parties may be told (A4).
  EXPECT_EQ(Mail("bob@example.com", Outcomes::ACCEPTED), std::nullopt);
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(bobs_));
}

TEST_F(EndedEvents, N7_TheSequenceRisesAlsoWithoutANewRevision) {
  Set("state = 'AGREED'");
  Mail("bob@example.com", Outcomes::ACCEPTED);
  Reopen();
  Cancel();
  ClaimDue();
  EXPECT_EQ(database_.Sql("select string_agg(calendar_method || ' ' || calendar_sequence, ', ' order by "
                          "calendar_sequence) from parley.delivery_attempts"),
            "REQUEST 8, CANCEL 9");
}

TEST_F(EndedEvents, N7_AMailThatIsUnderWayIsWaitedFor) {
  NotifyOneNow("bob@example.com");
  NotifyOneNow("cid@example.com");
  const Claimed claimed = ClaimDue();
  ASSERT_THAT(claimed.deliveries, SizeIs(2));
  DeleteIt();
  EXPECT_THAT(Cancel(), IsEmpty());
  EXPECT_EQ(Ended(), "1");
  // Not before a while.
  EXPECT_EQ(database_.Sql("select (next_attempt_time > now())::text from parley.ended_events"), "true");
  Record(claimed.deliveries[0].notification, Outcomes::ACCEPTED, v1::Notification::SENT);
  EndedAreDue();
  EXPECT_THAT(Cancel(), IsEmpty());
  Record(claimed.deliveries[1].notification, Outcomes::DEFERRED, v1::Notification::PENDING);
  EndedAreDue();
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(claimed.deliveries[0].notification.recipient_id));
}

TEST_F(EndedEvents, N7_TwoAtOnceMakeOneEach) {
  Mail("bob@example.com", Outcomes::ACCEPTED);
  Mail("cid@example.com", Outcomes::ACCEPTED);
  DeleteIt();
  std::vector<std::vector<Notification>> made(4);
  AtOnce(4, [&](int i) { made[static_cast<size_t>(i)] = Cancel(); });
  std::vector<Uuid> all;
  for (const auto& each : made) {
    for (const Uuid& recipient : RecipientsOf(each)) all.push_back(recipient);
  }
  EXPECT_THAT(all, UnorderedElementsAre(bobs_, cids_));
}

TEST_F(EndedEvents, N7_ABrokenOneKeepsNoOtherWaiting) {
  // The oldest three: of an event that there is not, of an entry that there is not, and of one that cannot be read.
  const std::string nobodys = Uuid::TimeOrdered().ToString();
  const std::string unreadable = MakeEvent().id.ToString();
  database_.Sql("insert into parley.ended_events values ('" + nobodys + "', 3, now() - interval '3 days'), ('" +
                event_.id.ToString() + "', 999, now() - interval '2 days'), ('" + unreadable +
                "', 8, now() - interval '1 day')");
  database_.Sql("insert into parley.log_entries values ('" + unreadable + "', 8, now(), 'UPDATE', '" +
                ann_.id.ToString() + "', 4, '{}', '\\xff', '', '')");
  Mail("bob@example.com", Outcomes::ACCEPTED);
  DeleteIt();
  EXPECT_EQ(WorkOff()->failed.message(), "there is no events/" + nobodys + " with an entry 3");
  EXPECT_EQ(WorkOff()->failed.message(), "there is no events/" + event_.id.ToString() + " with an entry 999");
  EXPECT_FALSE(WorkOff()->failed.ok());
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(bobs_));
  // They stay, for a while.
  EXPECT_FALSE(WorkOff());
  EXPECT_EQ(Ended(), "3");
}

TEST_F(EndedEvents, N7_EventsWithoutEntriesAreDoneAtOnce) {
  DeleteIt();
  EXPECT_TRUE(WorkOff()) << "so that whoever asks goes on";
  EXPECT_FALSE(WorkOff());
}

TEST_F(EndedEvents, N8_CountTowardsNoLimit) {
  limits_.max_daily_notifications = 1;
  limits_.max_daily_recipients = 1;
  Mail("cid@example.com", Outcomes::ACCEPTED);
  Set("state = 'AGREED'");
  Reopen();
  EXPECT_THAT(RecipientsOf(Cancel()), ElementsAre(cids_));
  TimePasses("2 days");
  database_.Sql("update parley.notifications set create_time = now() where cause = 'CANCEL_CALENDAR_ENTRY'");
  ClaimDue();
  // To the same recipient; and to another one by who ended the event, in whose name it was.
  NotifyOneNow("cid@example.com");
  NotifyOneNow(bob_, "ann@example.com");
}

TEST_F(EndedEvents, E10_WhatIsUnsentOfADeletedEventIsCancelled) {
  const data::Event other = MakeEvent();
  // One that waits for a retry, one that is due, and others.
  NotifyOneNow("bob@example.com");
  Record(*ClaimOne(), Outcomes::DEFERRED, v1::Notification::PENDING, "451 later", absl::Hours(1));
  NotifyOneNow("bob@example.com");
  std::map<std::string, v1::Notification> ended;
  for (const std::string state : {"SENT", "FAILED", "SUPPRESSED"}) {
    ended[state] = NotifyOneNow("cid@example.com");
    SetState(ended[state], state);
  }
  NotifyOne(ann_, other, "bob@example.com");
  EXPECT_FALSE(WorkOff());
  DeleteIt();
  EXPECT_EQ(WorkOff()->cancelled, 2);
  EXPECT_EQ(Ended(), "0");
  std::map<std::string, int> states;
  for (const Notification& each : NotificationsOf(event_)) ++states[v1::Notification::State_Name(each.state)];
  EXPECT_EQ(states, (std::map<std::string, int>{{"CANCELLED", 2}, {"SENT", 1}, {"FAILED", 1}, {"SUPPRESSED", 1}}));
  EXPECT_EQ(NotificationsOf(other)[0].state, v1::Notification::PENDING);
}

TEST_F(EndedEvents, E10_OfOneThatIsNotDeletedNothingIsCancelled) {
  NotifyOneNow("bob@example.com");
  Abandon();
  EXPECT_EQ(WorkOff()->cancelled, 0);
  EXPECT_EQ(NotificationsOf(event_)[0].state, v1::Notification::PENDING);
}

TEST_F(EndedEvents, E10_WhatIsBeingSentIsWaitedFor) {
  NotifyOneNow("bob@example.com");
  const auto sent = ClaimOne();
  NotifyOneNow("cid@example.com");
  const auto deferred = ClaimOne();
  NotifyOneNow("ann@example.com");
  const auto lost = ClaimOne();
  DeleteIt();
  EXPECT_EQ(WorkOff()->cancelled, 0);
  EXPECT_EQ(Ended(), "1") << "it is looked at again";
  Record(*sent, Outcomes::ACCEPTED, v1::Notification::SENT);
  Record(*deferred, Outcomes::DEFERRED, v1::Notification::PENDING, "451 later", absl::Hours(1));
  EndedAreDue();
  EXPECT_EQ(WorkOff()->cancelled, 1);
  EXPECT_EQ(Ended(), "1");
  // Its lease is up: nobody knows.
  MakeDue();
  EndedAreDue();
  EXPECT_EQ(WorkOff()->cancelled, 1);
  EXPECT_EQ(Ended(), "0");
  std::map<Uuid, Notification> left;
  for (const Notification& each : NotificationsOf(event_)) left[each.id] = each;
  EXPECT_EQ(left.at(sent->id).state, v1::Notification::SENT);
  EXPECT_EQ(left.at(deferred->id).state, v1::Notification::CANCELLED);
  EXPECT_EQ(left.at(lost->id).state, v1::Notification::CANCELLED);
  EXPECT_EQ(left.at(lost->id).attempts[0].outcome, Outcomes::UNKNOWN);
}

TEST_F(EndedEvents, E10_ItWaitsForNobody) {
  NotifyOneNow("bob@example.com");
  DeleteIt();
  Do([&](data::Transaction& tx) -> absl::Status {
    PARLEY_RETURN_IF_ERROR(Notifications(tx).Lock(event_.id, NotificationsOf(event_)[0].id).status());
    EXPECT_EQ(WorkOff()->cancelled, 0);
    return absl::OkStatus();
  }).IgnoreError();
  EndedAreDue();
  EXPECT_EQ(WorkOff()->cancelled, 1);
}

}  // namespace
}  // namespace parley::notification
