// What the tests of the sequencer share: entries, also of transactions under way, and what a process left.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/event/tree_test.h"

namespace parley::event {

constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

class SequencerTest : public TreeTest {
 protected:
  Uuid MakeEvent() {
    const auto event = Create(ann, Proposal());
    EXPECT_THAT(event, Succeeds());
    return event.ok() ? IdOf(*event) : Uuid();
  }

  void View(const std::vector<Uuid>& event_ids) {
    EXPECT_THAT(Do([&](data::Transaction& tx) { return AppendViews(tx, event_ids); }), Succeeds());
  }

  // A transaction that has added an entry to the event's log, and is not committed.
  std::unique_ptr<data::Transaction> Viewing(const Uuid& event_id) {
    auto tx = data::Transaction::Begin(pool, Soon());
    EXPECT_THAT(tx, Succeeds());
    EXPECT_THAT(AppendViews(**tx, {event_id}), Succeeds());
    return *std::move(tx);
  }

  // Entries of an event that is not there, of which only the tree knows; so many were appended at once.
  void AddWaiting(int64_t count, int64_t at_once = 5000) {
    database.Sql(absl::StrCat(R"(
      insert into parley.unsequenced_entries (event_ids, sequences, hashes)
      select array_agg(')",
                              waiting_event_.ToString(), R"('::uuid), array_agg(n), array_agg(sha256(int8send(n)))
      from generate_series()",
                              waiting_ + 1, ", ", waiting_ + count, ") n group by n / ", at_once));
    waiting_ += count;
  }

  // Ends the session of this process id, as a crash does.
  void Kill(int64_t pid) const {
    ASSERT_OK_AND_ASSIGN(const auto connection, data::Connection::Open(database.service_url()));
    EXPECT_THAT(connection->Script(absl::StrCat("select pg_terminate_backend(", pid, ", 10000)")), Succeeds());
  }

  int LeafCount(const Uuid& event_id) const {
    return Count(absl::StrCat("log_leaves where event_id = '", event_id.ToString(), "'"));
  }

  // Of all rows of the tree, and of those that wait for it.
  std::string TreeDigest() const {
    return database.Sql(
        "select md5(string_agg(t, '|' order by t)) from ("
        "select l::text t from parley.log_leaves l union all select n::text from parley.log_nodes n union all "
        "select h::text from parley.log_tree h union all select u::text from parley.unsequenced_entries u) as rows");
  }

  // There is something to do, and the process signs, publishes and takes nothing.
  void ExpectRefuses(SigningProcess& refusing, const std::string& what, absl::StatusCode code = kDataLoss) {
    EXPECT_GT(Count("unsequenced_entries"), 0) << what;
    const std::string before = TreeDigest(), folder_before = Files(refusing);
    const auto step = refusing.Step();
    EXPECT_EQ(step.status().code(), code) << what << ": " << step.status();
    EXPECT_EQ(TreeDigest(), before) << what;
    EXPECT_EQ(Files(refusing), folder_before) << what;
  }

  // The names of all files of the process, and what is in them.
  static std::string Files(const SigningProcess& of) {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(of.folder.path())) {
      files[file.path().filename()] = file.is_regular_file() ? test::Content(file.path()) : "";
    }
    std::string text;
    for (const auto& [name, content] : files) absl::StrAppend(&text, name, "\n", content, "\n");
    return text;
  }

  void BeginOrigin(const std::string& origin) const {
    data::Pool owner(database.owner_url(), 1);
    EXPECT_THAT(
        data::Transact(owner, Soon(), [&](data::Transaction& tx) { return data::LogTree(tx).BeginOrigin(origin); }),
        Succeeds());
  }

 private:
  const Uuid waiting_event_ = Uuid::TimeOrdered();
  int64_t waiting_ = 0;
};

}  // namespace parley::event
