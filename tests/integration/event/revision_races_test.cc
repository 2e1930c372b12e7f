// Many callers of one event at once, in rounds: who wins, what the others are told, and what the log then shows.
#include <atomic>
#include <set>

#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::AnyOf;

class RevisionRacesTest : public EventTest {
 protected:
  using Result = absl::StatusOr<v1::Event>;

  static std::vector<Result> Undecided(size_t count) { return std::vector<Result>(count, absl::UnknownError("")); }

  // Whoever closed the event as agreed found that all parties had affirmed the slots since they were last set (A3).
  static void ExpectAgreedByAll(const std::vector<data::LogEntry>& entries) {
    std::set<Uuid> affirmed;
    for (const data::LogEntry& entry : entries) {
      if (entry.data.slots_changed()) affirmed.clear();
      if (entry.data.affirmed()) affirmed.insert(entry.effector_id);
      if (entry.data.state() != v1::Event::AGREED) continue;
      EXPECT_EQ(affirmed.size(), static_cast<size_t>(entries[0].data.opened().party_ids_size()));
      EXPECT_EQ(entry.slots.size(), 1u);
    }
  }

  static size_t Winners(const std::vector<Result>& results) {
    return static_cast<size_t>(
        std::count_if(results.begin(), results.end(), [](const Result& each) { return each.ok(); }));
  }
};

TEST_F(RevisionRacesTest, E8_L1_L2_OneOfAHundredWinsEachOfThirtyRevisions) {
  ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ann, Proposal()));
  const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
  const rpc::Call* callers[] = {&ann, &bob, &guest, &staff};
  constexpr size_t kCallers = 100;
  std::vector<size_t> winners;
  for (int round = 0; round < 30; ++round) {
    auto results = Undecided(kCallers);
    AtOnce(kCallers, [&](size_t i) { results[i] = Move(*callers[i % 4], event, round * 100 + static_cast<int>(i)); });
    ASSERT_EQ(Winners(results), 1u);
    const std::string next = std::to_string(round + 2);
    for (size_t i = 0; i < kCallers; ++i) {
      if (results[i].ok()) {
        winners.push_back(i);
        event = *results[i];
      } else {
        ASSERT_THAT(results[i], kStaleEtag);
        EXPECT_EQ(MetadataOf(results[i].status(), "etag"), next);
      }
    }
    ASSERT_EQ(event.etag(), next);
  }
  const auto entries = Replayed(event.name());
  ASSERT_EQ(entries.size(), 31u) << "exactly the winners";
  for (size_t round = 0; round < 30; ++round) {
    const data::LogEntry& entry = entries[round + 1];
    EXPECT_EQ(entry.sequence, static_cast<int64_t>(round + 2));
    EXPECT_EQ(entry.revision, static_cast<int64_t>(round + 2));
    EXPECT_EQ(entry.effector_id, callers[winners[round] % 4]->principal.user_id);
    v1::Event moved;
    AddSlot(moved, static_cast<int>(round * 100 + winners[round]));
    ASSERT_EQ(entry.slots.size(), 1u);
    EXPECT_EQ(absl::ToUnixSeconds(entry.slots[0].start), moved.slots(0).start_time().seconds());
  }
}

TEST_F(RevisionRacesTest, E8_E10_NothingHappensToAnEventAfterItsDeletion) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_OK_AND_ASSIGN(const v1::Event created, Create(ann, Proposal()));
    std::atomic<size_t> updates = 0, deletions = 0;
    AtOnce(16, [&](size_t i) {
      v1::Event known = created;
      while (true) {  // until it is gone
        absl::Status status;
        if (i == 0 && updates >= 5) {
          status = Delete(staff, known);
          if (status.ok()) ++deletions;
          if (status.ok()) break;
        } else {
          status = Retitle(i % 2 == 0 ? ann : bob, known, absl::StrCat(i, " to ", known.etag())).status();
          if (status.ok()) ++updates;
        }
        if (status.code() == absl::StatusCode::kNotFound) break;
        ASSERT_THAT(status, AnyOf(Succeeds(), kStaleEtag));
        known.set_etag(status.ok() ? std::to_string(std::stoi(known.etag()) + 1) : MetadataOf(status, "etag"));
      }
    });
    EXPECT_EQ(deletions, 1u);
    const auto entries = Replayed(created.name());
    EXPECT_EQ(entries.size(), 1 + updates + deletions);
    EXPECT_TRUE(entries.back().data.deleted());
    EXPECT_EQ(entries.back().revision, static_cast<int64_t>(entries.size()));
  }
}

TEST_F(RevisionRacesTest, A2_A3_NeverAgreedOnSlotsThatNotAllAffirmed) {
  for (int round = 0; round < 24; ++round) {
    auto request = Proposal(1);
    const bool by_view = round % 2 == 0;
    if (by_view) request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
    ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, request));
    const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
    auto results = Undecided(9);
    AtOnce(results.size(), [&](size_t i) {
      const rpc::Call* callers[] = {&ann, &bob, &guest};
      const rpc::Call& caller = *callers[i % 3];
      if (i / 3 == 2) {
        results[i] = Move(i == 6 ? staff : caller, event, static_cast<int>(i));
      } else {
        results[i] = by_view ? Get(caller, event.name()) : Confirm(caller, event);
      }
    });
    const auto entries = Replayed(event.name());
    ExpectAgreedByAll(entries);
    EXPECT_EQ(entries.size(), Winners(results) + 1) << "L1";
    for (size_t i = 0; i < results.size(); ++i) {
      if (by_view && i < 6) {
        ASSERT_THAT(results[i], Succeeds());
        EXPECT_TRUE(results[i]->parties(static_cast<int>(i % 3)).confirmed() || results[i]->state() != v1::Event::OPEN)
            << "who sees it has confirmed what he saw: " << results[i]->DebugString();
      } else if (!results[i].ok()) {
        EXPECT_THAT(results[i], AnyOf(kStaleEtag, kClosedEvent));
      }
    }
  }
}

TEST_F(RevisionRacesTest, A5_U2_OneSuccessorAndNoUsersOfTheOthers) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const int users = Count("users");
  auto results = Undecided(50);
  AtOnce(results.size(), [&](size_t i) {
    v1::ReopenEventRequest request;
    request.set_name(event.name());
    request.set_etag("1");
    request.add_parties()->set_address(absl::StrCat("new", i, "@example.com"));
    results[i] = Reopen(i % 2 == 0 ? ann : staff, request);
  });
  ASSERT_EQ(Winners(results), 1u);
  EXPECT_EQ(Count("events"), 2);
  EXPECT_EQ(Count("users"), users + 1);
  EXPECT_EQ(Count("log_entries"), 3);
  const std::string successor =
      std::find_if(results.begin(), results.end(), [](const Result& each) { return each.ok(); })->value().name();
  for (const Result& each : results) {
    if (each.ok()) continue;
    EXPECT_THAT(each, kReopenedEvent);
    EXPECT_EQ(MetadataOf(each.status(), "successor"), successor);
  }
  Replayed(event.name());
  EXPECT_EQ(Replayed(successor)[0].data.predecessor_id(), IdOf(event).ToBytes());
}

TEST_F(RevisionRacesTest, A4_A5_ReopenRacesConfirm) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal(1)));
    const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
    Result reopened = absl::UnknownError(""), by_bob = reopened, by_guest = reopened;
    AtOnce(3, [&](size_t i) {
      if (i == 0) by_bob = Confirm(bob, event);
      if (i == 1) by_guest = Confirm(guest, event);
      if (i == 2) reopened = Reopen(ann, event);
    });
    const auto entries = Replayed(event.name());
    ExpectAgreedByAll(entries);
    if (reopened.ok()) {
      EXPECT_FALSE(by_bob.ok() && by_guest.ok());
      for (const Result& each : {by_bob, by_guest}) EXPECT_THAT(each, AnyOf(Succeeds(), kClosedEvent));
      EXPECT_EQ(entries.back().data.state(), v1::Event::SUPERSEDED);
      Replayed(reopened->name());
    } else {
      EXPECT_THAT(reopened, kStaleEtag);
      EXPECT_EQ(entries.back().data.state(), v1::Event::AGREED);
    }
  }
}

TEST_F(RevisionRacesTest, A5_E10_DeleteRacesReopen) {
  for (int round = 0; round < 20; ++round) {
    // Reopening leaves the revision of a closed event, so that it can be deleted all the same; an open one is closed.
    const bool closed = round % 2 == 0;
    auto request = Proposal(1);
    if (closed) request.mutable_event()->clear_parties();
    ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ann, request));
    if (closed) event = *Confirm(ann, event);
    Result reopened = absl::UnknownError("");
    absl::Status deleted;
    AtOnce(2, [&](size_t i) {
      if (i == 0) reopened = Reopen(ann, event);
      if (i == 1) deleted = Delete(staff, event);
    });
    EXPECT_THAT(reopened, AnyOf(Succeeds(), kAbsent));
    EXPECT_THAT(deleted, AnyOf(Succeeds(), kStaleEtag));
    EXPECT_TRUE(deleted.ok() || (!closed && reopened.ok()));
    EXPECT_TRUE(closed || !deleted.ok() || !reopened.ok());
    const auto entries = Replayed(event.name());
    EXPECT_EQ(entries.back().data.deleted(), deleted.ok());
    EXPECT_EQ(entries.size(), (closed ? 2u : 1u) + reopened.ok() + deleted.ok());
    if (reopened.ok()) {
      EXPECT_EQ(Replayed(reopened->name()).size(), 1u);
    }
  }
  EXPECT_EQ(database.Sql("select count(*) from parley.events where successor_id is not null"),
            database.Sql("select count(*) from parley.events where predecessor_id is not null"));
}

TEST_F(RevisionRacesTest, U2_TwoHundredEventsThatNameOneNewAddressMakeOneUser) {
  const int users = Count("users");
  std::vector<absl::Status> results(200, absl::UnknownError(""));
  AtOnce(results.size(), [&](size_t i) {
    auto request = Proposal();
    request.mutable_event()->add_parties()->set_address(i % 2 == 0 ? "brand.new@example.net" : "Brand.New@EXAMPLE.net");
    results[i] = Create(ann, request).status();
  });
  for (const absl::Status& each : results) EXPECT_THAT(each, Succeeds());
  EXPECT_EQ(Count("users"), users + 2) << "it and guest@example.net";
  EXPECT_EQ(database.Sql("select state || count(*) from parley.users where address_key = 'brand.new@example.net' "
                         "group by state"),
            "INACTIVE1");
  EXPECT_EQ(database.Sql("select count(distinct user_id) || ' ' || count(*) from parley.event_parties "
                         "where lower(local_part) = 'brand.new'"),
            "1 200");
}

}  // namespace
}  // namespace parley::event
