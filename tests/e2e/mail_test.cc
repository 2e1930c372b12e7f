// What recipients get: links, calendars that fit together, and an end to it.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using event::v1::LogEntry;
using notification::v1::Notification;
using notification::v1::Suppression;
using ::testing::IsEmpty;

class MailTest : public E2eTest {
 protected:
  // What the mails to an address so far have made of a calendar, read by parsers that are not ours.
  static nlohmann::json CalendarOf(const std::string& address) {
    std::vector<std::string> command{"/usr/bin/python3", "-I", PARLEY_READ_CALENDAR};
    for (const std::string& file : system->MailFiles(address)) command.push_back(file);
    const test::Output output = test::Run(command);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    return nlohmann::json::parse(output.out, nullptr, false);
  }
  static void Tell(Client& client, const Event& event, const std::string& address, size_t number) {
    ASSERT_THAT(client.Call(&NotificationStub::NotifyParties, Notice(event, {address})), Succeeds());
    ASSERT_TRUE(Eventually([&] { return system->Mails(address).size() == number; }));
  }
  static std::vector<LogEntry> LogOf(Client& client, const Event& event) {
    event::v1::ListLogEntriesRequest request;
    request.set_parent(event.name());
    const auto log = client.Call(&Events::ListLogEntries, request);
    EXPECT_THAT(log, Succeeds());
    return {log->log_entries().begin(), log->log_entries().end()};
  }
};

TEST_F(MailTest, N7_ACalendarFollowsTheWholeNegotiation) {
  const std::string guest = "follows@example.org";
  Client member = Member("asks@example.com");
  ASSERT_OK_AND_ASSIGN(Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2), SlotIn(3)})));
  Tell(member, event, guest, 1);
  EXPECT_TRUE(CalendarOf(guest)["calendar"].empty());
  // One slot: tentative.
  ASSERT_OK_AND_ASSIGN(event, member.Call(&Events::UpdateEvent, Narrowed(event, {event.slots(0)})));
  Tell(member, event, guest, 2);
  auto left = CalendarOf(guest)["calendar"];
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0]["status"], "TENTATIVE");
  // Another one.
  ASSERT_OK_AND_ASSIGN(event, member.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(5)})));
  Tell(member, event, guest, 3);
  const auto moved = CalendarOf(guest)["calendar"];
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_NE(moved[0]["start"], left[0]["start"]);
  // Agreed.
  Client acting = system->As(MailedKey(guest, 2));
  ASSERT_OK_AND_ASSIGN(event, acting.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(event.state(), Event::AGREED);
  Tell(member, event, guest, 4);
  left = CalendarOf(guest)["calendar"];
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0]["status"], "CONFIRMED");
  EXPECT_EQ(left[0]["start"], moved[0]["start"]);
  // Reopened: Parley itself takes it back, once, in the name of who did it, and without a link.
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, Reopening(event)));
  ASSERT_TRUE(Eventually([&] { return system->Mails(guest).size() == 5; }));
  EXPECT_TRUE(CalendarOf(guest)["calendar"].empty());
  EXPECT_EQ(CalendarOf(guest)["mails"].back()["method"], "CANCEL");
  EXPECT_THAT(system->Mails(guest).back(), HasSubstr("Subject: Cancelled: "));
  EXPECT_THAT(system->Mails(guest).back(), Not(HasSubstr("parley_guest_")));
  const auto log = LogOf(member, event);
  EXPECT_EQ(log.back().occurrence(), LogEntry::NOTIFY);
  EXPECT_EQ(log.back().effector(), "asks@example.com");
  // The successor has an entry of its own; its deletion takes that back, and touches no other.
  ASSERT_OK_AND_ASSIGN(Event next, member.Call(&Events::UpdateEvent, Narrowed(successor, {SlotIn(7)})));
  Tell(member, next, guest, 6);
  ASSERT_EQ(CalendarOf(guest)["calendar"].size(), 1u);
  Client staff = Staff();
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(next)), Succeeds());
  ASSERT_TRUE(Eventually([&] { return system->Mails(guest).size() == 7; }));
  EXPECT_TRUE(CalendarOf(guest)["calendar"].empty());
  // Who made it was sent nothing at all.
  EXPECT_THAT(system->Mails("asks@example.com"), IsEmpty());
  // Also the log of a deleted event tells of it, and is what the event was made of (A6).
  EXPECT_EQ(LogOf(member, next).back().occurrence(), LogEntry::NOTIFY);
  EXPECT_EQ(LogOf(member, next).back().effector(), system->staff_address());
  // Staff see how it ended, though the event is gone.
  notification::v1::ListNotificationsRequest list;
  list.set_parent("events/-");
  list.set_state(Notification::SENT);
  ASSERT_OK_AND_ASSIGN(const auto listed, staff.Call(&NotificationStub::ListNotifications, list));
  EXPECT_EQ(listed.notifications(0).cause(), Notification::CANCEL_CALENDAR_ENTRY);
  EXPECT_EQ(listed.notifications(0).recipient(), guest);
}

TEST_F(MailTest, N7_AbandonedEventsAreTakenBackToo) {
  const std::string guest = "gives.up@example.org";
  Client member = Member("proposes.once@example.com");
  ASSERT_OK_AND_ASSIGN(Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2)})));
  Tell(member, event, guest, 1);
  ASSERT_EQ(CalendarOf(guest)["calendar"].size(), 1u);
  Client acting = system->As(MailedKey(guest, 0));
  auto emptying = Narrowed(event, {});
  emptying.mutable_update_mask()->add_paths("slots");
  ASSERT_OK_AND_ASSIGN(event, acting.Call(&Events::UpdateEvent, emptying));
  ASSERT_OK_AND_ASSIGN(event, member.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(event.state(), Event::ABANDONED);
  ASSERT_TRUE(Eventually([&] { return system->Mails(guest).size() == 2; }));
  EXPECT_TRUE(CalendarOf(guest)["calendar"].empty());
}

TEST_F(MailTest, WhoUnsubscribesGetsNoMoreMailUntilStaffLiftIt) {
  const std::string guest = "has.enough@example.org";
  Client member = Member("insists@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2), SlotIn(3)})));
  Tell(member, event, guest, 1);
  notification::v1::UnsubscribeRequest unsubscribe;
  unsubscribe.set_token(MailedUnsubscribeToken(guest, 0));
  Client nobody = system->As("");
  ASSERT_THAT(nobody.Call(&NotificationStub::Unsubscribe, unsubscribe), Succeeds());
  // It opens nothing else.
  EXPECT_THAT(system->As(unsubscribe.token()).Call(&Events::GetEvent, Named(event.name())),
              Fails(absl::StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  const auto told = member.Call(&NotificationStub::NotifyParties, Notice(event, {guest}));
  ASSERT_THAT(told, Succeeds());
  notification::v1::GetNotificationRequest get;
  get.set_name(told->notifications(0).name());
  ASSERT_TRUE(Eventually(
      [&] { return member.Call(&NotificationStub::GetNotification, get)->state() == Notification::SUPPRESSED; }));
  // Staff find it by the address, lift it and try again.
  Client staff = Staff();
  notification::v1::ListSuppressionsRequest list;
  list.set_address("Has.Enough@example.org");
  ASSERT_OK_AND_ASSIGN(const auto listed, staff.Call(&NotificationStub::ListSuppressions, list));
  ASSERT_EQ(listed.suppressions_size(), 1);
  EXPECT_EQ(listed.suppressions(0).reason(), Suppression::UNSUBSCRIBED);
  notification::v1::DeleteSuppressionRequest lift;
  lift.set_name(listed.suppressions(0).name());
  ASSERT_THAT(staff.Call(&NotificationStub::DeleteSuppression, lift), Succeeds());
  notification::v1::RetryNotificationRequest retry;
  retry.set_name(get.name());
  ASSERT_THAT(staff.Call(&NotificationStub::RetryNotification, retry), Succeeds());
  EXPECT_TRUE(Eventually([&] { return system->Mails(guest).size() == 2; }));
}

TEST_F(MailTest, N7_TheLinkHasTheKeyInItsFragment) {
  const std::string guest = "reads.links@example.org";
  Client member = Member("sends.links@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2)})));
  Tell(member, event, guest, 1);
  const std::string key = MailedKey(guest, 0);
  EXPECT_THAT(system->Mails(guest)[0],
              HasSubstr(absl::StrCat("\r\nhttps://parley.example/", event.name(), "#", key, "\r\n")));
  EXPECT_THAT(system->As(key).Call(&Events::GetEvent, Named(event.name())), Succeeds());
}

}  // namespace
}  // namespace parley::e2e
