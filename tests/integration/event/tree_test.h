// What the tests of the tree over all logs share: processes that grow and sign it, and the tree as it is stored.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "common/data/log_entries.h"
#include "common/data/log_tree.h"
#include "common/tlog/checkpoint.h"
#include "services/event/log_server.h"
#include "services/event/sequencer.h"
#include "tests/integration/event/event_test.h"
#include "tests/support/log_key.h"
#include "tests/support/process.h"

namespace parley::event {

inline absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

inline tlog::SigningKey MakeKey() { return *tlog::SigningKey::FromPem(test::MakeLogKey()); }

// What one process of the service signs with: a connection and a sequencer of its own, and a folder, its own where none
// is given.
struct SigningProcess {
  SigningProcess(const std::string& database_url, const tlog::SigningKey& key, const std::string& shared_folder = "")
      : pool(database_url, 1),
        file(shared_folder.empty() ? folder.path() : shared_folder),
        sequencer(pool, key, file) {}

  absl::StatusOr<bool> Step() { return sequencer.Step(); }
  // The note on file; empty where there is none.
  std::string OnFile(const std::string& origin) const {
    const auto note = file.Read(origin);
    EXPECT_THAT(note, Succeeds());
    return note.ok() ? note->value_or("") : "";
  }

  test::TemporaryFolder folder;
  data::Pool pool;
  CheckpointFile file;
  Sequencer sequencer;
};

class TreeTest : public EventTest {
 protected:
  template <class Fn>
  auto Do(Fn fn) {
    auto result = data::Transact(pool, Soon(), fn);
    EXPECT_THAT(result, Succeeds());
    return result;
  }

  data::TreeHead Head() {
    return *Do([](data::Transaction& tx) { return data::LogTree(tx).Head(); });
  }
  // The size of the last checkpoint; -1 before the first.
  int64_t PublishedSize() {
    const auto checkpoint = Head().checkpoint;
    return checkpoint ? checkpoint->size : -1;
  }

  // The hashes of all leaves, in their order.
  std::vector<std::string> Leaves() {
    return *Do([](data::Transaction& tx) -> absl::StatusOr<std::vector<std::string>> {
      static constexpr data::Statement kLeaves{"test_leaves", "select hash from log_leaves order by leaf_index"};
      PARLEY_ASSIGN_OR_RETURN(const data::Result result, tx.Execute(kLeaves));
      std::vector<std::string> leaves;
      for (int i = 0; i < result.size(); ++i) leaves.emplace_back(result[i].GetText(0));
      return leaves;
    });
  }

  // The last checkpoint is signed, and of the first `size` leaves, and exactly the nodes are stored that these have.
  void ExpectPublished(int64_t size) {
    const data::TreeHead head = Head();
    EXPECT_EQ(head.size, size);
    ASSERT_TRUE(head.checkpoint);
    EXPECT_EQ(head.checkpoint->size, size);
    EXPECT_EQ(head.checkpoint->verifier_key, key.VerifierKey(head.origin));
    EXPECT_LE(absl::AbsDuration(absl::Now() - head.checkpoint->time), absl::Minutes(5));
    ASSERT_OK_AND_ASSIGN(const tlog::Checkpoint read, tlog::Open(head.checkpoint->note, key.VerifierKey(head.origin)));
    const std::vector<std::string> leaves = Leaves();
    ASSERT_GE(static_cast<int64_t>(leaves.size()), size);
    tlog::GrowingRoot root;
    tlog::MemoryNodes nodes;
    for (int64_t i = 0; i < size; ++i) {
      root.Append(leaves[static_cast<size_t>(i)]);
      nodes.Append(leaves[static_cast<size_t>(i)]);
    }
    EXPECT_EQ(read, (tlog::Checkpoint{head.origin, size, root.Root()}));
    ExpectStored(nodes);
  }

  void ExpectStored(const tlog::MemoryNodes& nodes) {
    const auto compared = Do([&](data::Transaction& tx) -> absl::StatusOr<int64_t> {
      int64_t count = 0;
      for (int height = tlog::kHeightStep; nodes.size() >> height > 0; height += tlog::kHeightStep) {
        const int64_t at_height = nodes.size() >> height;
        count += at_height;
        for (int64_t first = 0; first < at_height; first += 256) {
          const int64_t some = std::min<int64_t>(256, at_height - first);
          PARLEY_ASSIGN_OR_RETURN(const auto stored, data::LogTree(tx).Read(height, first, some));
          EXPECT_EQ(stored, *nodes.Read(height, first, some)) << height << " " << first;
        }
      }
      return count;
    });
    EXPECT_EQ(Count("log_nodes"), compared.value_or(-1));
  }

  // Each entry is a leaf, and nothing else is: once, with its hash, behind those before it on its log.
  void ExpectLeavesAreTheLog() const {
    EXPECT_EQ(database.Sql(R"(
        select count(*) from parley.log_leaves l full join parley.log_entries e using (event_id, sequence)
        where l.hash is distinct from e.hash)"),
              "0");
    EXPECT_EQ(database.Sql("select count(*) = max(leaf_index) + 1 and min(leaf_index) = 0 from parley.log_leaves"),
              "t");
    EXPECT_EQ(database.Sql(R"(
        select count(*) from (
          select sequence, row_number() over (partition by event_id order by leaf_index) as place
          from parley.log_leaves) l
        where sequence <> place)"),
              "0");
    EXPECT_EQ(Count("unsequenced_entries"), 0);
  }

  // Adds an entry to the log of each event, by one statement, as views by ann.
  absl::Status AppendViews(data::Transaction& tx, const std::vector<Uuid>& event_ids) const {
    PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock(event_ids));
    std::vector<data::LogEntry> entries;
    for (data::Event& event : locked) {
      ++event.last_sequence;
      entries.push_back(
          data::EntryOf(event, v1::LogEntry::VIEW, {ann.principal.user_id, std::nullopt, std::nullopt}, tx.now()));
    }
    return data::LogEntries(tx).Append(entries).status();
  }

  // As an operator copies the database, once, and puts the copy back.
  void Copy() const {
    std::string sql = "create schema copied;";
    for (const char* table : kTables)
      absl::StrAppend(&sql, "create table copied.", table, " as table parley.", table, ";");
    database.Sql(sql);
  }
  void Restore() const {
    std::string sql;
    for (const char* table : kTables) {
      absl::StrAppend(&sql, "truncate parley.", table, "; insert into parley.", table, " table copied.", table, ";");
    }
    database.Sql(sql);
  }

  const tlog::SigningKey key = MakeKey();
  SigningProcess process{database.service_url(), key};

 private:
  static constexpr const char* kTables[] = {"events",     "event_parties", "event_staff", "log_entries",
                                            "log_leaves", "log_nodes",     "log_tree",    "unsequenced_entries"};
};

}  // namespace parley::event
