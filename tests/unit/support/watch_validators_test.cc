// The validators of watches find what they are to find: each fault is planted into a history that is good.
#include "tests/support/watch_validators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace parley::test {
namespace {

using event::v1::Event;
using event::v1::LogEntry;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOld[] = "events/old";
constexpr char kNew[] = "events/new";

// An event as its steps go on.
class Story {
 public:
  explicit Story(const std::string& name) { event_.set_name(name); }

  // The next entry; `change` says what it changes.
  template <class Change>
  void Add(LogEntry::Occurrence occurrence, const Change& change) {
    LogEntry entry;
    entry.set_sequence(static_cast<int64_t>(steps_.size()) + 1);
    entry.set_name(absl::StrCat(event_.name(), "/logEntries/", entry.sequence()));
    entry.mutable_create_time()->set_seconds(entry.sequence());
    entry.set_occurrence(occurrence);
    const int64_t revision = event_.revision();
    change(event_, *entry.mutable_data());
    if (entry.sequence() == 1) *event_.mutable_create_time() = entry.create_time();
    if (event_.revision() != revision) *event_.mutable_update_time() = entry.create_time();
    event_.set_etag(absl::StrCat(event_.revision()));
    entry.set_revision(event_.revision());
    *entry.mutable_slots() = event_.slots();
    if (occurrence == LogEntry::UPDATE) {
      entry.mutable_data()->set_state(event_.state());
      for (const auto& party : event_.parties()) {
        if (party.confirmed()) entry.mutable_data()->add_confirmed(party.address());
      }
    }
    steps_.push_back(std::make_shared<ToldStep>(ToldStep{entry, event_}));
  }
  const std::vector<std::shared_ptr<const ToldStep>>& steps() const { return steps_; }

 private:
  Event event_;
  std::vector<std::shared_ptr<const ToldStep>> steps_;
};

void Open(Event& event, LogEntry::Data& data, const std::vector<std::string>& parties) {
  for (const std::string& address : parties) {
    data.mutable_opened()->add_parties(address);
    event.add_parties()->set_address(address);
  }
  event.mutable_parties(0)->set_confirmed(true);
  for (int start : {1, 2}) event.add_slots()->mutable_start_time()->set_seconds(start);
  data.mutable_opened()->mutable_agreement_policy()->set_quorum(event::v1::AgreementPolicy::ALL);
  event.mutable_agreement_policy()->set_quorum(event::v1::AgreementPolicy::ALL);
  data.mutable_opened()->set_title("Lunch");
  event.set_title("Lunch");
  event.set_state(Event::OPEN);
  event.set_revision(1);
}

Story OldStory() {
  Story story(kOld);
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) { Open(event, data, {"ann", "bob"}); });
  story.Add(LogEntry::VIEW, [](Event&, LogEntry::Data&) {});
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) {
    event.mutable_slots()->RemoveLast();
    event.set_revision(2);
    event.mutable_parties(0)->set_confirmed(false);
    event.mutable_parties(1)->set_confirmed(true);
    data.set_slots_changed(true);
  });
  story.Add(LogEntry::NOTIFY, [](Event&, LogEntry::Data& data) { data.set_notification("a notification"); });
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) {
    event.set_state(Event::SUPERSEDED);
    event.set_revision(3);
    event.set_successor(kNew);
    data.set_successor(kNew);
  });
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) {
    event.set_revision(4);
    data.set_deleted(true);
  });
  return story;
}

Story NewStory() {
  Story story(kNew);
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) {
    Open(event, data, {"ann"});
    event.set_predecessor(kOld);
    data.set_predecessor(kOld);
  });
  story.Add(LogEntry::UPDATE, [](Event& event, LogEntry::Data& data) {
    event.set_title("Dinner");
    event.set_revision(2);
    data.set_title("Dinner");
  });
  return story;
}

Told Step(int64_t position, const std::shared_ptr<const ToldStep>& step) { return {absl::Time(), position, step}; }
Told Progress(int64_t position) { return {absl::Time(), position, nullptr}; }

// The order of all: old 1 to 5, new 1, old 6, new 2.
class WatchValidatorsTest : public ::testing::Test {
 protected:
  WatchValidatorsTest() {
    const auto old = OldStory().steps(), fresh = NewStory().steps();
    all_ = {old[0], old[1], old[2], old[3], old[4], fresh[0], old[5], fresh[1]};
    for (const auto& step : all_) {
      const LogEntry& entry = step->log_entry;
      history_.order.push_back(entry.name());
      history_.logs[step->event.name()].push_back(entry);
    }
    // To staff all, over one break, with news of how far it is.
    Follower staff{.name = "staff"};
    staff.streams = {
        {0, {Step(1, all_[0]), Step(2, all_[1]), Step(3, all_[2]), Progress(3)}, "UNAVAILABLE"},
        {3, {Step(4, all_[3]), Step(5, all_[4]), Step(6, all_[5]), Step(7, all_[6]), Step(8, all_[7])}, ""}};
    // To Bob only the old one, and only what is new since the second entry.
    Follower bob{.name = "bob", .party = "bob"};
    bob.streams = {{std::nullopt, {Progress(2), Step(3, all_[2])}, "UNAVAILABLE"},
                   {3, {Step(4, all_[3]), Step(5, all_[4]), Step(7, all_[6]), Progress(8)}, ""}};
    Follower updates{.name = "updates", .occurrences = {LogEntry::UPDATE}};
    updates.streams = {{0, {Step(1, all_[0]), Step(3, all_[2]), Step(5, all_[4]), Step(6, all_[5])}, ""}};
    // To a guest the old one alone.
    Follower guest{.name = "guest", .event = kOld};
    guest.streams = {{0, {Step(1, all_[0]), Step(2, all_[1]), Progress(2)}, "UNAVAILABLE"},
                     {2, {Step(3, all_[2]), Step(4, all_[3]), Step(5, all_[4]), Step(6, all_[6])}, ""}};
    history_.followers = {staff, bob, updates, guest};
    history_.acknowledged = {{.event = kOld, .answer = all_[2]->event},
                             {.event = kOld, .notification = "a notification"},
                             {.event = kOld, .deleted = true}};
  }

  Follower& staff() { return history_.followers[0]; }
  Follower& guest() { return history_.followers[3]; }
  std::vector<Told>& told(Follower& follower, int stream) { return follower.streams[stream].told; }
  // The step, with one thing different.
  template <class Change>
  static std::shared_ptr<const ToldStep> Other(const std::shared_ptr<const ToldStep>& step, const Change& change) {
    auto other = std::make_shared<ToldStep>(*step);
    change(*other);
    return other;
  }

  WatchHistory history_;
  std::vector<std::shared_ptr<const ToldStep>> all_;
};

auto Names(const std::string& follower, const std::string& entry) {
  return Contains(::testing::AllOf(HasSubstr(follower + " "), HasSubstr(entry)));
}

TEST_F(WatchValidatorsTest, AGoodHistoryHasNothingWrong) {
  const WatchValidators validators(history_);
  EXPECT_THAT(validators.NotOrdered(), IsEmpty());
  EXPECT_THAT(validators.NotUnique(), IsEmpty());
  EXPECT_THAT(validators.NotAtomic(), IsEmpty());
  EXPECT_THAT(validators.NotReliable(), IsEmpty());
  EXPECT_THAT(validators.NotResumable(), IsEmpty());
  EXPECT_THAT(validators.NotDue(), IsEmpty());
  EXPECT_THAT(validators.NotAsClaimed(), IsEmpty());
}

TEST_F(WatchValidatorsTest, ASkippedEntryIsFound) {
  told(staff(), 0).erase(told(staff(), 0).begin() + 1);
  told(guest(), 1).erase(told(guest(), 1).begin() + 1);
  const WatchValidators validators(history_);
  EXPECT_THAT(validators.NotReliable(), Names("staff", "events/old/logEntries/2"));
  EXPECT_THAT(validators.NotReliable(), Names("guest", "events/old/logEntries/4"));
  EXPECT_THAT(validators.NotOrdered(), Names("staff", "events/old/logEntries/3"));
  EXPECT_THAT(validators.NotOrdered(), Names("guest", "events/old/logEntries/5"));
}

TEST_F(WatchValidatorsTest, ADoubledEntryIsFoundWithinAStreamAndOverABreak) {
  told(staff(), 0).insert(told(staff(), 0).begin() + 2, Step(2, all_[1]));
  told(guest(), 1).insert(told(guest(), 1).begin(), Step(2, all_[1]));
  const WatchValidators validators(history_);
  EXPECT_THAT(validators.NotUnique(), Names("staff", "events/old/logEntries/2"));
  EXPECT_THAT(validators.NotUnique(), Names("guest", "events/old/logEntries/2"));
  EXPECT_EQ(validators.NotUnique().size(), 2);
  EXPECT_THAT(validators.NotOrdered(), Names("staff", "events/old/logEntries/2"));
}

TEST_F(WatchValidatorsTest, SwappedEntriesOfOneEventAreFound) {
  std::swap(told(guest(), 1)[0].step, told(guest(), 1)[1].step);
  const WatchValidators validators(history_);
  EXPECT_THAT(validators.NotOrdered(), Names("guest", "events/old/logEntries/3"));
  EXPECT_THAT(validators.NotUnique(), IsEmpty());
  EXPECT_THAT(validators.NotReliable(), IsEmpty());
}

TEST_F(WatchValidatorsTest, SwappedEntriesOfTwoEventsAreFound) {
  // Each event's are still in order.
  std::swap(told(staff(), 1)[3], told(staff(), 1)[4]);
  const WatchValidators validators(history_);
  EXPECT_THAT(validators.NotOrdered(), Names("staff", "events/old/logEntries/6"));
}

TEST_F(WatchValidatorsTest, AnEntryOfNoLogIsFound) {
  told(staff(), 0)[1].step = Other(all_[1], [](ToldStep& step) { step.log_entry.set_name("events/old/logEntries/9"); });
  EXPECT_THAT(WatchValidators(history_).NotOrdered(), Names("staff", "events/old/logEntries/9"));
}

TEST_F(WatchValidatorsTest, AStepWithTheEventOfAnotherIsFound) {
  const std::vector<std::function<void(ToldStep&)>> faults{
      [this](ToldStep& step) { step.event = all_[0]->event; },  // as it stood before
      [this](ToldStep& step) { step.event = all_[4]->event; },  // as it stood later
      [this](ToldStep& step) { step.event = all_[5]->event; },  // another one
      [](ToldStep& step) { step.event.set_revision(3); },
      [](ToldStep& step) { step.event.mutable_slots(0)->mutable_start_time()->set_seconds(7); },
      [](ToldStep& step) { step.event.set_state(Event::AGREED); },
      [](ToldStep& step) { step.event.mutable_parties(0)->set_confirmed(true); },
      [](ToldStep& step) { step.event.set_title("Dinner"); },
      [](ToldStep& step) { step.event.clear_update_time(); },
  };
  for (const auto& fault : faults) {
    told(guest(), 1)[0].step = Other(all_[2], fault);
    const auto wrong = WatchValidators(history_).NotAtomic();
    EXPECT_THAT(wrong, Names("guest", "with events/old/logEntries/3"));
    EXPECT_THAT(wrong, Names("guest", "different things of events/old/logEntries/3"));
  }
}

TEST_F(WatchValidatorsTest, AnEntryThatTheLogTellsOtherwiseIsFound) {
  told(staff(), 0)[1].step = Other(all_[1], [](ToldStep& step) { step.log_entry.set_effector("eve"); });
  EXPECT_THAT(WatchValidators(history_).NotAtomic(), Names("staff", "of events/old/logEntries/2"));
}

TEST_F(WatchValidatorsTest, HalfAReopeningIsFound) {
  auto& second = told(staff(), 1);
  const auto good = second;
  second.erase(second.begin() + 1);
  EXPECT_THAT(WatchValidators(history_).NotAtomic(),
              Names("staff", "events/new/logEntries/1 without events/old/logEntries/5"));
  second = good;
  second.erase(second.begin() + 2);
  EXPECT_THAT(WatchValidators(history_).NotAtomic(),
              Names("staff", "events/old/logEntries/5 without events/new/logEntries/1"));
}

TEST_F(WatchValidatorsTest, AnAcknowledgedChangeThatNobodyIsToldIsFound) {
  // It is on no log either: lost.
  Event lost = all_[2]->event;
  lost.set_title("lost");
  history_.acknowledged.push_back({.event = kOld, .answer = lost});
  history_.acknowledged.push_back({.event = kNew, .deleted = true});
  history_.acknowledged.push_back({.event = kOld, .notification = "another notification"});
  history_.acknowledged.push_back({.event = "events/none", .answer = lost});
  const auto wrong = WatchValidators(history_).NotReliable();
  EXPECT_EQ(wrong.size(), 4);
  EXPECT_THAT(wrong, Names("of events/old:", "\"lost\""));
  EXPECT_THAT(wrong, Names("of events/new:", "deletion"));
  EXPECT_THAT(wrong, Names("of events/old:", "another notification"));
  EXPECT_THAT(wrong, Names("of events/none:", "\"lost\""));
}

TEST_F(WatchValidatorsTest, AResumptionThatRepeatsOrSkipsIsFound) {
  const auto good = staff().streams;
  told(staff(), 1).insert(told(staff(), 1).begin(), Step(3, all_[2]));
  EXPECT_THAT(WatchValidators(history_).NotResumable(),
              Names("staff, which went on from 3,", "events/old/logEntries/3"));
  staff().streams = good;
  told(staff(), 1).erase(told(staff(), 1).begin());
  EXPECT_THAT(WatchValidators(history_).NotResumable(),
              Names("staff, which went on from 3,", "in place of events/old/logEntries/4"));
  // Skipped, but said to be told.
  staff().streams = good;
  told(guest(), 1) = {Step(3, all_[2]), Progress(4)};
  EXPECT_THAT(WatchValidators(history_).NotResumable(),
              Names("guest, which went on from 2,", "not told events/old/logEntries/4"));
}

TEST_F(WatchValidatorsTest, AMessageThatClaimsTooMuchIsFound) {
  told(staff(), 0)[3].position = 4;
  told(guest(), 0)[2].position = 3;
  const auto wrong = WatchValidators(history_).NotAsClaimed();
  EXPECT_THAT(wrong, Names("staff", "events/old/logEntries/4"));
  EXPECT_THAT(wrong, Names("guest", "events/old/logEntries/3"));
  EXPECT_EQ(wrong.size(), 2);
}

TEST_F(WatchValidatorsTest, ACursorThatIsNotBehindItsStepIsFound) {
  told(staff(), 1)[2].position = 8;
  EXPECT_THAT(WatchValidators(history_).NotAsClaimed(), Names("staff", "events/new/logEntries/1"));
}

TEST_F(WatchValidatorsTest, AClaimOfMoreThanThereIsOrOfLessThanBeforeIsFound) {
  told(staff(), 1).push_back(Progress(9));
  told(guest(), 0).push_back(Progress(1));
  const auto wrong = WatchValidators(history_).NotAsClaimed();
  EXPECT_THAT(wrong, Names("staff", "is at 9 of 8"));
  EXPECT_THAT(wrong, Names("guest", "is at 1 after 2"));
}

TEST_F(WatchValidatorsTest, AnEntryOfOthersAndOneThatNobodyAskedForAreFound) {
  auto& bob = history_.followers[1].streams[0].told;
  bob.push_back(Step(6, all_[5]));
  EXPECT_THAT(WatchValidators(history_).NotDue(), Names("bob", "events/new/logEntries/1"));
  bob.pop_back();
  auto& updates = history_.followers[2].streams[0].told;
  updates.insert(updates.begin() + 1, Step(2, all_[1]));
  EXPECT_THAT(WatchValidators(history_).NotDue(), Names("updates", "events/old/logEntries/2"));
}

}  // namespace
}  // namespace parley::test
