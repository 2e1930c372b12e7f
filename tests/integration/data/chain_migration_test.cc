// L5: logs from before there was a chain, once the database was migrated.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/data/entry_record.h"
#include "common/data/log_tree.h"
#include "common/data/schema.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Succeeds;
using test::TestDatabase;
using EntryData = internal::data::v1::EntryData;

constexpr int64_t kOldVersion = 5;

constexpr Statement kAddUser{"test_add_user", R"sql(
  insert into users (user_id, address_key, local_part, domain, state, role, create_time)
  values ($1, lower($2) || '@' || $3, $2, $3, 'ACTIVE', 'MEMBER', now()))sql"};
constexpr Statement kAddEvent{"test_add_event", R"sql(
  insert into events (event_id, title, slots, state, revision, quorum, confirmed_by, time_zone, initiator_id,
                      confirmed_ids, create_time, update_time, last_sequence)
  values ($1, 'title', '{}', 'OPEN', 1, 'ALL', 'UPDATE', 'UTC', $2, '{}', now(), now(), $3))sql"};
constexpr Statement kAddParty{"test_add_party", R"sql(
  insert into event_parties (event_id, user_id, position, local_part) values ($1, $2, $3, $4))sql"};
constexpr Statement kAddEntry{"test_add_entry", R"sql(
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, slots, data)
  values ($1, $2, $3, $4, $5, $6, $7, $8))sql"};

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

std::string Content(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream content;
  content << stream.rdbuf();
  return content.str();
}

// An event with parties, in their order, as the service of that time left it.
struct OldEvent {
  Uuid id;
  std::vector<Party> parties;
  std::vector<LogEntry> entries;

  LogEntry& Add(const Uuid& effector, LogEntry::Occurrence occurrence = event::v1::LogEntry::VIEW) {
    LogEntry& entry = entries.emplace_back();
    entry.event_id = id;
    entry.sequence = static_cast<int64_t>(entries.size());
    entry.create_time = absl::FromUnixMicros(1800000000123456 + entry.sequence);
    entry.occurrence = occurrence;
    entry.effector_id = effector;
    entry.revision = 1 + entry.sequence / 3;
    return entry;
  }
};

class ChainMigrationTest : public testing::Test {
 protected:
  ChainMigrationTest() {
    Run("create schema parley;"
        "create table schema_migrations (version bigint primary key, name text not null, apply_time timestamptz not "
        "null);"
        "grant usage on schema parley to parley_service; grant select on schema_migrations to parley_service");
    std::set<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(PARLEY_SCHEMA_FOLDER)) files.insert(file.path());
    for (const auto& file : files) {
      int64_t version = 0;
      EXPECT_TRUE(absl::SimpleAtoi(file.filename().string().substr(0, 4), &version)) << file;
      if (version > kOldVersion) continue;
      Run(Content(file));
      Run(absl::StrCat("insert into schema_migrations values (", version, ", '", file.stem().string(), "', now())"));
    }
    ann = AddUser("ann");
    bob = AddUser("bob");
    staff = AddUser("staff");
    helper = AddUser("helper");
    agent = AddUser("agent");
    AddUser("unused");
  }

  void Run(const std::string& sql) { ASSERT_THAT(owner->Script(sql), Succeeds()); }
  void Add(const Statement& statement, const Params& params) {
    ASSERT_THAT(owner->Execute(statement, params), Succeeds());
  }

  Uuid AddUser(const std::string& name) {
    const Uuid id = Uuid::TimeOrdered();
    Add(kAddUser, Params().Add(id).Add(name).Add("example.org"));
    return id;
  }

  // The event's row, and all that belongs to it.
  void Store(const OldEvent& event, std::optional<int64_t> last_sequence = std::nullopt) {
    const auto sequence = last_sequence.value_or(static_cast<int64_t>(event.entries.size()));
    Add(kAddEvent, Params().Add(event.id).Add(ann).Add(sequence));
    for (size_t i = 0; i < event.parties.size(); ++i) {
      const Party& party = event.parties[i];
      Add(kAddParty,
          Params().Add(event.id).Add(party.user_id).Add(static_cast<int64_t>(i)).Add(party.address.local_part));
    }
    for (const LogEntry& entry : event.entries) {
      Params params;
      params.Add(entry.event_id).Add(entry.sequence).Add(entry.create_time);
      params.Add(event::v1::LogEntry::Occurrence_Name(entry.occurrence)).Add(entry.effector_id).Add(entry.revision);
      params.AddSlots(entry.slots).AddBytes(entry.data.SerializeAsString());
      Add(kAddEntry, params);
    }
  }

  // Parties whose order is not that of their ids, staff of all kinds, an entry of everything.
  OldEvent Busy() const {
    OldEvent event{Uuid::TimeOrdered(), {{bob, {"Bob", "example.org"}}, {ann, {"ann", "example.org"}}}, {}};
    LogEntry& first = event.Add(ann, event::v1::LogEntry::UPDATE);
    first.data.set_acted_by_id(helper.ToBytes());
    first.data.mutable_opened()->set_title("títle");
    for (const Party& party : event.parties) first.data.mutable_opened()->add_party_ids(party.user_id.ToBytes());
    first.slots = {{absl::FromUnixMicros(1900000000000001), absl::Microseconds(5)},
                   {absl::FromUnixSeconds(1900000000), absl::Hours(1)}};
    event.Add(staff).slots = first.slots;
    LogEntry& by_token = event.Add(bob, event::v1::LogEntry::UPDATE);
    by_token.data.set_email_token_id(Uuid::TimeOrdered().ToBytes());
    by_token.data.set_acted_by_id(agent.ToBytes());
    by_token.data.set_slots_changed(true);
    by_token.slots = {{absl::FromUnixMicros(-7), absl::Microseconds(3)}};
    LogEntry& notified = event.Add(ann, event::v1::LogEntry::NOTIFY);
    notified.data.set_email_token_id(Uuid::TimeOrdered().ToBytes());
    notified.data.set_recipient_id(bob.ToBytes());
    event.Add(staff).create_time = absl::FromUnixMicros(-1);
    event.Add(ann).data.set_acted_by_id(helper.ToBytes());
    return event;
  }

  // Staff who are parties, and act for themselves.
  OldEvent Plain() const {
    OldEvent event{Uuid::TimeOrdered(), {{staff, {"Staff", "example.org"}}}, {}};
    event.Add(staff, event::v1::LogEntry::UPDATE);
    event.Add(ann).data.set_acted_by_id(staff.ToBytes());
    return event;
  }

  template <class Fn>
  auto Do(Fn fn) {
    auto result = Transact(pool, Soon(), fn);
    EXPECT_THAT(result, Succeeds());
    return result;
  }

  std::vector<LogEntry> Log(const Uuid& event_id) {
    return *Do([&](Transaction& tx) { return LogEntries(tx).List(event_id, 0, 1000); });
  }

  // Each entry is chained to the one before it in the order of the sequences, and the next would be to the last.
  void ExpectChained(const Uuid& event_id) {
    std::string previous(32, '\0');
    for (const LogEntry& entry : Log(event_id)) {
      EXPECT_EQ(entry.hash, tlog::LeafHash(RecordOf(entry, previous))) << NameOf(event_id, entry.sequence);
      previous = entry.hash;
    }
    const auto events = Do([&](Transaction& tx) { return Events(tx).Find({event_id}); });
    EXPECT_EQ(events->front().last_hash, previous);
  }

  // The first entry names the parties, in their order, then these; nobody else is named, and the salts open it.
  void ExpectNamed(const OldEvent& event, const std::set<Uuid>& others) {
    const auto known = Do([&](Transaction& tx) { return LogEntries(tx).ListNamed({event.id}); });
    std::map<Uuid, NamedUser> by_id;
    std::set<std::string> salts;
    for (const NamedUser& user : *known) {
      EXPECT_EQ(user.salt.size(), 16u);
      salts.insert(user.salt);
      by_id.emplace(user.user_id, user);
    }
    EXPECT_EQ(by_id.size(), event.parties.size() + others.size());
    EXPECT_EQ(salts.size(), by_id.size());
    std::string named;
    const auto name = [&](const Uuid& id) {
      ASSERT_TRUE(by_id.contains(id)) << id.ToString();
      named += Named(id, by_id.at(id).salt, by_id.at(id).address);
    };
    for (const Party& party : event.parties) {
      name(party.user_id);
      EXPECT_EQ(by_id.at(party.user_id).address.ToString(), party.address.ToString());
    }
    for (const Uuid& id : others) name(id);
    const auto entries = Log(event.id);
    EXPECT_EQ(entries.front().named, named);
    for (size_t i = 1; i < entries.size(); ++i) EXPECT_EQ(entries[i].named, "");
  }

  // The leaves are all entries, in the order of events and sequences, and the tree grows over them.
  void ExpectLeaves() {
    EXPECT_EQ(database.Sql("select count(*) from parley.log_leaves l full join parley.log_entries e using (event_id, "
                           "sequence) where l.hash is distinct from e.hash"),
              "0");
    EXPECT_EQ(
        database.Sql("select count(*) from (select leaf_index, row_number() over (order by event_id, sequence) - 1 "
                     "as place from parley.log_leaves) l where leaf_index <> place"),
        "0");
    EXPECT_EQ(database.Sql("select count(*) from parley.unsequenced_entries"), "0");
    const auto root = Do([](Transaction& tx) -> absl::StatusOr<std::string> {
      LogTree tree(tx);
      PARLEY_ASSIGN_OR_RETURN(const TreeHead head, tree.Head());
      EXPECT_EQ(head.size, 0);
      EXPECT_FALSE(head.checkpoint);
      PARLEY_RETURN_IF_ERROR(tree.Sequence());
      PARLEY_ASSIGN_OR_RETURN(const int64_t size, tree.Grow(head.size));
      return tlog::Root(tree, size);
    });
    tlog::GrowingRoot growing;
    const auto events = owner->Script("select distinct event_id::text from log_entries order by 1");
    for (int i = 0; i < events->size(); ++i) {
      for (const LogEntry& entry : Log(*Uuid::Parse((*events)[i].GetText(0)))) growing.Append(entry.hash);
    }
    EXPECT_EQ(*root, growing.Root());
  }

  void Migrate() {
    ASSERT_OK_AND_ASSIGN(const auto applied, data::Migrate(database.owner_url()));
    EXPECT_EQ(static_cast<int64_t>(applied.size()), SchemaVersion() - kOldVersion);
  }

  TestDatabase database{TestDatabase::Schema::kNone};
  std::unique_ptr<Connection> owner = *Connection::Open(database.owner_url());
  Pool pool{database.service_url(), 2};
  Uuid ann, bob, staff, helper, agent;
};

TEST_F(ChainMigrationTest, L5_OldLogsAreChained) {
  const OldEvent busy = Busy(), plain = Plain();
  Store(busy);
  Store(plain);
  Migrate();

  for (const OldEvent* event : {&busy, &plain}) {
    const auto entries = Log(event->id);
    ASSERT_EQ(entries.size(), event->entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
      const LogEntry& old = event->entries[i];
      EXPECT_EQ(entries[i].sequence, old.sequence);
      EXPECT_EQ(entries[i].create_time, old.create_time);
      EXPECT_EQ(entries[i].effector_id, old.effector_id);
      EXPECT_EQ(entries[i].slots, old.slots);
      EXPECT_EQ(entries[i].data_bytes, old.data.SerializeAsString());
    }
    ExpectChained(event->id);
  }
  ExpectNamed(busy, {staff, helper, agent});
  ExpectNamed(plain, {ann});
  ExpectLeaves();
}

TEST_F(ChainMigrationTest, L5_OldLogsGoOn) {
  const OldEvent busy = Busy();
  Store(busy);
  Migrate();
  const Uuid newcomer = AddUser("newcomer");
  // Who is named already, and who is not.
  struct Step {
    Uuid effector;
    size_t named;
  };
  for (const Step& step : {Step{staff, 0}, Step{bob, 0}, Step{newcomer, 1}, Step{newcomer, 0}}) {
    Do([&](Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(auto locked, Events(tx).Lock({busy.id}));
      ++locked.front().last_sequence;
      const auto entry =
          EntryOf(locked.front(), event::v1::LogEntry::VIEW, {step.effector, std::nullopt, std::nullopt}, tx.now());
      return LogEntries(tx).Append({entry}).status();
    }).IgnoreError();
    EXPECT_EQ(Log(busy.id).back().named.size(), step.named * kNamedSize);
  }
  EXPECT_EQ(Log(busy.id).size(), busy.entries.size() + 4);
  ExpectChained(busy.id);
  Do([&](Transaction& tx) -> absl::Status {
    LogTree tree(tx);
    PARLEY_RETURN_IF_ERROR(tree.Sequence());
    for (const LogEntry& entry : Log(busy.id)) {
      PARLEY_ASSIGN_OR_RETURN(const auto index, tree.IndexOf(busy.id, entry.sequence));
      EXPECT_EQ(index, entry.sequence - 1);
    }
    return absl::OkStatus();
  }).IgnoreError();
}

TEST_F(ChainMigrationTest, L5_NothingToChain) {
  Migrate();
  ExpectLeaves();
  EXPECT_EQ(database.Sql("select count(*) from parley.log_leaves"), "0");
  const TestDatabase fresh;
  const std::string origin = "select origin from parley.log_tree";
  EXPECT_TRUE(Uuid::Parse(fresh.Sql(origin).substr(7))) << fresh.Sql(origin);
  EXPECT_NE(fresh.Sql(origin), database.Sql(origin)) << "each log has a name of its own";
}

TEST_F(ChainMigrationTest, L5_WhatIsBrokenAlreadyIsMigratedToo) {
  OldEvent gap = Busy(), headless = Busy(), tailless = Plain(), empty = Plain(), stranger = Plain();
  gap.entries.erase(gap.entries.begin() + 2);
  headless.entries.erase(headless.entries.begin());
  empty.entries.clear();
  stranger.Add(Uuid::TimeOrdered()).data.set_acted_by_id(Uuid::TimeOrdered().ToBytes());
  Store(gap, 6);
  Store(headless, 6);
  Store(tailless, 9);
  Store(empty, 1);
  Store(stranger);
  OldEvent lost = Plain();
  Store(lost);
  Run("delete from events where event_id = '" + lost.id.ToString() + "'");
  Migrate();

  for (const OldEvent* event : {&gap, &headless, &stranger}) ExpectChained(event->id);
  ExpectNamed(gap, {staff, helper});  // the agent's entry is gone
  ExpectNamed(stranger, {ann});
  EXPECT_EQ(Log(headless.id).front().sequence, 2);
  EXPECT_EQ(Log(lost.id).size(), 2u);
  for (const OldEvent* event : {&tailless, &empty}) {
    const auto found = Do([&](Transaction& tx) { return Events(tx).Find({event->id}); });
    EXPECT_EQ(found->front().last_hash, "") << "nobody knows it";
  }
  ExpectLeaves();
}

}  // namespace
}  // namespace parley::data
