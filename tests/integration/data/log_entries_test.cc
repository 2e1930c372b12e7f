#include "common/data/log_entries.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "common/data/users.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Succeeds;

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

TEST(LogEntriesTest, L2_WhatIsAppendedIsRead) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 2);
  const Slot slot{absl::FromUnixSeconds(1800000000), absl::Hours(1)};
  Event one, two;
  const absl::Status inserted = Transact(pool, Soon(), [&](Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto users, Users(tx).FindOrCreate({{"Ann", "example.org"}, {"bob", "example.org"}}));
    for (Event* event : {&one, &two}) {
      event->id = Uuid::TimeOrdered();
      event->title = "title";
      event->initiator_id = users[0].id;
      for (const User& user : users) event->parties.push_back({user.id, user.address});
      event->create_time = event->update_time = tx.now();
      event->last_sequence = 1;
    }
    one.slots = {slot, {slot.start, absl::Hours(2)}};
    one.confirmed_ids = {users[0].id};
    return Events(tx).Insert({one, two});
  });
  ASSERT_THAT(inserted, Succeeds());

  auto entry_of = [&](const Event& event, int64_t sequence, LogEntry::Occurrence occurrence) {
    LogEntry entry;
    entry.event_id = event.id;
    entry.sequence = sequence;
    entry.create_time = event.create_time;
    entry.occurrence = occurrence;
    entry.effector_id = event.initiator_id;
    entry.revision = event.revision;
    entry.slots = event.slots;
    entry.data.set_title(std::string("t\0", 2));
    return entry;
  };
  const std::vector<LogEntry> entries{entry_of(one, 1, event::v1::LogEntry::UPDATE),
                                      entry_of(two, 1, event::v1::LogEntry::UPDATE),
                                      entry_of(one, 2, event::v1::LogEntry::VIEW)};
  ASSERT_THAT(Transact(pool, Soon(), [&](Transaction& tx) { return LogEntries(tx).Append(entries); }), Succeeds());

  struct Read {
    std::vector<Event> events;
    std::vector<LogEntry> entries, second_page;
  };
  const auto read = Transact(pool, Soon(), [&](Transaction& tx) -> absl::StatusOr<Read> {
    Read result;
    PARLEY_ASSIGN_OR_RETURN(result.events, Events(tx).Lock({two.id, one.id, Uuid::TimeOrdered()}));
    PARLEY_ASSIGN_OR_RETURN(result.entries, LogEntries(tx).List(one.id, 0, 10));
    PARLEY_ASSIGN_OR_RETURN(result.second_page, LogEntries(tx).List(one.id, 1, 10));
    return result;
  });
  ASSERT_THAT(read, Succeeds());
  ASSERT_EQ(read->events.size(), 2u);
  const Event& stored = read->events[0];
  EXPECT_EQ(stored.id, one.id);
  EXPECT_EQ(stored.slots, one.slots);
  EXPECT_EQ(stored.confirmed_ids, one.confirmed_ids);
  EXPECT_EQ(stored.last_sequence, 2) << "raised by Append";
  EXPECT_EQ(stored.create_time, one.create_time);
  ASSERT_EQ(stored.parties.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(stored.parties[i].user_id, one.parties[i].user_id);
    EXPECT_EQ(stored.parties[i].address.ToString(), one.parties[i].address.ToString());
  }
  EXPECT_EQ(read->events[1].last_sequence, 1);
  EXPECT_TRUE(read->events[1].slots.empty());
  ASSERT_EQ(read->entries.size(), 2u);
  EXPECT_EQ(read->entries[1].sequence, 2);
  EXPECT_EQ(read->entries[1].occurrence, event::v1::LogEntry::VIEW);
  EXPECT_EQ(read->entries[1].slots, one.slots);
  EXPECT_EQ(read->entries[1].data.title(), std::string("t\0", 2));
  ASSERT_EQ(read->second_page.size(), 1u);
  EXPECT_EQ(read->second_page[0].sequence, 2);
}

}  // namespace
}  // namespace parley::data
