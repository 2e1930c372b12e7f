// E11: past revisions, read back as they stood.
#include "common/data/log_entries.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

class RevisionsTest : public EventTest {
 protected:
  // An entry as the notification service writes it.
  void Notify(const v1::Event& event) {
    const auto status = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({IdOf(event)}));
      ++locked.front().last_sequence;
      auto entry = data::EntryOf(locked.front(), v1::LogEntry::NOTIFY,
                                 {ann.principal.user_id, std::nullopt, std::nullopt}, tx.now());
      entry.data.set_recipient_id(bob.principal.user_id.ToBytes());
      return data::LogEntries(tx).Append({entry}).status();
    });
    EXPECT_THAT(status, Succeeds());
  }

  // How the event stood at the last entry of each revision: what each call answered.
  v1::Event Stood(const absl::StatusOr<v1::Event>& answer) {
    EXPECT_THAT(answer, Succeeds());
    stood_[answer->revision()] = *answer;
    return *answer;
  }

  std::map<int64_t, v1::Event> stood_;
};

TEST_F(RevisionsTest, E11_EachRevisionAsItStoodAtItsLastEntry) {
  auto request = Proposal(3);
  request.mutable_event()->set_title("Lunch");
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  v1::Event event = Stood(Create(ann, request));
  event = Stood(Get(bob, event.name()));  // which confirms
  Notify(event);
  event = Stood(Retitle(staff, event, "Dinner"));
  event = Stood(Get(staff, event.name()));
  auto update = UpdateOf(event);
  update.mutable_event()->set_time_zone("Asia/Tokyo");
  event = Stood(Update(bob, update));
  event = Stood(Narrow(bob, event, 1));
  event = Stood(Confirm(ann, event));
  event = Stood(Get(GuestOf(Named("guest@example.net"), event), event.name()));
  ASSERT_EQ(event.state(), v1::Event::AGREED);
  Notify(event);
  const v1::Event successor = *Reopen(ann, event);
  event = Stood(Get(bob, event.name()));
  EXPECT_EQ(event.successor(), successor.name()) << "a closed event keeps its revision when it is reopened";
  ASSERT_EQ(event.revision(), 5);
  ASSERT_EQ(stood_.size(), 5u);

  const std::string before = Digest();
  for (const rpc::Call& caller : {ann, staff, GuestOf(bob, event)}) {
    for (const auto& [revision, as_it_stood] : stood_) {
      const auto past = Get(caller, event.name(), revision);
      ASSERT_THAT(past, Succeeds());
      EXPECT_THAT(*past, EqualsProto(as_it_stood)) << revision;
      EXPECT_EQ(past->etag(), std::to_string(revision));
    }
    for (const int64_t revision : {int64_t{6}, int64_t{7}, std::numeric_limits<int64_t>::max()}) {
      const auto none = Get(caller, event.name(), revision);
      EXPECT_THAT(none, kAbsent);
      EXPECT_EQ(MetadataOf(none.status(), "resource"), absl::StrCat(event.name(), "@", revision));
    }
  }
  EXPECT_THAT(Get(ann, event.name(), -1), kInvalid);
  EXPECT_THAT(Get(eve, event.name(), 1), kHidden);
  EXPECT_THAT(Get(eve, event.name(), 99), kHidden);
  EXPECT_EQ(Digest(), before) << "L1: none of it writes an entry";

  ASSERT_THAT(Delete(staff, event), Succeeds());
  for (const rpc::Call& caller : {ann, staff}) {
    EXPECT_THAT(Get(caller, event.name(), 1), kAbsent);
    EXPECT_THAT(Get(caller, event.name(), 6), kAbsent);
  }
  EXPECT_THAT(Get(eve, event.name(), 1), kHidden);
}

TEST_F(RevisionsTest, E11_A2_ReadingTheLogConfirmsNothing) {
  auto request = Proposal(1);
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  request.mutable_event()->mutable_parties()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, request));
  ASSERT_OK_AND_ASSIGN(const v1::Event past, Get(bob, event.name(), 1));
  EXPECT_THAT(past, EqualsProto(event));
  v1::ListEventsResponse events;
  ASSERT_THAT(ListEvents(context, bob, {}, events), Succeeds());
  EXPECT_THAT(events.events(0), EqualsProto(event));
  ASSERT_THAT(Log(bob, event.name()), Succeeds());
  EXPECT_EQ(Replayed(event.name()).size(), 1u);
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(bob, event.name()));
  EXPECT_EQ(seen.state(), v1::Event::AGREED) << "while a view does";
}

TEST_F(RevisionsTest, E11_AnEventOfManyEntriesIsReadBackWhole) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  // More than are read at once, of one revision, and another revision behind them.
  database.Sql(absl::StrCat(R"(
    insert into parley.log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, slots, data,
                                    named, hash)
    select event_id, i, create_time, 'VIEW', effector_id, revision, slots, '', '', ''
    from parley.log_entries, generate_series(2, 2500) i where event_id = ')",
                            IdOf(event).ToString(), "'"));
  database.Sql("update parley.events set last_sequence = 2500");
  ASSERT_OK_AND_ASSIGN(const v1::Event confirmed, Confirm(bob, event));
  ASSERT_OK_AND_ASSIGN(const v1::Event retitled, Retitle(ann, confirmed, "other"));
  EXPECT_THAT(*Get(ann, event.name(), 1), EqualsProto(confirmed));
  EXPECT_THAT(*Get(ann, event.name(), 2), EqualsProto(retitled));
  EXPECT_THAT(Get(ann, event.name(), 3), kAbsent);
}

}  // namespace
}  // namespace parley::event
