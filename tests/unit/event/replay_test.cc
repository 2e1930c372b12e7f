// A6: thousands of random negotiations, by the rules alone, each replayed from its log after every step.
#include "services/event/replay.h"

#include <gtest/gtest.h>

#include <random>

#include "services/event/rules.h"
#include "tests/support/status_matchers.h"

namespace parley::event {
namespace {

using test::Succeeds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1800000000);

Uuid Id(uint64_t number) {
  Uuid id;
  for (size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return id;
}

// One negotiation, and those that are made from it: each step is one that a caller might ask for, and many are refused.
class Play {
 public:
  explicit Play(uint32_t seed) : random_(seed) {}

  // Answers with the number of steps that were not refused.
  int Run() {
    Open();
    const int steps = Pick(40);
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      now_ += absl::Microseconds(1 + Pick(100000000));
      Step();
    }
    return steps_;
  }

  bool agreed = false, abandoned = false, superseded = false, deleted = false;  // whether it ever came so

 private:
  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool Chance(int percent) { return Pick(100) < percent; }

  // A few that come again and again, so that sets are often equal, and some that have ended.
  std::vector<Slot> Slots() {
    std::vector<Slot> slots;
    const int wanted = Pick(4);
    for (int i = 0; i < wanted; ++i) slots.push_back({kStart + absl::Hours(Pick(6) - 1), absl::Minutes(30)});
    std::sort(slots.begin(), slots.end());
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    return slots;
  }

  static GivenSlots Given(std::vector<Slot> slots) {
    std::vector<std::string> paths(slots.size(), "event.slots");
    return {std::move(slots), std::move(paths)};
  }

  // A party, or one of two who are none; perhaps by an e-mail token, perhaps acted for.
  data::Effector Somebody() {
    data::Effector effector{Id(static_cast<uint64_t>(Pick(static_cast<int>(event_.parties.size()) + 2)) + 1), {}, {}};
    if (Chance(30)) effector.email_token_id = Id(1000);
    if (Chance(20)) effector.acted_by_id = Id(1001);
    return effector;
  }

  void Open() {
    CreateCommand command;
    command.title = "title";
    command.given = Given(Slots());
    command.quorum = Chance(50) ? v1::AgreementPolicy::ALL : v1::AgreementPolicy::ALL_BUT_ONE;
    command.confirmed_by = Chance(50) ? v1::AgreementPolicy::UPDATE : v1::AgreementPolicy::VIEW;
    command.time_zone = "UTC";
    std::vector<data::Party> parties;
    const int count = 1 + Pick(4);
    for (int i = 1; i <= count; ++i) parties.push_back({Id(static_cast<uint64_t>(i)), {}});
    data::User creator;
    creator.id = Id(static_cast<uint64_t>(1 + Pick(count + 1)));
    Take(Create(command, parties, creator, {creator.id, {}, {}}, Id(100), now_));
  }

  void Step() {
    const data::Effector caller = Somebody();
    const std::string etag = Chance(90) ? event_.etag() : "0";
    switch (Pick(10)) {
      case 0:
      case 1:
      case 2: {
        UpdateCommand command;
        command.etag = etag;
        if (Chance(80)) command.given = Given(Chance(30) ? event_.slots : Slots());
        if (Chance(20)) command.title = Chance(50) ? "title" : "another";
        if (Chance(20)) command.time_zone = Chance(50) ? "UTC" : "Europe/Berlin";
        return Take(Update(event_, command, caller, now_));
      }
      case 3:
      case 4:
      case 5:
        return Take(Confirm(event_, etag, caller, now_));
      case 6:
      case 7:
        return event_.delete_time ? void() : Take(View(event_, caller, now_));
      case 8:
        return Chance(30) ? Reopen(caller, etag) : Notify(caller);
      default:
        if (Chance(10)) return Take(Delete(event_, etag, caller, now_));
        return Chance(20) ? Take(Erase(event_, Somebody().user_id, caller, now_)) : Notify(caller);
    }
  }

  void Notify(const data::Effector& caller) {
    data::Event event = event_;
    ++event.last_sequence;
    data::LogEntry entry = EntryOf(event, v1::LogEntry::NOTIFY, caller, now_);
    entry.data.set_recipient_id(Id(1).ToBytes());
    Take(Outcome{event, entry});
  }

  void Reopen(const data::Effector& caller, const std::string& etag) {
    ReopenCommand command;
    command.etag = etag;
    if (Chance(50)) command.given = Given(Slots());
    const auto creation = Succession(event_, command);
    if (!creation.ok() || event_.delete_time) return;
    data::User creator;
    creator.id = caller.user_id;
    std::vector<data::Party> parties;
    for (const data::Party& party : event_.parties) parties.push_back({party.user_id, party.address});
    const Outcome made = Create(*creation, parties, creator, caller, Id(101 + played_.size()), now_);
    data::Event successor;
    ASSERT_THAT(Apply(made.entry, successor), Succeeds());
    EXPECT_THAT(Differences(successor, made.event), IsEmpty());
    Take(Succeeded(event_, made.event, caller, now_));
  }

  void Take(const absl::StatusOr<Outcome>& outcome) {
    // A deleted event is reached by no rule.
    if (!outcome.ok() || (event_.delete_time && event_.last_sequence > 0)) return;
    ++steps_;
    event_ = outcome->event;
    played_.push_back(outcome->entry);
    ASSERT_THAT(Apply(outcome->entry, replayed_), Succeeds());
    EXPECT_THAT(Differences(replayed_, event_), IsEmpty());
    agreed = agreed || event_.state == v1::Event::AGREED;
    abandoned = abandoned || event_.state == v1::Event::ABANDONED;
    superseded = superseded || event_.state == v1::Event::SUPERSEDED;
    deleted = deleted || event_.delete_time.has_value();
  }

  std::mt19937 random_;
  absl::Time now_ = kStart;
  data::Event event_;
  data::Event replayed_;  // by Apply alone, in step with event_
  std::vector<data::LogEntry> played_;
  int steps_ = 0;
};

TEST(ReplayTest, A6_RandomNegotiationsFollowFromTheirLogs) {
  constexpr uint32_t kPlays = 20000;
  int steps = 0, agreed = 0, abandoned = 0, superseded = 0, deleted = 0;
  for (uint32_t seed = 0; seed < kPlays && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Play play(seed);
    steps += play.Run();
    agreed += play.agreed;
    abandoned += play.abandoned;
    superseded += play.superseded;
    deleted += play.deleted;
  }
  // They did go everywhere.
  EXPECT_GT(steps, 100000);
  for (const int reached : {agreed, abandoned, superseded, deleted}) EXPECT_GT(reached, 500);
}

// The log of an event of two parties: made by the first, narrowed by the second, confirmed by the first, deleted.
std::vector<data::LogEntry> Log() {
  const Slot a{kStart + absl::Hours(1), absl::Hours(1)}, b{kStart + absl::Hours(2), absl::Hours(1)};
  std::vector<data::LogEntry> log;
  CreateCommand creation;
  creation.title = "title";
  creation.time_zone = "UTC";
  creation.given = {{a, b}, {"", ""}};
  data::User creator;
  creator.id = Id(1);
  Outcome step = Create(creation, {{Id(1), {}}, {Id(2), {}}}, creator, {Id(1), {}, {}}, Id(100), kStart);
  log.push_back(step.entry);
  UpdateCommand update;
  update.etag = "1";
  update.given = GivenSlots{{a}, {""}};
  step = *Update(step.event, update, {Id(2), {}, {}}, kStart);
  log.push_back(step.entry);
  step = *Confirm(step.event, "2", {Id(1), {}, {}}, kStart);
  log.push_back(step.entry);
  log.push_back(Delete(step.event, "3", {Id(3), {}, {}}, kStart)->entry);
  return log;
}

absl::Status Replay(const std::vector<data::LogEntry>& log) {
  data::Event event;
  for (const data::LogEntry& entry : log) PARLEY_RETURN_IF_ERROR(Apply(entry, event));
  return absl::OkStatus();
}

TEST(ReplayTest, A6_WhatCannotHaveHappenedIsNamed) {
  ASSERT_THAT(Replay(Log()), Succeeds());
  const struct {
    const char* what;
    size_t entry;
    std::function<void(data::LogEntry&)> change;
    const char* said;
  } cases[] = {
      {"a gap", 1, [](auto& entry) { entry.sequence = 3; }, "logEntries/3: entry 2 should come next"},
      {"a revision", 1, [](auto& entry) { entry.revision = 3; }, "logEntries/2: the revision should be 2"},
      {"slots", 2, [](auto& entry) { entry.slots.clear(); }, "logEntries/3: the slots"},
      {"a state", 1, [](auto& entry) { entry.data.set_state(v1::Event::AGREED); }, "logEntries/2: the state"},
      {"no affirmation", 2, [](auto& entry) { entry.data.set_affirmed(false); }, "logEntries/3: it did not close"},
      {"no closing", 2, [](auto& entry) { entry.data.set_closed(false); }, "logEntries/3: it closed"},
      {"a stranger", 1, [](auto& entry) { entry.effector_id = Id(9); }, "logEntries/2: someone who is no party"},
      {"another party", 1, [](auto& entry) { entry.effector_id = Id(1); }, "logEntries/2: others should"},
      {"opened twice", 1, [](auto& entry) { entry.data.mutable_opened(); }, "logEntries/2: the first entry alone"},
      {"a change after closing", 3, [](auto& entry) { entry.data.set_title("x"); },
       "logEntries/4: the event was closed"},
  };
  for (const auto& each : cases) {
    auto log = Log();
    each.change(log[each.entry]);
    const absl::Status status = Replay(log);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << each.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(each.said)) << each.what;
  }
  auto log = Log();
  log.push_back(log.back());
  log.back().sequence = 5;
  EXPECT_THAT(std::string(Replay(log).message()), HasSubstr("logEntries/5: the event was deleted before"));
}

}  // namespace
}  // namespace parley::event
