// The rules of negotiation as tables. Slots A, B, C lie in the future, PAST has ended.
#include "services/event/rules.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/status_matchers.h"

namespace parley::event {
namespace {

using test::Fails;
using test::Succeeds;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);
const absl::Time kLater = kNow + absl::Minutes(5);
const Slot A{kNow + absl::Hours(1), absl::Hours(1)}, B{kNow + absl::Hours(2), absl::Hours(1)},
    C{kNow + absl::Hours(3), absl::Hours(1)}, PAST{kNow - absl::Hours(2), absl::Hours(1)},
    RUNNING{kNow - absl::Hours(2), absl::Hours(3)};

Uuid User(uint8_t number) {
  Uuid id;
  id.bytes[15] = number;
  return id;
}

data::Party PartyOf(uint8_t number) { return {User(number), {"user" + std::to_string(number), "example.org"}}; }

// An open event of parties 1 to `parties`; party 1 has set the slots.
data::Event EventOf(int parties, std::vector<Slot> slots) {
  data::Event event;
  event.id = User(200);
  event.title = "title";
  for (int i = 1; i <= parties; ++i) event.parties.push_back(PartyOf(static_cast<uint8_t>(i)));
  event.slots = std::move(slots);
  event.revision = 7;
  event.confirmed_ids = {User(1)};
  event.create_time = event.update_time = kNow;
  event.last_sequence = 9;
  return event;
}

data::Effector Party(uint8_t number) { return {User(number), std::nullopt, std::nullopt}; }
data::Effector Staff() { return {User(100), std::nullopt, std::nullopt}; }

GivenSlots Given(std::vector<Slot> slots) {
  std::sort(slots.begin(), slots.end());
  std::vector<std::string> paths;
  for (size_t i = 0; i < slots.size(); ++i) paths.push_back("event.slots[" + std::to_string(i) + "]");
  return {std::move(slots), std::move(paths)};
}

UpdateCommand SetSlots(std::vector<Slot> slots) {
  UpdateCommand command;
  command.etag = "7";
  command.given = Given(std::move(slots));
  return command;
}

std::vector<Uuid> Confirmed(const data::LogEntry& entry) {
  std::vector<Uuid> ids;
  for (const auto& bytes : entry.data.confirmed_ids()) ids.push_back(*Uuid::FromBytes(bytes));
  return ids;
}

TEST(RulesTest, A1_SettingSlotsStartsConfirmationsAgain) {
  auto event = EventOf(3, {A, B, C});
  event.confirmed_ids = {User(1), User(3)};
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Update(event, SetSlots({A, B}), Party(2), kLater));
  EXPECT_EQ(outcome.event.slots, (std::vector<Slot>{A, B}));
  EXPECT_EQ(outcome.event.confirmed_ids, std::vector<Uuid>{User(2)});
  EXPECT_EQ(outcome.event.state, v1::Event::OPEN);
  EXPECT_EQ(outcome.event.revision, 8);
  EXPECT_EQ(outcome.event.update_time, kLater);
  EXPECT_EQ(outcome.event.last_sequence, 10);
  EXPECT_EQ(outcome.entry.sequence, 10);
  EXPECT_EQ(outcome.entry.revision, 8);
  EXPECT_EQ(outcome.entry.slots, (std::vector<Slot>{A, B}));
  EXPECT_TRUE(outcome.entry.data.slots_changed());
  EXPECT_TRUE(outcome.entry.data.affirmed());
  EXPECT_FALSE(outcome.entry.data.closed());
  EXPECT_EQ(Confirmed(outcome.entry), std::vector<Uuid>{User(2)});
}

TEST(RulesTest, A1_StaffWhoAreNoPartyLeaveNobodyConfirmed) {
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Update(EventOf(2, {A, B}), SetSlots({A}), Staff(), kLater));
  EXPECT_TRUE(outcome.event.confirmed_ids.empty());
  EXPECT_FALSE(outcome.entry.data.affirmed());
}

TEST(RulesTest, A1_SendingThePresentSlotsAgainConfirms) {
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Update(EventOf(3, {A, B}), SetSlots({B, A}), Party(2), kLater));
  EXPECT_EQ(outcome.event.confirmed_ids, (std::vector<Uuid>{User(1), User(2)}));
  EXPECT_EQ(outcome.event.revision, 7) << "E8: confirming alone raises no revision";
  EXPECT_EQ(outcome.event.update_time, kNow);
  EXPECT_FALSE(outcome.entry.data.slots_changed());
}

TEST(RulesTest, A1_OneWhoIsNoPartyCannotConfirm) {
  const auto event = EventOf(2, {A, B});
  EXPECT_THAT(Confirm(event, "7", Staff(), kLater),
              Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_THAT(Update(event, SetSlots({A, B}), Staff(), kLater),
              Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  auto command = SetSlots({A, B});
  command.title = "other";
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Update(event, command, Staff(), kLater));
  EXPECT_EQ(outcome.event.title, "other");
  EXPECT_EQ(outcome.event.confirmed_ids, std::vector<Uuid>{User(1)});
}

TEST(RulesTest, A2_A3_WhenItCloses) {
  using Policy = v1::AgreementPolicy;
  struct Case {
    const char* what;
    Policy::Quorum quorum;
    int parties;
    std::vector<Slot> slots;
    std::vector<uint8_t> confirmed;  // before the call
    uint8_t caller;
    v1::Event::State state;
  };
  const Case cases[] = {
      {"all of three", Policy::ALL, 3, {A}, {1, 2}, 3, v1::Event::AGREED},
      {"two of three", Policy::ALL, 3, {A}, {1}, 2, v1::Event::OPEN},
      {"all, but two slots", Policy::ALL, 3, {A, B}, {1, 2}, 3, v1::Event::OPEN},
      {"all, no slot", Policy::ALL, 3, {}, {1, 2}, 3, v1::Event::ABANDONED},
      {"not all, no slot", Policy::ALL, 3, {}, {1}, 2, v1::Event::OPEN},
      {"one party alone", Policy::ALL, 1, {A}, {1}, 1, v1::Event::AGREED},
      {"again by one who had confirmed", Policy::ALL, 2, {A}, {1, 2}, 1, v1::Event::AGREED},
      {"all but one of four", Policy::ALL_BUT_ONE, 4, {A}, {1, 2}, 3, v1::Event::AGREED},
      {"all but two of four", Policy::ALL_BUT_ONE, 4, {A}, {1}, 2, v1::Event::OPEN},
      {"all but one of three", Policy::ALL_BUT_ONE, 3, {A}, {1}, 2, v1::Event::AGREED},
      {"both of two", Policy::ALL_BUT_ONE, 2, {A}, {}, 1, v1::Event::OPEN},
      {"both of two, confirmed", Policy::ALL_BUT_ONE, 2, {A}, {1}, 2, v1::Event::AGREED},
      {"the one of one", Policy::ALL_BUT_ONE, 1, {A}, {}, 1, v1::Event::AGREED},
  };
  for (const Case& each : cases) {
    auto event = EventOf(each.parties, each.slots);
    event.quorum = each.quorum;
    event.confirmed_ids.clear();
    for (const uint8_t id : each.confirmed) event.confirmed_ids.push_back(User(id));
    const auto outcome = Confirm(event, "7", Party(each.caller), kLater);
    ASSERT_THAT(outcome, Succeeds()) << each.what;
    EXPECT_EQ(outcome->event.state, each.state) << each.what;
    const bool closed = each.state != v1::Event::OPEN;
    EXPECT_EQ(outcome->event.revision, closed ? 8 : 7) << each.what << ": E8, closing raises the revision";
    EXPECT_EQ(outcome->entry.data.closed(), closed) << each.what;
    EXPECT_EQ(outcome->entry.data.state(), each.state) << each.what;
  }
}

TEST(RulesTest, A7_WhoWasErasedCountsNoLongerAndErasureClosesNothing) {
  struct Case {
    int parties;
    data::Event::Quorum quorum;
    std::vector<uint8_t> confirmed, erased;
    bool closes;  // where party 1 then affirms
  };
  const auto all = v1::AgreementPolicy::ALL, all_but_one = v1::AgreementPolicy::ALL_BUT_ONE;
  const std::vector<Case> cases = {
      {2, all, {1}, {2}, true},
      {2, all, {}, {2}, true},
      {3, all, {1}, {2}, false},
      {3, all, {1, 2}, {2}, false},
      {3, all, {1, 2}, {3}, true},
      {3, all, {1}, {2, 3}, true},
      {4, all_but_one, {1, 2}, {3}, true},
      {4, all_but_one, {1, 2}, {2}, false},
      {3, all_but_one, {1}, {2}, false},
      {2, all_but_one, {1}, {2}, true},
      {3, all, {1}, {9}, false},
  };
  for (const Case& each : cases) {
    data::Event event = EventOf(each.parties, {A});
    event.quorum = each.quorum;
    event.confirmed_ids.clear();
    for (const uint8_t number : each.confirmed) event.confirmed_ids.push_back(User(number));
    for (const uint8_t number : each.erased) {
      const data::Event before = event;
      const Outcome outcome = Erase(before, User(number), Staff(), kLater);
      event = outcome.event;
      EXPECT_EQ(event.state, v1::Event::OPEN);
      EXPECT_EQ(event.revision, before.revision);
      EXPECT_EQ(event.update_time, before.update_time);
      EXPECT_EQ(event.last_sequence, before.last_sequence + 1);
      EXPECT_FALSE(event.HasConfirmed(User(number)));
      EXPECT_EQ(event.FindParty(User(number)), nullptr);
      EXPECT_EQ(event.parties.size(), before.parties.size()) << "E3";
      EXPECT_EQ(outcome.entry.data.erased_id(), User(number).ToBytes());
      EXPECT_EQ(outcome.entry.sequence, event.last_sequence);
      EXPECT_EQ(outcome.entry.occurrence, v1::LogEntry::UPDATE);
      EXPECT_EQ(Confirmed(outcome.entry), event.confirmed_ids);
      EXPECT_FALSE(outcome.entry.data.closed());
    }
    ASSERT_OK_AND_ASSIGN(const Outcome after, Confirm(event, event.etag(), Party(1), kLater));
    EXPECT_EQ(after.event.state, each.closes ? v1::Event::AGREED : v1::Event::OPEN)
        << each.parties << " parties, erased " << static_cast<int>(each.erased.front());
  }
}

TEST(RulesTest, A7_WhoErasesIsNamedAndAnErasedPartyIsNone) {
  data::Event event = EventOf(2, {A});
  EXPECT_EQ(Erase(event, User(1), Staff(), kLater).entry.staff_ids, std::vector<Uuid>{User(100)});
  const Outcome own = Erase(event, User(1), Party(1), kLater);
  EXPECT_TRUE(own.entry.staff_ids.empty()) << "a party erased itself: the log has named it";
  EXPECT_THAT(Confirm(own.event, own.event.etag(), Party(1), kLater),
              Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  event = own.event;
  // Where the user is gone and the party is still to be blanked, a part of the address is left.
  for (const Address& left : {Address(), Address{"heron", ""}}) {
    event.parties[0].address = left;
    ASSERT_OK_AND_ASSIGN(const CreateCommand successor, Succession(event, {event.etag(), {}, std::nullopt}));
    EXPECT_EQ(successor.parties, std::vector<Address>{event.parties[1].address});
  }
}

TEST(RulesTest, A3_ATitleAloneClosesNothing) {
  auto event = EventOf(1, {A});
  UpdateCommand command;
  command.etag = "7";
  command.title = "other";
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Update(event, command, Party(1), kLater));
  EXPECT_EQ(outcome.event.state, v1::Event::OPEN);
  EXPECT_EQ(outcome.event.revision, 8);
  EXPECT_EQ(outcome.entry.data.title(), "other");
}

TEST(RulesTest, A4_AClosedEventChangesNoMore) {
  for (const auto state : {v1::Event::AGREED, v1::Event::ABANDONED}) {
    auto event = EventOf(2, {A});
    event.state = state;
    EXPECT_THAT(Update(event, SetSlots({A, B}), Party(1), kLater),
                Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED));
    EXPECT_THAT(Confirm(event, "stale", Party(1), kLater),
                Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED))
        << "the state is looked at before the etag";
    EXPECT_THAT(Delete(event, "7", Staff(), kLater), Succeeds()) << "E10: in any state";
    EXPECT_EQ(View(event, Party(1), kLater).event.revision, 7);
  }
}

TEST(RulesTest, E6_AddedSlotsMustEndInTheFuture) {
  const auto fails = Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS);
  EXPECT_THAT(Update(EventOf(2, {A}), SetSlots({A, PAST}), Party(1), kLater), fails);
  EXPECT_THAT(Update(EventOf(2, {A}), SetSlots({A, RUNNING}), Party(1), kLater), Succeeds());
  EXPECT_THAT(Update(EventOf(2, {PAST, A}), SetSlots({PAST}), Party(1), kLater), Succeeds())
      << "one that is already there may stay";
  const Slot ends_now{kLater - absl::Hours(1), absl::Hours(1)};
  EXPECT_THAT(Update(EventOf(2, {A}), SetSlots({ends_now}), Party(1), kLater), fails);
}

TEST(RulesTest, E8_AStaleEtagChangesNothing) {
  const auto event = EventOf(2, {A, B});
  auto command = SetSlots({A});
  command.etag = "6";
  const auto stale = Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH);
  EXPECT_THAT(Update(event, command, Party(2), kLater), stale);
  EXPECT_THAT(Confirm(event, "8", Party(2), kLater), stale);
  EXPECT_THAT(Delete(event, "07", Staff(), kLater), stale);
}

TEST(RulesTest, E9_AnUpdateMustChangeSomething) {
  UpdateCommand command;
  command.etag = "7";
  command.title = "title";
  command.time_zone = "UTC";
  EXPECT_THAT(Update(EventOf(2, {A}), command, Party(1), kLater),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  command.given = Given({A});
  EXPECT_THAT(Update(EventOf(3, {A}), command, Party(1), kLater), Succeeds()) << "with slots it is a confirmation";
}

TEST(RulesTest, E10_DeletionRaisesTheRevision) {
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Delete(EventOf(2, {A}), "7", Staff(), kLater));
  EXPECT_EQ(outcome.event.delete_time, kLater);
  EXPECT_EQ(outcome.event.revision, 8);
  EXPECT_TRUE(outcome.entry.data.deleted());
}

TEST(RulesTest, A2_AViewConfirmsOnlyUnderThatPolicy) {
  auto event = EventOf(2, {A});
  EXPECT_FALSE(ViewConfirms(event, Party(2)));
  event.confirmed_by = v1::AgreementPolicy::VIEW;
  EXPECT_TRUE(ViewConfirms(event, Party(2)));
  EXPECT_FALSE(ViewConfirms(event, Staff()));
  Outcome outcome = View(event, Party(2), kLater);
  EXPECT_EQ(outcome.event.state, v1::Event::AGREED);
  EXPECT_EQ(outcome.event.revision, 8);
  EXPECT_EQ(outcome.entry.occurrence, v1::LogEntry::VIEW);
  EXPECT_TRUE(outcome.entry.data.closed());
  EXPECT_FALSE(ViewConfirms(outcome.event, Party(2)));
  event.slots.clear();
  EXPECT_FALSE(ViewConfirms(event, Party(2))) << "never an empty set";
}

TEST(RulesTest, L2_AnEntrySaysWhoAndByWhat) {
  data::Effector caller = Party(2);
  caller.email_token_id = User(50);
  caller.acted_by_id = User(51);
  const Outcome outcome = View(EventOf(2, {A, B}), caller, kLater);
  EXPECT_EQ(outcome.entry.sequence, 10);
  EXPECT_EQ(outcome.entry.create_time, kLater);
  EXPECT_EQ(outcome.entry.effector_id, User(2));
  EXPECT_EQ(outcome.entry.data.email_token_id(), User(50).ToBytes());
  EXPECT_EQ(outcome.entry.data.acted_by_id(), User(51).ToBytes());
  EXPECT_EQ(outcome.entry.slots, (std::vector<Slot>{A, B}));
  EXPECT_EQ(outcome.event.revision, 7);
}

data::User Creator(token::v1::User::Role role) {
  data::User user;
  user.id = User(9);
  user.address = {"Nine", "example.org"};
  user.role = role;
  return user;
}

TEST(RulesTest, E2_AMemberWhoCreatesIsAddedStaffAreNot) {
  CreateCommand command;
  command.parties = {{"a", "example.org"}};
  ASSERT_OK_AND_ASSIGN(const auto by_member, PartiesToBe(command, Creator(token::v1::User::MEMBER), 100, kNow));
  EXPECT_EQ(by_member.size(), 2u);
  ASSERT_OK_AND_ASSIGN(const auto by_staff, PartiesToBe(command, Creator(token::v1::User::STAFF), 100, kNow));
  EXPECT_EQ(by_staff.size(), 1u);
  command.parties = {{"NINE", "example.org"}};
  ASSERT_OK_AND_ASSIGN(const auto named, PartiesToBe(command, Creator(token::v1::User::MEMBER), 100, kNow));
  ASSERT_EQ(named.size(), 1u);
  EXPECT_EQ(named[0].local_part, "NINE") << "U3: spelled as it was given to this event";
}

TEST(RulesTest, E2_OneToAHundredParties) {
  const auto fails = Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS);
  CreateCommand command;
  EXPECT_THAT(PartiesToBe(command, Creator(token::v1::User::STAFF), 100, kNow), fails);
  EXPECT_THAT(PartiesToBe(command, Creator(token::v1::User::MEMBER), 100, kNow), Succeeds());
  for (int i = 0; i < 100; ++i) command.parties.push_back({"p" + std::to_string(i), "example.org"});
  EXPECT_THAT(PartiesToBe(command, Creator(token::v1::User::STAFF), 100, kNow), Succeeds());
  EXPECT_THAT(PartiesToBe(command, Creator(token::v1::User::MEMBER), 100, kNow), fails) << "with the member 101";
}

TEST(RulesTest, A3_CreatingAffirmsAndClosesNothing) {
  CreateCommand command;
  command.title = "title";
  command.time_zone = "Europe/Berlin";
  command.given = Given({A});
  const auto creator = Creator(token::v1::User::MEMBER);
  const Outcome outcome = Create(command, {{User(9), creator.address}}, creator, Party(9), User(77), kNow);
  EXPECT_EQ(outcome.event.confirmed_ids, std::vector<Uuid>{User(9)});
  EXPECT_EQ(outcome.event.state, v1::Event::OPEN);
  EXPECT_EQ(outcome.event.revision, 1);
  EXPECT_EQ(outcome.entry.sequence, 1);
  EXPECT_EQ(outcome.entry.data.opened().title(), "title");
  EXPECT_EQ(outcome.entry.data.opened().time_zone(), "Europe/Berlin");
  EXPECT_EQ(outcome.entry.data.opened().party_ids_size(), 1);
  EXPECT_TRUE(outcome.entry.data.affirmed());
  ASSERT_OK_AND_ASSIGN(const Outcome confirmed, Confirm(outcome.event, "1", Party(9), kLater));
  EXPECT_EQ(confirmed.event.state, v1::Event::AGREED);
}

TEST(RulesTest, A5_ReopeningCopiesAndNamesEachOther) {
  auto old = EventOf(2, {PAST, A});
  old.quorum = v1::AgreementPolicy::ALL_BUT_ONE;
  old.confirmed_by = v1::AgreementPolicy::VIEW;
  old.time_zone = "Europe/Berlin";
  ReopenCommand command;
  command.etag = "7";
  ASSERT_OK_AND_ASSIGN(const CreateCommand creation, Succession(old, command));
  ASSERT_OK_AND_ASSIGN(const auto parties, PartiesToBe(creation, Creator(token::v1::User::STAFF), 100, kLater));
  EXPECT_EQ(parties, (std::vector<Address>{PartyOf(1).address, PartyOf(2).address})) << "E2: staff are not added";
  EXPECT_EQ(PartiesToBe(creation, Creator(token::v1::User::MEMBER), 100, kLater)->size(), 3u) << "E2: a member is";

  const Outcome made =
      Create(creation, {PartyOf(1), PartyOf(2)}, Creator(token::v1::User::MEMBER), Party(2), User(77), kLater);
  EXPECT_EQ(made.event.title, "title");
  EXPECT_EQ(made.event.slots, (std::vector<Slot>{PAST, A})) << "E6: copied slots count as already there";
  EXPECT_EQ(made.event.quorum, v1::AgreementPolicy::ALL_BUT_ONE);
  EXPECT_EQ(made.event.confirmed_by, v1::AgreementPolicy::VIEW);
  EXPECT_EQ(made.event.time_zone, "Europe/Berlin");
  EXPECT_EQ(made.event.predecessor_id, old.id);
  EXPECT_EQ(made.event.confirmed_ids, std::vector<Uuid>{User(2)}) << "A3: reopening affirms for a party";
  EXPECT_EQ(made.event.state, v1::Event::OPEN) << "A3: and closes nothing";
  EXPECT_EQ(made.entry.data.predecessor_id(), old.id.ToBytes());

  const Outcome left = Succeeded(old, made.event, Party(2), kLater);
  EXPECT_EQ(left.event.state, v1::Event::SUPERSEDED);
  EXPECT_EQ(left.event.revision, 8);
  EXPECT_EQ(left.event.update_time, kLater);
  EXPECT_EQ(left.event.successor_id, User(77));
  EXPECT_TRUE(left.entry.data.closed());
  EXPECT_EQ(left.entry.data.successor_id(), User(77).ToBytes());
  EXPECT_THAT(Update(left.event, SetSlots({A}), Party(1), kLater),
              Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED));

  command.etag = "8";
  EXPECT_THAT(Succession(left.event, command), Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_REOPENED));
  command.etag = "stale";
  EXPECT_THAT(Succession(left.event, command), Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_REOPENED))
      << "the state is looked at before the etag";
  EXPECT_THAT(Succession(old, command), Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
}

TEST(RulesTest, A5_OtherSlotsAndPartiesMayBeGiven) {
  const auto old = EventOf(2, {PAST, A});
  ReopenCommand command;
  command.etag = "7";
  command.parties = {PartyOf(3).address};
  command.given = Given({B, PAST});
  ASSERT_OK_AND_ASSIGN(CreateCommand creation, Succession(old, command));
  EXPECT_EQ(*PartiesToBe(creation, Creator(token::v1::User::STAFF), 100, kLater),
            (std::vector<Address>{PartyOf(3).address}));
  EXPECT_EQ(creation.given.slots, (std::vector<Slot>{PAST, B}));
  command.given = Given({{PAST.start, absl::Minutes(1)}});
  ASSERT_OK_AND_ASSIGN(creation, Succession(old, command));
  EXPECT_THAT(PartiesToBe(creation, Creator(token::v1::User::STAFF), 100, kLater),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS))
      << "E6: what was not there must end in the future";
}

TEST(RulesTest, A4_A5_AClosedEventStaysAsItIsWhenItIsReopened) {
  for (const auto state : {v1::Event::AGREED, v1::Event::ABANDONED}) {
    auto old = EventOf(2, {A});
    old.state = state;
    const Outcome left = Succeeded(old, EventOf(1, {}), Staff(), kLater);
    EXPECT_EQ(left.event.state, state);
    EXPECT_EQ(left.event.revision, 7);
    EXPECT_EQ(left.event.update_time, kNow);
    EXPECT_FALSE(left.entry.data.closed());
    EXPECT_EQ(left.entry.sequence, 10);
  }
}

}  // namespace
}  // namespace parley::event
