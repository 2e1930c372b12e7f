// ReopenEvent (A5), and past revisions (E11), through the gateway.
#include <future>

#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;
using ::testing::SizeIs;

using ReopenTest = E2eTest;

std::vector<std::string> AddressesIn(const Event& event) {
  std::vector<std::string> addresses;
  for (const auto& party : event.parties()) addresses.push_back(party.address());
  return addresses;
}

std::string SlotsIn(const Event& event) {
  std::string text;
  for (const Slot& slot : event.slots()) text += slot.ShortDebugString() + "\n";
  return text;
}

event::v1::GetEventRequest Revision(const std::string& event, int64_t revision) {
  event::v1::GetEventRequest request = Named(event);
  request.set_revision(revision);
  return request;
}

TEST_F(ReopenTest, A5_AnOpenEventIsSupersededAndBothNameEachOther) {
  Client member = Member("reopens@example.com");
  auto proposal = Proposal({"second@example.org"}, {SlotIn(2), SlotIn(3)});
  proposal.mutable_event()->set_title("Chess");
  proposal.mutable_event()->set_time_zone("Europe/Berlin");
  proposal.mutable_event()->mutable_agreement_policy()->set_quorum(event::v1::AgreementPolicy::ALL_BUT_ONE);
  ASSERT_OK_AND_ASSIGN(const Event old, member.Call(&Events::CreateEvent, proposal));
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, Reopening(old)));

  EXPECT_NE(successor.name(), old.name());
  EXPECT_EQ(successor.predecessor(), old.name());
  EXPECT_EQ(successor.successor(), "");
  EXPECT_EQ(successor.state(), Event::OPEN);
  EXPECT_EQ(successor.revision(), 1);
  EXPECT_EQ(successor.title(), "Chess");
  EXPECT_EQ(successor.time_zone(), "Europe/Berlin");
  EXPECT_EQ(successor.agreement_policy().quorum(), event::v1::AgreementPolicy::ALL_BUT_ONE);
  EXPECT_EQ(SlotsIn(successor), SlotsIn(old));
  EXPECT_EQ(AddressesIn(successor), AddressesIn(old));
  EXPECT_THAT(ConfirmedIn(successor), ElementsAre("reopens@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event left, member.Call(&Events::GetEvent, Named(old.name())));
  EXPECT_EQ(left.state(), Event::SUPERSEDED);
  EXPECT_EQ(left.revision(), 2);
  EXPECT_EQ(left.successor(), successor.name());
  EXPECT_EQ(left.predecessor(), "");

  // L1: one entry on each.
  const auto old_log = LogOf(member, old.name());
  ASSERT_THAT(old_log, SizeIs(3));
  EXPECT_EQ(old_log[1].occurrence(), LogEntry::UPDATE);
  EXPECT_EQ(old_log[1].data().successor(), successor.name());
  EXPECT_TRUE(old_log[1].data().closed());
  EXPECT_EQ(old_log[1].data().state(), Event::SUPERSEDED);
  EXPECT_EQ(old_log[1].revision(), 2);
  const auto new_log = LogOf(member, successor.name());
  ASSERT_THAT(new_log, SizeIs(1));
  EXPECT_EQ(new_log[0].data().predecessor(), old.name());
  EXPECT_EQ(new_log[0].data().opened().title(), "Chess");

  // A4, and at most one successor: with the old etag, the new one, and by staff.
  EXPECT_THAT(member.Call(&Events::UpdateEvent, Narrowed(left, {SlotIn(5)})),
              Fails(StatusCode::kFailedPrecondition, Reason::EVENT_CLOSED));
  for (const Event& seen : {old, left}) {
    for (Client client : {member, Staff()}) {
      const auto again = client.Call(&Events::ReopenEvent, Reopening(seen));
      EXPECT_THAT(again, Fails(StatusCode::kFailedPrecondition, Reason::EVENT_REOPENED));
      EXPECT_EQ(InfoOf(again.status(), "successor"), successor.name());
    }
  }
  EXPECT_THAT(LogOf(member, old.name()), SizeIs(3));
  // The successor may have one in its turn.
  ASSERT_OK_AND_ASSIGN(const Event third, member.Call(&Events::ReopenEvent, Reopening(successor)));
  EXPECT_EQ(third.predecessor(), successor.name());
}

TEST_F(ReopenTest, A5_AClosedEventKeepsStateAndRevision) {
  Client member = Member("agrees@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event agreed, member.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(agreed.state(), Event::AGREED);
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, Reopening(agreed)));
  EXPECT_EQ(successor.state(), Event::OPEN) << "A3: reopening closes nothing by itself";
  EXPECT_THAT(ConfirmedIn(successor), ElementsAre("agrees@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event left, member.Call(&Events::GetEvent, Named(event.name())));
  EXPECT_EQ(left.state(), Event::AGREED);
  EXPECT_EQ(left.revision(), agreed.revision());
  EXPECT_EQ(left.etag(), agreed.etag());
  EXPECT_EQ(left.successor(), successor.name());
  const auto log = LogOf(member, event.name());
  ASSERT_THAT(log, SizeIs(4));
  EXPECT_EQ(log[2].data().successor(), successor.name());
  EXPECT_FALSE(log[2].data().closed());
  // The same of one that was abandoned.
  auto emptied = Narrowed(successor, {});
  emptied.mutable_update_mask()->add_paths("slots");
  ASSERT_OK_AND_ASSIGN(const Event abandoned, member.Call(&Events::UpdateEvent, emptied));
  ASSERT_EQ(abandoned.state(), Event::ABANDONED);
  auto reopening = Reopening(abandoned);
  *reopening.mutable_slots()->add_slots() = SlotIn(4);
  ASSERT_OK_AND_ASSIGN(const Event third, member.Call(&Events::ReopenEvent, reopening));
  EXPECT_THAT(third.slots(), SizeIs(1));
  EXPECT_EQ(member.Call(&Events::GetEvent, Named(successor.name()))->state(), Event::ABANDONED);
}

TEST_F(ReopenTest, A5_E2_OtherPartiesAndSlots) {
  Client member = Member("changes.parties@example.com");
  ASSERT_OK_AND_ASSIGN(const Event old,
                       member.Call(&Events::CreateEvent, Proposal({"leaves@example.org"}, {SlotIn(2), SlotIn(3)})));
  auto reopening = Reopening(old);
  for (const char* address : {"comes@example.org", "Comes@Example.org", "fourth@example.org"}) {
    reopening.add_parties()->set_address(address);
  }
  *reopening.mutable_slots()->add_slots() = old.slots(1);
  *reopening.mutable_slots()->add_slots() = SlotIn(4);
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, reopening));
  EXPECT_THAT(AddressesIn(successor),
              ElementsAre("comes@example.org", "fourth@example.org", "changes.parties@example.com"));
  EXPECT_THAT(successor.slots(), SizeIs(2));
  EXPECT_EQ(successor.slots(0).ShortDebugString(), old.slots(1).ShortDebugString());

  // Staff are not added, and confirm nothing.
  ASSERT_OK_AND_ASSIGN(const Event second, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  reopening.set_name(second.name());
  reopening.set_etag(second.etag());
  ASSERT_OK_AND_ASSIGN(const Event by_staff, Staff().Call(&Events::ReopenEvent, reopening));
  EXPECT_THAT(AddressesIn(by_staff), ElementsAre("comes@example.org", "fourth@example.org"));
  EXPECT_THAT(ConfirmedIn(by_staff), IsEmpty());
  EXPECT_EQ(by_staff.initiator(), system->staff_address());
  // Who is no party any more sees the old one alone.
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(by_staff.name())),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(second.name())), Succeeds());
}

TEST_F(ReopenTest, A5_E6_CopiedSlotsMayHaveEndedAddedOnesMayNot) {
  Client member = Member("ended@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2), SlotIn(3)})));
  // Time passes.
  database->Sql(
      "update parley.events set slots = array(select tstzrange(lower(s) - interval '10 days', upper(s) - "
      "interval '10 days') from unnest(slots) s) where event_id = '" +
      event.name().substr(7) + "'");
  ASSERT_OK_AND_ASSIGN(const Event old, member.Call(&Events::GetEvent, Named(event.name())));
  auto reopening = Reopening(old);
  *reopening.mutable_slots()->add_slots() = old.slots(0);
  *reopening.mutable_slots()->add_slots() = SlotIn(-4);
  const auto refused = member.Call(&Events::ReopenEvent, reopening);
  ASSERT_THAT(refused, Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  EXPECT_NE(InfoOf(refused.status(), "slots.slots[1]"), "");
  EXPECT_EQ(InfoOf(refused.status(), "slots.slots[0]"), "");
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, Reopening(old)));
  EXPECT_EQ(SlotsIn(successor), SlotsIn(old));
}

TEST_F(ReopenTest, A5_OfManyWhoReopenAtOnceOneDoes) {
  const std::string key = system->MakeMember("races@example.com");
  Client member = system->As(key);
  ASSERT_OK_AND_ASSIGN(const Event old,
                       member.Call(&Events::CreateEvent, Proposal({"second@example.org"}, {SlotIn(2)})));
  std::vector<std::future<absl::StatusOr<Event>>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(std::async(std::launch::async, [client = system->As(key), &old]() mutable {
      return client.Call(&Events::ReopenEvent, Reopening(old));
    }));
  }
  std::string successor;
  std::set<std::string> named;
  for (auto& call : calls) {
    const auto reopened = call.get();
    if (reopened.ok()) {
      EXPECT_EQ(successor, "");
      successor = reopened->name();
    } else {
      EXPECT_THAT(reopened, Fails(StatusCode::kFailedPrecondition, Reason::EVENT_REOPENED));
      named.insert(InfoOf(reopened.status(), "successor"));
    }
  }
  EXPECT_THAT(named, ElementsAre(successor));
  EXPECT_THAT(LogOf(member, old.name()), SizeIs(2));
  EXPECT_EQ(
      database->Sql("select count(*)::text from parley.events where predecessor_id = '" + old.name().substr(7) + "'"),
      "1");
}

TEST_F(ReopenTest, E11_PastRevisionsCanBeReadAndLeaveNoEntry) {
  Client member = Member("looks.back@example.com");
  Client staff = Staff();
  auto proposal = Proposal({"second@example.org"}, {SlotIn(2), SlotIn(3)});
  proposal.mutable_event()->set_title("first");
  // Reading is confirming here, but not that of the past.
  proposal.mutable_event()->mutable_agreement_policy()->set_confirmed_by(event::v1::AgreementPolicy::VIEW);
  std::vector<Event> revisions(1);
  ASSERT_OK_AND_ASSIGN(const Event first, member.Call(&Events::CreateEvent, proposal));
  revisions.push_back(first);
  auto update = Narrowed(first, {first.slots(0)});
  update.mutable_event()->set_title("second");
  ASSERT_OK_AND_ASSIGN(const Event second, staff.Call(&Events::UpdateEvent, update));
  EXPECT_THAT(ConfirmedIn(second), IsEmpty());
  // A confirmation raises no revision: it is part of how this one stood at its last entry.
  ASSERT_OK_AND_ASSIGN(const Event confirmed, member.Call(&Events::ConfirmEvent, Confirmation(second)));
  revisions.push_back(confirmed);
  ASSERT_OK_AND_ASSIGN(const Event successor, member.Call(&Events::ReopenEvent, Reopening(confirmed)));
  ASSERT_OK_AND_ASSIGN(const Event third, member.Call(&Events::GetEvent, Named(first.name())));
  ASSERT_EQ(third.revision(), 3);
  revisions.push_back(third);

  const size_t entries = LogOf(member, first.name()).size();
  for (Client client : {member, staff}) {
    for (int64_t revision = 1; revision <= 3; ++revision) {
      SCOPED_TRACE(revision);
      ASSERT_OK_AND_ASSIGN(const Event read, client.Call(&Events::GetEvent, Revision(first.name(), revision)));
      EXPECT_EQ(read.DebugString(), revisions[static_cast<size_t>(revision)].DebugString());
    }
    EXPECT_THAT(client.Call(&Events::GetEvent, Revision(first.name(), 4)),
                Fails(StatusCode::kNotFound, Reason::NOT_FOUND));
    EXPECT_THAT(client.Call(&Events::GetEvent, Revision(first.name(), -1)),
                Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  }
  EXPECT_THAT(LogOf(member, first.name()), SizeIs(entries));
  Client stranger = Member("stranger@example.com");
  EXPECT_THAT(stranger.Call(&Events::GetEvent, Revision(first.name(), 1)),
              Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
}

}  // namespace
}  // namespace parley::e2e
