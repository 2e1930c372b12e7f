// Many callers of one event at once: no state that the rules do not allow, and a log that tells how it came.
#include <gmock/gmock.h>

#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/data/log_entries.h"
#include "google/rpc/error_details.pb.h"
#include "services/event/replay.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::IsEmpty;

class RacesTest : public EventTest {
 protected:
  // Runs all at once, and waits for them.
  static void AtOnce(const std::vector<std::function<void()>>& calls) {
    std::vector<std::thread> threads;
    for (const auto& call : calls) threads.emplace_back(call);
    for (std::thread& thread : threads) thread.join();
  }

  absl::StatusOr<v1::Event> Reopen(const rpc::Call& call, const v1::Event& event) {
    v1::ReopenEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    v1::Event successor;
    PARLEY_RETURN_IF_ERROR(ReopenEvent(context, call, request, successor));
    return successor;
  }

  absl::StatusOr<v1::Event> Retitle(const rpc::Call& call, const v1::Event& event, const std::string& title) {
    v1::UpdateEventRequest request;
    request.mutable_event()->set_name(event.name());
    request.mutable_event()->set_etag(event.etag());
    request.mutable_event()->set_title(title);
    v1::Event updated;
    PARLEY_RETURN_IF_ERROR(UpdateEvent(context, call, request, updated));
    return updated;
  }

  // The log, which must be a possible one, and the one of what is stored (A6).
  std::vector<data::LogEntry> Replayed(const std::string& name) {
    const Uuid id = *Uuid::Parse(name.substr(7));
    std::vector<data::LogEntry> entries;
    data::Event stored;
    const auto read = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(auto events, data::Events(tx).Find({id}));
      stored = std::move(events.front());
      PARLEY_ASSIGN_OR_RETURN(entries, data::LogEntries(tx).List(id, 0, 100000));
      return absl::OkStatus();
    });
    EXPECT_THAT(read, Succeeds());
    data::Event replayed;
    for (const data::LogEntry& entry : entries) EXPECT_THAT(Apply(entry, replayed), Succeeds());
    EXPECT_THAT(Differences(replayed, stored), IsEmpty());
    return entries;
  }

  // Two parties, ann and bob; ann has confirmed the slots.
  v1::Event Propose(int slots, v1::AgreementPolicy::ConfirmedBy confirmed_by = v1::AgreementPolicy::UPDATE) {
    auto request = Proposal(slots);
    request.mutable_event()->mutable_parties()->RemoveLast();
    request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(confirmed_by);
    return *Create(ann, request);
  }
};

const auto kStale = Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH);
const auto kClosed = Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED);
const auto kReopened = Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_REOPENED);

TEST_F(RacesTest, E8_A6_OfAHundredUpdatesOneWinsEachRevision) {
  const v1::Event proposed = Propose(3);
  constexpr int kCallers = 100;
  constexpr int kRevisions = 20;
  std::mutex mutex;
  std::map<int64_t, std::string> winners;  // title by revision
  std::vector<std::function<void()>> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.push_back([&, i] {
      v1::Event known = proposed;
      for (int round = 0; known.revision() < kRevisions; ++round) {
        const std::string title = absl::StrCat("caller ", i, " in round ", round);
        const auto updated = Retitle(i % 2 == 0 ? ann : bob, known, title);
        if (updated.ok()) {
          known = *updated;
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(winners.emplace(known.revision(), title).second) << "two have won " << known.revision();
          continue;
        }
        ASSERT_THAT(updated, kStale);
        google::rpc::ErrorInfo info;
        info.ParseFromString(std::string(*updated.status().GetPayload("type.googleapis.com/google.rpc.ErrorInfo")));
        const std::string etag = info.metadata().at("etag");
        EXPECT_GT(std::stoll(etag), known.revision()) << "it is told what there is now";
        known.set_etag(etag);
        known.set_revision(std::stoll(etag));
      }
    });
  }
  AtOnce(callers);
  const auto entries = Replayed(proposed.name());
  ASSERT_EQ(entries.size(), winners.size() + 1) << "the log shows exactly the winners";
  for (size_t i = 1; i < entries.size(); ++i) EXPECT_EQ(entries[i].data.title(), winners[entries[i].revision]);
}

TEST_F(RacesTest, E10_UpdateRacesDelete) {
  for (int round = 0; round < 20; ++round) {
    const v1::Event event = Propose(3);
    absl::StatusOr<v1::Event> updated = absl::UnknownError("");
    absl::Status deleted;
    AtOnce({[&] { updated = Retitle(bob, event, "other"); }, [&] { deleted = Delete(staff, event); }});
    EXPECT_NE(updated.ok(), deleted.ok()) << "one of the two had a stale etag, or found nothing";
    EXPECT_TRUE(updated.ok() || ReasonOf(updated.status()) == error::v1::NOT_FOUND) << updated.status();
    EXPECT_TRUE(deleted.ok() || ReasonOf(deleted) == error::v1::ETAG_MISMATCH) << deleted;
    EXPECT_EQ(Replayed(event.name()).size(), 2u);
  }
}

TEST_F(RacesTest, A3_ConfirmRacesUpdate) {
  int agreed = 0;
  for (int round = 0; round < 30; ++round) {
    const v1::Event event = Propose(1);
    v1::Event two = event;
    AddSlot(two, 7);
    absl::StatusOr<v1::Event> confirmed = absl::UnknownError(""), updated = absl::UnknownError("");
    AtOnce({[&] { confirmed = Confirm(bob, event); }, [&] { updated = Narrow(ann, two, 2); }});
    EXPECT_NE(confirmed.ok(), updated.ok());
    if (confirmed.ok()) {
      ++agreed;
      EXPECT_EQ(confirmed->state(), v1::Event::AGREED);
      EXPECT_EQ(confirmed->slots_size(), 1);
      EXPECT_THAT(updated, kClosed);
    } else {
      EXPECT_THAT(confirmed, kStale);
      EXPECT_EQ(updated->state(), v1::Event::OPEN);
      EXPECT_FALSE(updated->parties(1).confirmed());
    }
    EXPECT_EQ(Replayed(event.name()).size(), 2u);
  }
  RecordProperty("agreed", agreed);
}

TEST_F(RacesTest, A2_AViewThatConfirmsRacesUpdate) {
  for (int round = 0; round < 20; ++round) {
    const v1::Event event = Propose(1, v1::AgreementPolicy::VIEW);
    v1::Event two = event;
    AddSlot(two, 7);
    absl::StatusOr<v1::Event> seen = absl::UnknownError(""), updated = absl::UnknownError("");
    AtOnce({[&] { seen = Get(bob, event.name()); }, [&] { updated = Narrow(ann, two, 2); }});
    ASSERT_THAT(seen, Succeeds());
    EXPECT_EQ(seen->state() == v1::Event::AGREED, !updated.ok()) << "he agreed to what he saw, and to nothing else";
    EXPECT_EQ(seen->slots_size(), updated.ok() ? 2 : 1);
    Replayed(event.name());
  }
}

TEST_F(RacesTest, A5_OfManyReopeningsOneMakesTheSuccessor) {
  const v1::Event event = Propose(2);
  std::vector<absl::StatusOr<v1::Event>> results(20, absl::UnknownError(""));
  std::vector<std::function<void()>> callers;
  for (size_t i = 0; i < results.size(); ++i) {
    callers.push_back([&, i] { results[i] = Reopen(i % 2 == 0 ? ann : bob, event); });
  }
  AtOnce(callers);
  std::set<std::string> made;
  for (const auto& result : results) {
    if (result.ok()) {
      made.insert(result->name());
    } else {
      EXPECT_THAT(result, kReopened);
    }
  }
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(database.Sql("select count(*) from parley.events"), "2");
  for (const auto& result : results) {
    if (result.ok()) continue;
    EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr(*made.begin()));
  }
  EXPECT_EQ(Replayed(event.name()).size(), 2u);
  EXPECT_EQ(Replayed(*made.begin()).size(), 1u);
}

TEST_F(RacesTest, A5_ReopenRacesConfirmAndDelete) {
  for (int round = 0; round < 20; ++round) {
    const v1::Event event = Propose(1);
    absl::StatusOr<v1::Event> reopened = absl::UnknownError(""), confirmed = absl::UnknownError("");
    absl::Status deleted;
    AtOnce({[&] { reopened = Reopen(ann, event); }, [&] { confirmed = Confirm(bob, event); },
            [&] { deleted = Delete(staff, event); }});
    EXPECT_EQ(reopened.ok() + confirmed.ok() + deleted.ok(), 1) << "each raises the revision that the others know";
    Replayed(event.name());
    if (reopened.ok()) Replayed(reopened->name());
  }
  EXPECT_EQ(database.Sql("select count(*) from parley.events where successor_id is not null"),
            database.Sql("select count(*) from parley.events where predecessor_id is not null"));
}

TEST_F(RacesTest, U2_ManyEventsThatNameOneNewAddressMakeOneUser) {
  std::vector<std::function<void()>> callers;
  for (int i = 0; i < 200; ++i) {
    callers.push_back([&] {
      auto request = Proposal();
      request.mutable_event()->add_parties()->set_address("brand.new@example.net");
      EXPECT_THAT(Create(ann, request), Succeeds());
    });
  }
  AtOnce(callers);
  EXPECT_EQ(database.Sql("select count(*) from parley.users where local_part = 'brand.new'"), "1");
  EXPECT_EQ(database.Sql("select count(*) from parley.events"), "200");
}

}  // namespace
}  // namespace parley::event
