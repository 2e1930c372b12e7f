// L5: how the tree over all logs grows, whatever commits late or dies.
#include "services/event/sequencer.h"

#include <atomic>
#include <filesystem>
#include <map>
#include <random>

#include "tests/integration/event/sequencer_test.h"

namespace parley::event {
namespace {

using test::Eventually;

constexpr int64_t kMaxGrowth = data::LogTree::kMaxGrowth;

constexpr data::Statement kPid{"test_pid", "select pg_backend_pid()"};
constexpr data::Statement kDie{"test_die", "select pg_terminate_backend(pg_backend_pid())"};

TEST_F(SequencerTest, L5_TheEmptyLogHasACheckpoint) {
  EXPECT_EQ(PublishedSize(), -1);
  EXPECT_THAT(process.Step(), Succeeds());
  ExpectPublished(0);
  const data::TreeHead head = Head();
  EXPECT_EQ(tlog::Parse(head.checkpoint->note)->root, tlog::EmptyRoot());
  EXPECT_EQ(head.origin.substr(0, 7), "parley/");
  EXPECT_EQ(process.OnFile(head.origin), head.checkpoint->note);

  ASSERT_OK_AND_ASSIGN(const bool more, process.Step());
  EXPECT_FALSE(more);
  EXPECT_EQ(Head().checkpoint->time, head.checkpoint->time) << "where nothing is new nothing is published";
  MakeEvent();
  EXPECT_THAT(process.Step(), Succeeds());
  ExpectPublished(1);
}

TEST_F(SequencerTest, L5_EntriesOfEveryCallAreLeavesOnceAndInOrder) {
  const auto sign = [this](int entries) {
    ASSERT_EQ(Count("log_entries"), entries);
    EXPECT_THAT(process.Step(), Succeeds());
    ExpectPublished(entries);
    ExpectLeavesAreTheLog();
  };
  auto request = Proposal(2);
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ActingFor(ann, staff), request));
  ASSERT_THAT(Get(staff, event.name()), Succeeds());
  ASSERT_THAT(Get(bob, event.name()), Succeeds());  // which confirms
  sign(3);
  ASSERT_OK_AND_ASSIGN(event, Retitle(bob, event, "Dinner"));
  sign(4);
  ASSERT_OK_AND_ASSIGN(event, Move(GuestOf(Named("guest@example.net"), event), event, 9));
  ASSERT_OK_AND_ASSIGN(event, Confirm(ann, event));
  ASSERT_OK_AND_ASSIGN(const v1::Event successor, Reopen(ann, event));
  ASSERT_THAT(Delete(staff, successor), Succeeds());
  sign(9);

  // Batches: several entries by one statement, of one event too.
  v1::Event created[3];
  std::vector<CreateItem> creations;
  std::vector<CreateItem*> creation_items;
  for (v1::Event& each : created) creations.push_back({ann, request, each, absl::OkStatus()});
  for (CreateItem& item : creations) creation_items.push_back(&item);
  ASSERT_THAT(CreateEvents(context, creation_items, turn), Succeeds());
  v1::GetEventRequest requests[2];
  for (int i = 0; i < 2; ++i) requests[i].set_name(created[i].name());
  v1::Event read[6];
  std::vector<GetItem> readings;
  std::vector<GetItem*> reading_items;
  for (int i = 0; i < 6; ++i) readings.push_back({staff, requests[i % 2], read[i], absl::OkStatus()});
  for (GetItem& item : readings) reading_items.push_back(&item);
  ASSERT_THAT(GetEvents(context, reading_items, turn), Succeeds());
  sign(18);

  // A call that fails leaves no entry behind, and so no leaf.
  EXPECT_THAT(Retitle(ann, event, "too late"), kClosedEvent);
  EXPECT_THAT(Delete(ann, created[0]), kHidden);
  sign(18);
}

TEST_F(SequencerTest, L5_WhatCommitsLateIsTakenLateAndDelaysNobody) {
  const Uuid other = MakeEvent();
  const std::vector<Uuid> late{MakeEvent(), MakeEvent(), MakeEvent()};
  ASSERT_THAT(process.Step(), Succeeds());
  // These have begun, have their time and their transaction id, and have written, before all others.
  std::vector<std::unique_ptr<data::Transaction>> open;
  for (const Uuid& id : late) open.push_back(Viewing(id));

  int64_t size = 4;
  for (int i = 0; i < 3; ++i) {
    View({other});
    ASSERT_THAT(process.Step(), Succeeds());
    ExpectPublished(++size);
  }
  for (size_t i = late.size(); i-- > 0;) {
    EXPECT_EQ(LeafCount(late[i]), 1);
    View({other});
    ASSERT_THAT(open[i]->Commit(), Succeeds());
    View({late[i]});
    ASSERT_THAT(process.Step(), Succeeds());
    size += 3;
    ExpectPublished(size);
    EXPECT_EQ(LeafCount(late[i]), 3) << "taken at once, and not skipped";
  }
  ExpectLeavesAreTheLog();
}

TEST_F(SequencerTest, L5_WhatRollsBackOrDiesIsNeverInTheTree) {
  const Uuid rolled_back = MakeEvent(), killed = MakeEvent(), dead = MakeEvent();
  Viewing(rolled_back).reset();
  const auto dying = Viewing(killed);
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
  ASSERT_OK_AND_ASSIGN(const data::Result pid, dying->Execute(kPid));
  Kill(pid[0].GetInt(0));
  EXPECT_THAT(dying->Commit(), Fails(absl::StatusCode::kUnknown, error::v1::OUTCOME_UNKNOWN));
  EXPECT_FALSE(data::Transact(pool, Soon(), [&](data::Transaction& tx) -> absl::Status {
                 PARLEY_RETURN_IF_ERROR(AppendViews(tx, {dead}));
                 return tx.Execute(kDie).status();
               }).ok());
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
  // Their sequences are free again, and taken once.
  View({rolled_back, killed, dead});
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(6);
  ExpectLeavesAreTheLog();
}

TEST_F(SequencerTest, L5_ManyWritersAndSequencersAtOnce) {
  constexpr size_t kWriters = 6, kSequencers = 3;
  const Uuid shared = MakeEvent();
  std::vector<Uuid> own;
  for (size_t i = 0; i < kWriters; ++i) own.push_back(MakeEvent());
  const absl::Time end = absl::Now() + absl::Seconds(3);
  std::atomic<size_t> writing = kWriters;

  // What a writer does, most of which becomes entries.
  const auto write = [&](const Uuid& id, std::mt19937& random) {
    const auto die = random() % 40;
    if (die == 0) {
      EXPECT_FALSE(Viewing(id)->Execute(kDie).ok());
    } else if (die < 4) {
      Viewing(id).reset();  // rolled back
    } else if (die < 6) {
      MakeEvent();
    } else if (die < 8) {
      View({id, shared});
    } else if (die < 12) {  // begins before another and commits behind it
      const auto late = Viewing(shared);
      View({id});
      EXPECT_THAT(late->Commit(), Succeeds());
    } else {
      View({id});
    }
  };
  std::vector<std::unique_ptr<SigningProcess>> processes;
  // Two that share a folder, and one with its own.
  for (size_t i = 0; i < kSequencers; ++i) {
    processes.push_back(std::make_unique<SigningProcess>(database.service_url(), key,
                                                         i == 2 ? processes[1]->folder.path() : std::string()));
  }
  const std::string origin = Head().origin;
  std::vector<std::vector<std::string>> notes(kSequencers + 1);  // by who has seen them
  const auto keep = [](std::vector<std::string>& kept, const std::string& note) {
    if (!note.empty() && (kept.empty() || kept.back() != note)) kept.push_back(note);
  };
  AtOnce(kWriters + kSequencers + 1, [&](size_t i) {
    if (i < kWriters) {
      std::mt19937 random(static_cast<unsigned>(i));
      while (absl::Now() < end) write(own[i], random);
      --writing;
    } else if (i < kWriters + kSequencers) {
      SigningProcess& signing = *processes[i - kWriters];
      while (writing > 0) {
        EXPECT_THAT(signing.Step(), Succeeds());
        keep(notes[i - kWriters], signing.OnFile(origin));
      }
    } else {
      int64_t last = -1, last_on_file = -1;
      while (writing > 0) {
        const auto on_file = tlog::Parse(processes[1]->OnFile(origin));
        if (on_file.ok()) {
          EXPECT_GE(on_file->size, last_on_file) << "what is on file does not go back";
          last_on_file = on_file->size;
        }
        const auto checkpoint = Head().checkpoint;
        if (!checkpoint) continue;
        EXPECT_GE(checkpoint->size, last) << "what is published does not go back";
        last = checkpoint->size;
        keep(notes.back(), checkpoint->note);
      }
    }
  });
  ASSERT_THAT(processes[0]->Step(), Succeeds());
  keep(notes[0], processes[0]->OnFile(origin));
  ExpectPublished(Count("log_entries"));
  ExpectLeavesAreTheLog();

  // All that was ever signed, published or not, is one log.
  std::map<int64_t, tlog::Checkpoint> signed_trees;
  for (const auto& seen : notes) {
    for (const std::string& note : seen) {
      ASSERT_OK_AND_ASSIGN(const auto checkpoint, tlog::Open(note, key.VerifierKey(origin)));
      EXPECT_EQ(signed_trees.try_emplace(checkpoint.size, checkpoint).first->second, checkpoint);
    }
  }
  EXPECT_GT(signed_trees.size(), 10u);
  EXPECT_THAT(Do([&](data::Transaction& tx) -> absl::Status {
                const data::LogTree tree(tx);
                tlog::Checkpoint last{origin, 0, tlog::EmptyRoot()};
                for (const auto& [size, next] : signed_trees) {
                  PARLEY_ASSIGN_OR_RETURN(const auto proof, tlog::ConsistencyProof(tree, last.size, size));
                  EXPECT_EQ(tlog::CheckConsistency(last.size, last.root, size, next.root, proof), absl::OkStatus())
                      << last.size << " " << size;
                  last = next;
                }
                return absl::OkStatus();
              }),
              Succeeds());
}

TEST_F(SequencerTest, L5_WhatADeadSequencerLeftAnotherCarriesOn) {
  SigningProcess other(database.service_url(), key);
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());

  // Dies once the tree has grown.
  View({event});
  EXPECT_THAT(Do([](data::Transaction& tx) -> absl::Status {
                data::LogTree tree(tx);
                PARLEY_RETURN_IF_ERROR(tree.Sequence());
                return tree.Grow(1).status();
              }),
              Succeeds());
  EXPECT_EQ(Head().size, 2);
  EXPECT_EQ(PublishedSize(), 1);
  ASSERT_THAT(other.Step(), Succeeds());
  ExpectPublished(2);

  // Dies once the checkpoint is on file.
  View({event});
  database.Sql(
      "create function parley.die() returns trigger language plpgsql as "
      "'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(60); end';"
      "create trigger fault before update of checkpoint on parley.log_tree execute function parley.die()");
  EXPECT_FALSE(process.Step().ok());
  const std::string origin = Head().origin;
  EXPECT_EQ(tlog::Parse(process.OnFile(origin))->size, 3);
  EXPECT_EQ(PublishedSize(), 2);
  EXPECT_FALSE(other.Step().ok());
  database.Sql("drop trigger fault on parley.log_tree");
  ASSERT_THAT(other.Step(), Succeeds());
  ExpectPublished(3);
  EXPECT_EQ(process.OnFile(origin), other.OnFile(origin));
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(4);
  ExpectLeavesAreTheLog();
}

TEST_F(SequencerTest, L5_AStepThatFailsHasTakenNothing) {
  database.Sql(
      "create function parley.die() returns trigger language plpgsql as "
      "'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(60); end'");
  struct Fault {
    const char* what;
    const char* make;
    const char* undo;
  };
  const Fault faults[] = {
      {"leaves that break a constraint",
       "alter table parley.log_leaves add constraint fault check (sequence < 0) not valid",
       "alter table parley.log_leaves drop constraint fault"},
      {"nodes that break a constraint",
       "alter table parley.log_nodes add constraint fault check (height > 8) not valid",
       "alter table parley.log_nodes drop constraint fault"},
      {"killed behind the leaves",
       "create trigger fault after insert on parley.log_leaves execute function parley.die()",
       "drop trigger fault on parley.log_leaves"},
      {"killed behind the nodes", "create trigger fault after insert on parley.log_nodes execute function parley.die()",
       "drop trigger fault on parley.log_nodes"},
      {"killed behind the size",
       "create trigger fault after update of size on parley.log_tree execute function parley.die()",
       "drop trigger fault on parley.log_tree"},
      {"killed in the commit",
       "create constraint trigger fault after update of size on parley.log_tree deferrable initially deferred "
       "for each row execute function parley.die()",
       "drop trigger fault on parley.log_tree"}};
  int64_t size = 0;
  for (const Fault& fault : faults) {
    AddWaiting(300);
    database.Sql(fault.make);
    const std::string before = TreeDigest(), files = Files(process);
    EXPECT_FALSE(process.Step().ok()) << fault.what;
    EXPECT_EQ(TreeDigest(), before) << fault.what;
    EXPECT_EQ(Files(process), files) << fault.what;
    database.Sql(fault.undo);
    ASSERT_THAT(process.Step(), Succeeds()) << fault.what;
    ExpectPublished(size += 300);
  }
}

// An export or a copy of the database is such a reader, for hours.
TEST_F(SequencerTest, L5_ALongReaderDoesNotMakeTheQueueSlower) {
  const Uuid event = MakeEvent();
  ASSERT_OK_AND_ASSIGN(const auto reader, data::Connection::Open(database.service_url()));
  ASSERT_THAT(reader->Script("set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read; "
                             "select count(*) from parley.events"),
              Succeeds());
  const auto blocks_of_a_step = [&]() -> int64_t {
    static constexpr data::Statement kBlocks{
        "test_blocks",
        "select coalesce(sum(pg_stat_get_xact_blocks_fetched(c.oid)), 0)::int8 from pg_class c "
        "where relnamespace = 'parley'::regnamespace and relname like 'unsequenced_entries%'"};
    View({event});
    return *Do([&](data::Transaction& tx) -> absl::StatusOr<int64_t> {
      data::LogTree tree(tx);
      PARLEY_ASSIGN_OR_RETURN(const auto head, tree.TryLock());
      EXPECT_TRUE(head);
      // PostgreSQL counts on from what the connection did before.
      PARLEY_ASSIGN_OR_RETURN(const data::Result before, tx.Execute(kBlocks));
      PARLEY_RETURN_IF_ERROR(tree.Sequence());
      PARLEY_RETURN_IF_ERROR(tree.Grow(head->size).status());
      PARLEY_ASSIGN_OR_RETURN(const data::Result after, tx.Execute(kBlocks));
      return after[0].GetInt(0) - before[0].GetInt(0);
    });
  };
  blocks_of_a_step();
  const int64_t before = blocks_of_a_step();
  EXPECT_GT(before, 0);
  // What was taken stays in the table as long as the reader may look at it.
  AddWaiting(20000, 1);
  ASSERT_THAT(process.Step(), Succeeds());
  EXPECT_GT(std::stoi(database.Sql("select pg_relation_size('parley.unsequenced_entries') / 8192")), 200);
  // Whoever writes for longer holds the bound back, also in other databases of the cluster, which other tests have.
  const std::string later = database.Sql("select pg_current_xact_id()");
  ASSERT_TRUE(Eventually(
      [&] { return database.Sql("select pg_snapshot_xmin(pg_current_snapshot()) > '" + later + "'") == "t"; }));
  blocks_of_a_step();
  EXPECT_LE(blocks_of_a_step(), 3 * before);
  ASSERT_THAT(reader->Script("commit"), Succeeds());
}

// As where a copy was put into another cluster, whose transactions come to the numbers of the old one before a step
// succeeds.
TEST_F(SequencerTest, L5_WhereTransactionsAreCountedAnewNothingIsSkipped) {
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  View({event});
  const std::string bound = database.Sql("select transaction_id::text::bigint + 1 from parley.unsequenced_entries");
  database.Sql("update parley.log_tree set taken_in = taken_in + 1, taken_below = '" + bound + "'");
  ASSERT_TRUE(Eventually([&] {
    database.Sql("select pg_current_xact_id()");
    return database.Sql("select pg_snapshot_xmin(pg_current_snapshot()) > '" + bound + "'") == "t";
  }));
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(2);
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
  ExpectLeavesAreTheLog();
}

TEST_F(SequencerTest, L5_OneAtATimeGrowsTheTree) {
  MakeEvent();
  ASSERT_OK_AND_ASSIGN(const auto tx, data::Transaction::Begin(pool, Soon()));
  ASSERT_OK_AND_ASSIGN(const auto locked, data::LogTree(*tx).TryLock());
  ASSERT_TRUE(locked);
  ASSERT_OK_AND_ASSIGN(const bool more, process.Step());
  EXPECT_FALSE(more) << "and does not wait for the other";
  EXPECT_EQ(PublishedSize(), -1);
  ASSERT_THAT(tx->Commit(), Succeeds());
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(1);
}

TEST_F(SequencerTest, L5_LargeTreesHaveTheirNodes) {
  // Around the sizes at which nodes are completed, by one leaf and by many.
  int64_t size = 0;
  for (const int64_t next : {int64_t{1}, int64_t{255}, int64_t{256}, int64_t{257}, int64_t{1024}, kMaxGrowth - 1,
                             kMaxGrowth, kMaxGrowth + 1, kMaxGrowth + 256}) {
    AddWaiting(next - size);
    size = next;
    ASSERT_THAT(process.Step(), Succeeds());
    ExpectPublished(size);
  }
}

TEST_F(SequencerTest, L5_ManyThatWaitTakeSeveralSteps) {
  AddWaiting(10);
  ASSERT_THAT(process.Step(), Succeeds());
  AddWaiting(kMaxGrowth + 300);
  ASSERT_OK_AND_ASSIGN(bool more, process.Step());
  EXPECT_TRUE(more);
  ExpectPublished(10 + kMaxGrowth);
  EXPECT_EQ(static_cast<int64_t>(Leaves().size()), 310 + kMaxGrowth);
  AddWaiting(1);
  ASSERT_OK_AND_ASSIGN(more, process.Step());
  EXPECT_FALSE(more);
  ExpectPublished(311 + kMaxGrowth);
}

TEST_F(SequencerTest, L5_ByItselfItSignsWhatIsNewAndGoesOnAfterFaults) {
  process.sequencer.Start();
  process.sequencer.Start();
  ASSERT_TRUE(Eventually([&] { return PublishedSize() == 0; }));
  const Uuid event = MakeEvent();
  ASSERT_TRUE(Eventually([&] { return PublishedSize() == 1; }));
  const std::string folder = process.folder.path(), away = folder + "-away";
  std::filesystem::rename(folder, away);
  View({event});
  ASSERT_TRUE(Eventually([&] { return Head().size == 2; }));
  EXPECT_EQ(PublishedSize(), 1);
  std::filesystem::rename(away, folder);
  ASSERT_TRUE(Eventually([&] { return PublishedSize() == 2; }));
  AddWaiting(kMaxGrowth + 1);
  ASSERT_TRUE(Eventually([&] { return PublishedSize() == kMaxGrowth + 3; }));
}

TEST_F(SequencerTest, L5_TheServicesRoleCannotChangeTheTree) {
  MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  ASSERT_OK_AND_ASSIGN(const auto connection, data::Connection::Open(database.service_url()));
  for (const char* sql :
       {"update log_tree set origin = 'other'", "update log_tree set is_one = true", "delete from log_tree",
        "insert into log_tree (origin, size, checkpoint_size) values ('other', 0, 0)", "truncate log_tree",
        "update log_leaves set hash = ''", "update log_leaves set leaf_index = 7", "delete from log_leaves",
        "truncate log_leaves", "alter table log_leaves disable trigger all", "drop table log_leaves",
        "update log_nodes set hash = ''", "delete from log_nodes", "truncate log_nodes", "drop table log_nodes",
        "update unsequenced_entries set hashes = '{}'", "truncate unsequenced_entries"}) {
    const absl::Status refused = connection->Script(sql).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInternal) << sql;
    EXPECT_THAT(refused.message(), testing::HasSubstr("42501")) << sql;
  }
}

}  // namespace
}  // namespace parley::event
