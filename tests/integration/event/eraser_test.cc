// The entries that follow an erasure, one transaction for each event (rule A7).
#include "services/event/eraser.h"

#include <gmock/gmock.h>

#include <set>

#include "common/data/entry_record.h"
#include "common/data/erasures.h"
#include "common/tlog/merkle.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class EraserTest : public EventTest {
 protected:
  // As far as the first transaction goes.
  void BeginErasure(const rpc::Call& user, const rpc::Call& by) {
    const auto erased = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) {
      return data::Erasures(tx).Erase(user.principal.user_id, EffectorOf(by.principal));
    });
    ASSERT_THAT(erased, Succeeds());
    EXPECT_TRUE(*erased);
  }

  bool BlankSome(const rpc::Call& user) {
    const auto more = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) {
      return data::Erasures(tx).BlankSome(user.principal.user_id);
    });
    EXPECT_THAT(more, Succeeds());
    return more.value_or(false);
  }

  void EraseUser(const rpc::Call& user, const rpc::Call& by) {
    BeginErasure(user, by);
    while (BlankSome(user)) {
    }
  }

  // So many events, of whose parties this is one, of which only the parties are there.
  void MakeParty(const rpc::Call& user, int events) {
    database.Sql(absl::StrCat(
        "insert into parley.event_parties (event_id, user_id, position, local_part, salt) select gen_random_uuid(), '",
        user.principal.user_id.ToString(), "', 0, 'canary', sha256('') from generate_series(1, ", events, ")"));
  }
  std::string CountOf(const std::string& rows) { return database.Sql("select count(*)::text from parley." + rows); }
  void MakeDue() { database.Sql("update parley.erasures set next_attempt_time = now()"); }

  // The entries that were written by as many steps as there is something to do.
  int TellAll() {
    int steps = 0;
    for (auto more = eraser.Step(); more.ok() && *more; more = eraser.Step()) ++steps;
    return steps;
  }

  std::vector<v1::LogEntry> Entries(const v1::Event& event) { return *Log(staff, event.name()); }

  // That the log tells what is stored, and each entry is chained to the one before.
  void ExpectSound(const v1::Event& event) {
    std::string hash = data::Event().last_hash;
    for (const data::LogEntry& entry : Replayed(event.name())) {
      EXPECT_EQ(entry.hash, tlog::LeafHash(data::RecordOf(entry, hash)));
      hash = entry.hash;
    }
  }

  Eraser eraser{pool};
};

TEST_F(EraserTest, A7_L1_EachEventThatNamesThePersonGetsOneEntry) {
  ASSERT_OK_AND_ASSIGN(const v1::Event open, Create(ann, Proposal(1)));
  ASSERT_OK_AND_ASSIGN(const v1::Event confirmed, Confirm(bob, open));
  ASSERT_OK_AND_ASSIGN(v1::Event deleted, Create(ann, Proposal()));
  ASSERT_THAT(Delete(staff, deleted), Succeeds());
  ASSERT_OK_AND_ASSIGN(const v1::Event others, Create(ann, [] {
                         auto request = Proposal();
                         request.mutable_event()->mutable_parties()->DeleteSubrange(1, 1);
                         return request;
                       }()));
  EraseUser(bob, bob);
  // Parties see it at once.
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(ann, open.name()));
  EXPECT_EQ(seen.parties(1).address(), "erased");
  EXPECT_TRUE(seen.parties(1).confirmed());

  EXPECT_EQ(TellAll(), 2 + 1) << "two events, and that all are told";
  EXPECT_EQ(CountOf("erasures"), "0");
  EXPECT_EQ(TellAll(), 0);
  for (const v1::Event& event : {open, deleted}) {
    const v1::LogEntry last = Entries(event).back();
    EXPECT_TRUE(last.data().erased());
    EXPECT_EQ(last.effector(), "erased");
    EXPECT_EQ(last.occurrence(), v1::LogEntry::UPDATE);
    EXPECT_FALSE(last.data().closed());
    ExpectSound(event);
  }
  EXPECT_FALSE(Entries(others).back().data().erased());
  ASSERT_OK_AND_ASSIGN(const v1::Event after, Get(ann, open.name()));
  EXPECT_EQ(after.revision(), confirmed.revision());
  EXPECT_FALSE(after.parties(1).confirmed());
  EXPECT_EQ(after.parties_size(), 3) << "E3";
  EXPECT_THAT(Get(bob, open.name()), kHidden) << "whose credential somebody still takes";
}

TEST_F(EraserTest, A7_AnErasedPartyCountsNoLongerFromTheEntryOn) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, [] {
                         auto request = Proposal(1);
                         request.mutable_event()->mutable_parties()->DeleteSubrange(2, 1);
                         return request;
                       }()));
  EraseUser(bob, staff);
  ASSERT_OK_AND_ASSIGN(const v1::Event before, Confirm(ann, event));
  EXPECT_EQ(before.state(), v1::Event::OPEN);
  TellAll();
  ASSERT_OK_AND_ASSIGN(const v1::Event told, Get(ann, event.name()));
  EXPECT_EQ(told.state(), v1::Event::OPEN) << "erasure closes nothing by itself";
  ASSERT_OK_AND_ASSIGN(const v1::Event after, Confirm(ann, told));
  EXPECT_EQ(after.state(), v1::Event::AGREED);
  ExpectSound(event);
}

TEST_F(EraserTest, A7_StaffOnALogAreErasedToo) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(staff, Proposal()));
  const rpc::Call other = UserOf("other@example.org", token::v1::User::STAFF);
  ASSERT_THAT(Get(other, event.name()), Succeeds());
  EXPECT_EQ(Entries(event).back().effector(), "other@example.org");
  EraseUser(other, staff);
  EXPECT_EQ(Entries(event).back().effector(), "erased");
  TellAll();
  EXPECT_TRUE(Entries(event).back().data().erased());
  EXPECT_EQ(Entries(event).back().effector(), "staff@example.org");
  // Who erased is erased before all are told: nobody knows the address that the log would have to name.
  ASSERT_OK_AND_ASSIGN(const v1::Event last, Create(ann, Proposal()));
  EraseUser(bob, staff);
  EraseUser(staff, staff);
  TellAll();
  EXPECT_TRUE(Entries(last).back().data().erased());
  EXPECT_EQ(Entries(last).back().effector(), "erased");
  ExpectSound(event);
  ExpectSound(last);
}

// Calendar entries are taken back in the name of who ended the event, whatever has become of him since (N7).
TEST_F(EraserTest, A7_L5_WhoWasErasedIsNotNamedAgain) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const rpc::Call both = UserOf("guest@example.net", token::v1::User::STAFF);  // a party too
  ASSERT_OK_AND_ASSIGN(const v1::Event last, Create(bob, Proposal()));
  EraseUser(bob, both);
  EraseUser(both, both);
  database.Sql("update parley.erasures set next_attempt_time = now() - interval '1 minute' where user_id = '" +
               both.principal.user_id.ToString() + "'");
  TellAll();
  const auto later = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({IdOf(event)}));
    ++locked.front().last_sequence;
    const data::Effector effector{bob.principal.user_id, std::nullopt, both.principal.user_id};
    return data::LogEntries(tx)
        .Append({data::EntryOf(locked.front(), v1::LogEntry::NOTIFY, effector, tx.now())})
        .status();
  });
  ASSERT_THAT(later, Succeeds());
  for (const v1::Event& each : {event, last}) {
    std::multiset<std::string> named;
    for (const data::LogEntry& entry : Replayed(each.name())) {
      for (size_t at = 0; at < entry.named.size(); at += data::kNamedSize) named.insert(entry.named.substr(at, 16));
    }
    EXPECT_THAT(named, SizeIs(3)) << "the parties, each once";
    ExpectSound(each);
  }
}

TEST_F(EraserTest, A7_WhatWasBrokenOffIsBlankedFirst) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  BeginErasure(bob, staff);
  ASSERT_EQ(CountOf("event_parties where local_part = 'Bob'"), "1");
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(ann, event.name()));
  EXPECT_EQ(seen.parties(1).address(), "erased") << "at once";
  ASSERT_OK_AND_ASSIGN(bool more, eraser.Step());
  EXPECT_FALSE(more) << "the call may still be under way";
  EXPECT_EQ(CountOf("event_parties where local_part = 'Bob'"), "1");
  MakeDue();
  ASSERT_OK_AND_ASSIGN(more, eraser.Step());
  EXPECT_TRUE(more);
  EXPECT_EQ(CountOf("event_parties where local_part = 'Bob'"), "0");
  EXPECT_EQ(CountOf("event_parties where salt = ''"), "1");
  EXPECT_FALSE(Entries(event).back().data().erased());
  EXPECT_EQ(TellAll(), 2);
  EXPECT_TRUE(Entries(event).back().data().erased());
}

TEST_F(EraserTest, A7_ManyEventsAndCallsAreBlankedInSteps) {
  MakeParty(bob, 4100);
  database.Sql(absl::StrCat(
      "insert into parley.request_records (user_id, method, request_id, digest, result_ids, sequence, create_time) "
      "select '",
      bob.principal.user_id.ToString(), "', 'm', gen_random_uuid(), '', '{}', 0, now() from generate_series(1, 6100)"));
  BeginErasure(bob, staff);
  std::vector<std::string> left;
  // By whoever erased, and by the eraser once that one has given up.
  for (const std::string records : {"4100", "2100", "100"}) {
    EXPECT_TRUE(BlankSome(bob));
    left.push_back(CountOf("event_parties where local_part = 'canary'"));
    EXPECT_EQ(CountOf("request_records"), records);
  }
  EXPECT_THAT(left, ElementsAre("2100", "100", "0"));
  MakeDue();
  EXPECT_THAT(eraser.Step(), Succeeds());
  EXPECT_EQ(CountOf("request_records"), "0");
  EXPECT_EQ(database.Sql("select blanked and after_event_id = '00000000-0000-0000-0000-000000000000' "
                         "from parley.erasures"),
            "t");
  EXPECT_FALSE(BlankSome(bob)) << "which is harmless";
}

TEST_F(EraserTest, A7_NoErasureWaitsForALongOne) {
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Create(bob, Proposal()), Succeeds());
  EraseUser(bob, bob);
  ASSERT_THAT(eraser.Step(), Succeeds());
  auto request = Proposal();
  request.mutable_event()->mutable_parties()->Clear();
  request.mutable_event()->add_parties()->set_address("eve@example.org");
  ASSERT_OK_AND_ASSIGN(const v1::Event eves, Create(ann, request));
  EraseUser(eve, eve);
  ASSERT_THAT(eraser.Step(), Succeeds());
  ASSERT_THAT(eraser.Step(), Succeeds());
  EXPECT_TRUE(Entries(eves).back().data().erased());
  // What shows an address comes before what is to be told.
  const rpc::Call third = UserOf("third@example.org", token::v1::User::MEMBER);
  MakeParty(third, 1);
  BeginErasure(third, third);
  MakeDue();
  ASSERT_THAT(eraser.Step(), Succeeds());
  EXPECT_EQ(CountOf("event_parties where local_part = 'canary'"), "0");
}

TEST_F(EraserTest, A7_WhatFailsIsTriedAgainAndKeepsNoOtherWaiting) {
  ASSERT_OK_AND_ASSIGN(const v1::Event bobs, Create(bob, Proposal()));
  EraseUser(eve, staff);
  database.Sql("insert into parley.event_parties (event_id, user_id, position, local_part, salt) values ('" +
               Uuid::TimeOrdered().ToString() + "', '" + eve.principal.user_id.ToString() + "', 0, '', '')");
  EXPECT_FALSE(eraser.Step().ok()) << "of an event that there is not";
  EraseUser(bob, bob);
  EXPECT_EQ(TellAll(), 2);
  EXPECT_TRUE(Entries(bobs).back().data().erased());
  EXPECT_EQ(database.Sql("select user_id from parley.erasures"), eve.principal.user_id.ToString());
}

TEST_F(EraserTest, A7_ManyErasersTellEachEventOnce) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 40; ++i) events.push_back(*Create(ann, Proposal()));
  EraseUser(bob, bob);
  EraseUser(ann, staff);
  AtOnce(3, [&](size_t) {
    Eraser other(pool);
    while (CountOf("erasures") != "0") EXPECT_THAT(other.Step(), Succeeds());
  });
  for (const v1::Event& event : events) {
    std::vector<bool> erased;
    for (const v1::LogEntry& entry : Entries(event)) erased.push_back(entry.data().erased());
    EXPECT_THAT(erased, ElementsAre(false, true, true)) << event.name();
    ExpectSound(event);
  }
}

}  // namespace
}  // namespace parley::event
