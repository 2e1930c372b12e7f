#include "services/event/steps.h"

#include <random>

#include "services/event/event_messages.h"
#include "services/event/replay.h"
#include "tests/integration/event/tree_test.h"

namespace parley::event {
namespace {

using test::Succeeds;

class StepsTest : public TreeTest {
 protected:
  // Some events with logs of some length, made by several in turn.
  void MakeEvents() {
    for (int i = 0; i < 4; ++i) {
      ASSERT_OK_AND_ASSIGN(v1::Event event, Create(i % 2 == 0 ? ann : staff, Proposal()));
      for (int j = 0; j < 3; ++j) {
        ASSERT_OK_AND_ASSIGN(event, Retitle(bob, event, absl::StrCat("title ", i, " ", j)));
        ASSERT_THAT(Get(staff, event.name()), Succeeds());
        ASSERT_OK_AND_ASSIGN(event, Move(ann, event, i + j));
      }
      ASSERT_OK_AND_ASSIGN(event, Confirm(bob, event));
      // What changes nothing, at the end.
      for (int j = 0; j < i; ++j) ASSERT_THAT(Get(staff, event.name()), Succeeds());
      if (i == 1) {
        ASSERT_THAT(Delete(staff, event), Succeeds());
      }
      if (i == 2) {
        ASSERT_THAT(Reopen(ann, event), Succeeds());
      }
      ids.push_back(IdOf(event));
    }
  }

  std::vector<data::LogEntry> AllEntries() {
    std::vector<data::LogPosition> beginnings;
    for (const Uuid& id : ids) beginnings.push_back({id, 0});
    return *Do([&](data::Transaction& tx) { return data::LogEntries(tx).ListBehind(beginnings, 1000); });
  }

  std::vector<Step> Read(StepReader& reader, const std::vector<data::LogEntry>& entries) {
    auto steps = data::Transact(
        pool, Soon(), [&](data::Transaction& tx) { return reader.Read(tx, entries); }, data::Isolation::kSnapshot);
    EXPECT_THAT(steps, Succeeds());
    return steps.ok() ? *std::move(steps) : std::vector<Step>();
  }

  // As it is read back from the log, apart from all others.
  std::string Expected(const data::LogEntry& entry) {
    const auto event = Do([&](data::Transaction& tx) -> absl::StatusOr<data::Event> {
      PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({entry.event_id}));
      return ReadBackEntry(tx, found.front(), entry.sequence);
    });
    v1::Event proto;
    ToProto(*event, proto);
    return proto.DebugString();
  }

  std::vector<Uuid> ids;
};

TEST_F(StepsTest, A6_EachEntryComesWithTheEventAsItThenStood) {
  MakeEvents();
  const auto entries = AllEntries();
  StepReader reader(2);
  const auto steps = Read(reader, entries);
  ASSERT_EQ(steps.size(), entries.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].log_entry.name(), data::NameOf(entries[i].event_id, entries[i].sequence));
    EXPECT_EQ(steps[i].event.DebugString(), Expected(entries[i])) << steps[i].log_entry.name();
    EXPECT_EQ(steps[i].party_ids.size(), 3);
  }
}

TEST_F(StepsTest, A6_WhicheverEntriesAreAskedForAndHoweverTheyComeTogether) {
  MakeEvents();
  const auto entries = AllEntries();
  std::map<std::string, std::string> expected;
  for (const auto& entry : entries) expected[data::NameOf(entry.event_id, entry.sequence)] = Expected(entry);
  std::mt19937 random(20261125);
  for (int run = 0; run < 20; ++run) {
    StepReader reader(2);
    std::vector<data::LogEntry> some;
    for (const auto& entry : entries) {
      if (random() % 3 == 0) some.push_back(entry);
      if (random() % 4 != 0) continue;
      for (const Step& step : Read(reader, some)) {
        ASSERT_EQ(step.event.DebugString(), expected[step.log_entry.name()]) << step.log_entry.name();
      }
      some.clear();
    }
  }
}

TEST_F(StepsTest, EntriesAreListedFromTheirPositionsOn) {
  MakeEvents();
  const auto listed = Do([&](data::Transaction& tx) {
    return data::LogEntries(tx).ListBehind({{ids[0], 2}, {ids[1], 100}, {ids[2], 0}}, 3);
  });
  std::vector<std::pair<Uuid, int64_t>> found;
  for (const auto& entry : *listed) found.emplace_back(entry.event_id, entry.sequence);
  EXPECT_THAT(found, testing::ElementsAre(std::pair(ids[0], 3), std::pair(ids[0], 4), std::pair(ids[0], 5),
                                          std::pair(ids[2], 1), std::pair(ids[2], 2), std::pair(ids[2], 3)));
  const auto beyond = Do([&](data::Transaction& tx) {
    return data::Events(tx).GoneBeyond({ids[0], ids[1]}, {10, 13});
  });
  EXPECT_THAT(*beyond, testing::ElementsAre(ids[0]));
}

TEST_F(StepsTest, OfTheTreeThoseAreListedThatAreWanted) {
  MakeEvents();
  ASSERT_THAT(process.Step(), Succeeds());
  const auto names_of = [&](int64_t begin, int64_t end, std::vector<data::LogEntry::Occurrence> occurrences,
                            std::optional<std::vector<Uuid>> parties, int limit) {
    const auto placed = Do([&](data::Transaction& tx) {
      return data::LogEntries(tx).ListPlaced(begin, end, occurrences, parties, limit);
    });
    std::vector<int64_t> leaves;
    for (const auto& each : *placed) leaves.push_back(each.leaf_index);
    return leaves;
  };
  const int64_t count = Count("log_entries");
  const std::vector<data::LogEntry::Occurrence> all = {v1::LogEntry::UPDATE, v1::LogEntry::NOTIFY, v1::LogEntry::VIEW};
  EXPECT_EQ(names_of(0, count, all, std::nullopt, 1000).size(), count);
  EXPECT_THAT(names_of(3, 9, all, std::nullopt, 4), testing::ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(names_of(0, count, {v1::LogEntry::VIEW}, std::nullopt, 1000).size(), 12 + 6);
  EXPECT_EQ(names_of(0, count, all, {{eve.principal.user_id}}, 1000).size(), 0);
  EXPECT_EQ(names_of(0, count, all, {{eve.principal.user_id, bob.principal.user_id}}, 1000).size(), count);
}

}  // namespace
}  // namespace parley::event
