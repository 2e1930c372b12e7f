// The main job: a negotiation from the proposal to the agreement and its log, through the gateway.
#include <regex>

#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using ::testing::SizeIs;

using NegotiationTest = E2eTest;

MATCHER_P(HasSlots, slots, "") {
  return std::equal(arg.slots().begin(), arg.slots().end(), slots.begin(), slots.end(),
                    [](const Slot& a, const Slot& b) { return a.SerializeAsString() == b.SerializeAsString(); });
}

TEST_F(NegotiationTest, FromTheProposalToTheAgreementAndItsLog) {
  const std::string member_address = "Ada.Lovelace@example.com";
  const std::string partner_address = "partner@example.net";
  const std::string guest_address = "guest@example.org";
  Client staff = system->As(system->staff_key());
  Client member = system->As(system->MakeMember(member_address));
  Client partner = system->As(system->MakeMember(partner_address));
  const std::vector<Slot> slots = {SlotIn(7), SlotIn(8), SlotIn(9)};

  // 1. A member proposes three slots to two others, one of them unknown, and gives no title.
  auto proposal = Proposal({guest_address, partner_address}, slots);
  proposal.mutable_event()->set_time_zone("Europe/Berlin");
  ASSERT_OK_AND_ASSIGN(const Event created, member.Call(&Events::CreateEvent, proposal));
  EXPECT_EQ(created.state(), Event::OPEN);
  EXPECT_EQ(created.revision(), 1);
  EXPECT_EQ(created.initiator(), member_address);
  EXPECT_TRUE(std::regex_match(created.title(), std::regex("[A-Za-z]{5}"))) << created.title();  // E4
  EXPECT_THAT(created, HasSlots(slots));
  ASSERT_THAT(created.parties(), SizeIs(3));
  EXPECT_EQ(created.parties(2).address(), member_address);         // E2
  EXPECT_THAT(ConfirmedIn(created), ElementsAre(member_address));  // A1

  // 2. She notifies both: two mails arrive at the mail server.
  auto notice = Notice(created, {guest_address, partner_address});
  notice.mutable_slots()->mutable_slots()->Add(slots.begin(), slots.end());
  ASSERT_OK_AND_ASSIGN(const auto notified, member.Call(&NotificationStub::NotifyParties, notice));
  ASSERT_THAT(notified.notifications(), SizeIs(2));  // N4
  EXPECT_EQ(notified.notifications(0).recipient(), guest_address);
  EXPECT_EQ(notified.notifications(0).sender(), member_address);  // N3
  EXPECT_EQ(notified.notifications(1).recipient(), partner_address);
  const std::string guest_key = MailedKey(guest_address, 0);
  ASSERT_NE(guest_key, "");
  const std::string partner_token = MailedKey(partner_address, 0);
  EXPECT_NE(partner_token, "");
  EXPECT_NE(partner_token, guest_key);
  EXPECT_THAT(system->Mails(guest_address)[0], HasSubstr(created.title()));
  EXPECT_THAT(system->Mails(guest_address)[0], HasSubstr(member_address));
  EXPECT_TRUE(Eventually([&] {  // N5
    notification::v1::ListNotificationsRequest list;
    list.set_parent(created.name());
    const auto listed = member.Call(&NotificationStub::ListNotifications, list);
    return listed.ok() && listed->notifications_size() == 2 && listed->notifications(0).state() == Notification::SENT &&
           listed->notifications(1).state() == Notification::SENT;
  }));

  // 3. The guest uses the key from his mail: views, narrows to two slots, notifies.
  Client guest = system->As(guest_key);
  ASSERT_OK_AND_ASSIGN(const Event viewed, guest.Call(&Events::GetEvent, Named(created.name())));
  EXPECT_THAT(viewed, HasSlots(slots));
  EXPECT_THAT(ConfirmedIn(viewed), ElementsAre(member_address));  // A2: nothing is confirmed by viewing
  const std::vector<Slot> two = {slots[0], slots[1]};
  ASSERT_OK_AND_ASSIGN(const Event narrowed, guest.Call(&Events::UpdateEvent, Narrowed(viewed, two)));
  EXPECT_THAT(narrowed, HasSlots(two));
  EXPECT_EQ(narrowed.revision(), 2);
  EXPECT_NE(narrowed.etag(), viewed.etag());                       // E8
  EXPECT_THAT(ConfirmedIn(narrowed), ElementsAre(guest_address));  // A1
  ASSERT_THAT(guest.Call(&NotificationStub::NotifyParties, Notice(narrowed, {member_address, partner_address})),
              Succeeds());
  EXPECT_TRUE(Eventually([&] { return system->Mails(member_address).size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return system->Mails(partner_address).size() == 2; }));

  // 4. The other party narrows to one. A call with a stale etag is refused, and changes nothing (E8).
  const std::vector<Slot> one = {slots[1]};
  ASSERT_OK_AND_ASSIGN(const Event seen, partner.Call(&Events::GetEvent, Named(created.name())));
  ASSERT_OK_AND_ASSIGN(const Event single, partner.Call(&Events::UpdateEvent, Narrowed(seen, one)));
  EXPECT_THAT(single, HasSlots(one));
  EXPECT_EQ(single.state(), Event::OPEN);
  const auto stale = guest.Call(&Events::ConfirmEvent, Confirmation(narrowed));
  EXPECT_THAT(stale, Fails(absl::StatusCode::kAborted, Reason::ETAG_MISMATCH));
  EXPECT_EQ(InfoOf(stale.status(), "etag"), single.etag());
  EXPECT_THAT(guest.Call(&NotificationStub::NotifyParties, Notice(narrowed, {member_address})),  // N1
              Fails(absl::StatusCode::kAborted, Reason::ETAG_MISMATCH));

  // 5. Both others confirm: the event is agreed (A3), and changes no more (A4).
  ASSERT_OK_AND_ASSIGN(const Event confirmed, member.Call(&Events::ConfirmEvent, Confirmation(single)));
  EXPECT_EQ(confirmed.state(), Event::OPEN);
  EXPECT_EQ(confirmed.etag(), single.etag());
  ASSERT_OK_AND_ASSIGN(const Event agreed, guest.Call(&Events::ConfirmEvent, Confirmation(confirmed)));
  EXPECT_EQ(agreed.state(), Event::AGREED);
  EXPECT_THAT(agreed, HasSlots(one));
  EXPECT_EQ(agreed.revision(), 4);
  EXPECT_THAT(ConfirmedIn(agreed), ElementsAre(guest_address, partner_address, member_address));
  const auto late = member.Call(&Events::UpdateEvent, Narrowed(agreed, slots));
  EXPECT_THAT(late, Fails(absl::StatusCode::kFailedPrecondition, Reason::EVENT_CLOSED));
  EXPECT_EQ(InfoOf(late.status(), "state"), "AGREED");

  // 6. The log: who, what, which slots; without gaps (L2).
  struct Step {
    std::string effector;
    LogEntry::Occurrence occurrence;
    std::vector<Slot> slots;
    int64_t revision;
  };
  const std::vector<Step> steps = {
      {member_address, LogEntry::UPDATE, slots, 1}, {member_address, LogEntry::NOTIFY, slots, 1},
      {member_address, LogEntry::NOTIFY, slots, 1}, {guest_address, LogEntry::VIEW, slots, 1},
      {guest_address, LogEntry::UPDATE, two, 2},    {guest_address, LogEntry::NOTIFY, two, 2},
      {guest_address, LogEntry::NOTIFY, two, 2},    {partner_address, LogEntry::VIEW, two, 2},
      {partner_address, LogEntry::UPDATE, one, 3},  {member_address, LogEntry::UPDATE, one, 3},
      {guest_address, LogEntry::UPDATE, one, 4}};
  const std::vector<LogEntry> log = LogOf(member, created.name());
  ASSERT_THAT(log, SizeIs(steps.size()));
  std::set<std::string> tokens;
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(log[i].ShortDebugString());
    EXPECT_EQ(log[i].sequence(), static_cast<int64_t>(i) + 1);
    EXPECT_EQ(log[i].name(), created.name() + "/logEntries/" + std::to_string(i + 1));
    EXPECT_EQ(log[i].effector(), steps[i].effector);
    EXPECT_EQ(log[i].occurrence(), steps[i].occurrence);
    EXPECT_EQ(log[i].revision(), steps[i].revision);
    EXPECT_THAT(log[i], HasSlots(steps[i].slots));
    // The guest acted by his e-mail token, always the same; the others by keys of their own.
    const bool by_guest = steps[i].effector == guest_address;
    EXPECT_EQ(!log[i].data().email_token().empty(), by_guest);
    if (by_guest) tokens.insert(log[i].data().email_token());
    EXPECT_EQ(log[i].data().acted_by(), "");
  }
  EXPECT_THAT(tokens, ElementsAre(HasSubstr(created.name() + "/emailTokens/")));
  EXPECT_EQ(log[0].data().opened().title(), created.title());
  EXPECT_EQ(log[0].data().opened().time_zone(), "Europe/Berlin");
  EXPECT_THAT(log[0].data().opened().parties(), ElementsAre(guest_address, partner_address, member_address));
  EXPECT_THAT((std::vector{log[1].data().recipient(), log[2].data().recipient()}),
              UnorderedElementsAre(guest_address, partner_address));
  EXPECT_THAT((std::vector{log[5].data().recipient(), log[6].data().recipient()}),
              UnorderedElementsAre(member_address, partner_address));
  EXPECT_EQ(log[5].data().sender(), guest_address);
  EXPECT_TRUE(log[4].data().slots_changed());
  EXPECT_TRUE(log[9].data().affirmed());
  EXPECT_FALSE(log[9].data().closed());
  EXPECT_TRUE(log[10].data().closed());
  EXPECT_EQ(log[10].data().state(), Event::AGREED);

  // 7. Staff delete the event (E10): its log is still there (L4), the guest's key is dead within a second (T5).
  EXPECT_THAT(member.Call(&Events::DeleteEvent, Deletion(agreed)),
              Fails(absl::StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(agreed)), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {[&] { return guest.Call(&Events::GetEvent, Named(created.name())).status(); }}),
            absl::Seconds(1));
  EXPECT_THAT(guest.Call(&Events::GetEvent, Named(created.name())),
              Fails(absl::StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(created.name())),
              Fails(absl::StatusCode::kNotFound, Reason::NOT_FOUND));
  const std::vector<LogEntry> after = LogOf(member, created.name());
  ASSERT_THAT(after, SizeIs(steps.size() + 1));
  EXPECT_TRUE(after.back().data().deleted());
  EXPECT_EQ(after.back().effector(), system->staff_address());
}

TEST_F(NegotiationTest, N5_OneRecipientsFailureTouchesNoOther) {
  Client member = system->As(system->MakeMember("sender@example.com"));
  ASSERT_OK_AND_ASSIGN(
      const Event event,
      member.Call(
          &Events::CreateEvent,
          Proposal({"refuse.this@example.org", "defer.this@example.org", "takes.this@example.org"}, {SlotIn(3)})));
  ASSERT_OK_AND_ASSIGN(
      const auto notified,
      member.Call(&NotificationStub::NotifyParties,
                  Notice(event, {"refuse.this@example.org", "defer.this@example.org", "takes.this@example.org"})));
  ASSERT_THAT(notified.notifications(), SizeIs(3));
  // As it is once its first attempt has an end.
  const auto attempted = [&](int i) {
    notification::v1::GetNotificationRequest get;
    get.set_name(notified.notifications(i).name());
    absl::StatusOr<Notification> read;
    EXPECT_TRUE(Eventually([&] {
      read = member.Call(&NotificationStub::GetNotification, get);
      return read.ok() && read->attempts_size() > 0 && read->attempts(0).has_end_time();
    }));
    return read.ok() ? *read : Notification();
  };
  const Notification refused = attempted(0);
  ASSERT_THAT(refused.attempts(), SizeIs(1));
  EXPECT_EQ(refused.state(), Notification::FAILED);
  EXPECT_EQ(refused.attempts(0).outcome(), Notification::Attempt::REFUSED);
  EXPECT_THAT(refused.attempts(0).detail(), HasSubstr("550"));
  const Notification deferred = attempted(1);
  ASSERT_FALSE(deferred.attempts().empty());
  EXPECT_EQ(deferred.state(), Notification::PENDING);
  EXPECT_EQ(deferred.attempts(0).outcome(), Notification::Attempt::DEFERRED);
  EXPECT_THAT(deferred.attempts(0).detail(), HasSubstr("451"));
  const Notification sent = attempted(2);
  ASSERT_THAT(sent.attempts(), SizeIs(1));
  EXPECT_EQ(sent.state(), Notification::SENT);
  EXPECT_EQ(sent.attempts(0).outcome(), Notification::Attempt::ACCEPTED);
  EXPECT_THAT(system->Mails("takes.this@example.org"), SizeIs(1));
}

TEST(FileTransportTest, WritesMailsThatOnlyItsUserCanRead) {
  const TestDatabase database;
  System system({database.service_url(), {{"notification", {{"transport", "file"}}}}});
  system.Start();
  Client member = system.As(system.MakeMember("member@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event,
                       member.Call(&Events::CreateEvent, Proposal({"guest@example.org"}, {SlotIn(3)})));
  ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {"guest@example.org"})), Succeeds());
  std::filesystem::path mail;
  ASSERT_TRUE(Eventually([&] {
    for (const auto& entry : std::filesystem::directory_iterator(system.mail_folder())) {
      if (entry.path().filename().string().front() != '.') mail = entry.path();
    }
    return !mail.empty();
  }));
  EXPECT_EQ(mail.extension(), ".eml");
  EXPECT_EQ(std::filesystem::status(mail).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_THAT(test::Content(mail), HasSubstr("To: guest@example.org"));
  ExpectGoodEnd(system, database);
}

}  // namespace
}  // namespace parley::e2e
