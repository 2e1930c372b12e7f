// parleyctl log replay on real logs, and on some that an administrator has changed.
#include <gmock/gmock.h>

#include <algorithm>

#include "services/parleyctl/commands.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::HasSubstr;

class ReplayLogTest : public EventTest {
 protected:
  // Proposed, viewed, narrowed, confirmed by all: agreed; reopened.
  v1::Event Negotiate() {
    auto proposal = Proposal();
    proposal.mutable_event()->mutable_parties()->RemoveLast();
    const v1::Event proposed = *Create(ann, proposal);
    EXPECT_THAT(Get(bob, proposed.name()), Succeeds());
    const v1::Event narrowed = *Narrow(bob, proposed, 1);
    const v1::Event agreed = *Confirm(ann, narrowed);
    EXPECT_EQ(agreed.state(), v1::Event::AGREED);
    v1::ReopenEventRequest reopen;
    reopen.set_name(agreed.name());
    reopen.set_etag(agreed.etag());
    v1::Event successor;
    EXPECT_THAT(ReopenEvent(context, ann, reopen, successor), Succeeds());
    return agreed;
  }

  absl::StatusOr<std::string> Replay(const std::string& event) { return ctl::ReplayLog(database.service_url(), event); }
};

TEST_F(ReplayLogTest, A6_TheLogTellsWhatIsStored) {
  const v1::Event event = Negotiate();
  ASSERT_OK_AND_ASSIGN(const std::string lines, Replay(event.name()));
  EXPECT_EQ(std::ranges::count(lines, '\n'), 6);
  EXPECT_THAT(lines, HasSubstr("confirmed 2 of 2"));
  EXPECT_THAT(lines, HasSubstr("the log tells what is stored: \"" + event.title() + "\", AGREED, revision 3\n"));
  EXPECT_EQ(*Replay(event.name().substr(7)), lines) << "by its id alone";
  ASSERT_THAT(Delete(staff, event), Succeeds());
  EXPECT_THAT(*Replay(event.name()), HasSubstr("deleted"));
}

TEST_F(ReplayLogTest, WhatNamesNoEventIsRefused) {
  EXPECT_EQ(Replay("events/17").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Replay("events/" + Uuid::TimeOrdered().ToString()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ReplayLogTest, A6_WhatWasChangedByHandIsNamed) {
  const v1::Event event = Negotiate();
  const std::string of_event = " where event_id = '" + event.name().substr(7) + "'";
  const struct {
    std::string change;
    const char* said;
  } cases[] = {
      {"update parley.events set title = 'other'" + of_event, "title is stored otherwise"},
      {"update parley.events set confirmed_ids = '{}'" + of_event, "confirmed parties is stored otherwise"},
      {"update parley.events set state = 'ABANDONED'" + of_event, "state is stored otherwise"},
      {"update parley.log_entries set revision = 7" + of_event + " and sequence = 3", "logEntries/3: the revision"},
      {"update parley.log_entries set slots = '{}'" + of_event + " and sequence = 2", "logEntries/2: the slots"},
      {"delete from parley.log_entries" + of_event + " and sequence = 2", "logEntries/3: entry 2 should come next"},
      {"delete from parley.log_entries" + of_event + " and sequence = 5", "the log ends at entry 4, not 5"},
  };
  database.Sql(
      "create table events_before as select * from parley.events;"
      "create table entries_before as select * from parley.log_entries");
  for (const auto& each : cases) {
    database.Sql(each.change);
    const auto lines = Replay(event.name());
    EXPECT_EQ(lines.status().code(), absl::StatusCode::kDataLoss) << each.change;
    EXPECT_THAT(std::string(lines.status().message()), HasSubstr(each.said)) << each.change;
    database.Sql(
        "delete from parley.events; insert into parley.events select * from events_before;"
        "delete from parley.log_entries; insert into parley.log_entries select * from entries_before");
    ASSERT_THAT(Replay(event.name()), Succeeds());
  }
}

}  // namespace
}  // namespace parley::event
