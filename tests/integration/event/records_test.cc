// L5: what an entry's record says, read as anybody can read it.
#include <map>
#include <set>
#include <span>

#include "parley/internal/data/v1/entry_data.pb.h"
#include "tests/integration/event/proofs_test.h"

namespace parley::event {
namespace {

using internal::data::v1::EntryData;

// An entry's record, read as proto/README.md lays it down, and by nothing that Parley has for it.
struct Record {
  int64_t version, sequence, time, occurrence, revision;
  std::string event_id, effector_id;
  std::vector<std::pair<int64_t, int64_t>> slots;
  EntryData data;
  std::vector<std::pair<std::string, std::string>> named;  // user ids and commitments
  std::string previous_hash;
};

class RecordReader {
 public:
  explicit RecordReader(const std::string& bytes) : rest_(bytes) {}

  std::string Take(size_t size) {
    EXPECT_LE(size, rest_.size()) << "the record is too short";
    std::string taken(rest_.substr(0, size));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  int64_t Number(size_t size) {
    uint64_t number = 0;
    for (const char byte : Take(size)) number = number << 8 | static_cast<uint8_t>(byte);
    return static_cast<int64_t>(number);
  }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

Record Decode(const std::string& bytes) {
  RecordReader reader(bytes);
  Record record;
  record.version = reader.Number(1);
  record.event_id = reader.Take(16);
  record.sequence = reader.Number(8);
  record.time = reader.Number(8);
  record.occurrence = reader.Number(1);
  record.effector_id = reader.Take(16);
  record.revision = reader.Number(8);
  for (int64_t left = reader.Number(4); left > 0 && reader.left() > 0; --left) {
    const int64_t start = reader.Number(8);
    record.slots.emplace_back(start, reader.Number(8));
  }
  EXPECT_TRUE(record.data.ParseFromString(reader.Take(static_cast<size_t>(reader.Number(4)))));
  for (int64_t left = reader.Number(4); left > 0 && reader.left() > 0; --left) {
    const std::string user_id = reader.Take(16);
    record.named.emplace_back(user_id, reader.Take(32));
  }
  record.previous_hash = reader.Take(32);
  EXPECT_EQ(reader.left(), 0u) << "the record is too long";
  return record;
}

// All users that it says something of.
std::set<std::string> UsersIn(const Record& record) {
  std::set<std::string> ids{record.effector_id, record.data.acted_by_id(), record.data.recipient_id(),
                            record.data.sender_id()};
  ids.insert(record.data.opened().party_ids().begin(), record.data.opened().party_ids().end());
  ids.insert(record.data.confirmed_ids().begin(), record.data.confirmed_ids().end());
  for (const auto& [id, commitment] : record.named) ids.insert(id);
  ids.erase("");
  return ids;
}

int64_t MicrosOf(const google::protobuf::Timestamp& time) { return absl::ToUnixMicros(*FromProto(time)); }

using RecordsTest = ProofsTest;

TEST_F(RecordsTest, L5_TheRecordSaysAllThatTheEntrySays) {
  Negotiate();
  bool many_slots = false, no_slots = false, token = false, acted_by = false;
  for (const auto& log : AllProved()) {
    for (const auto& [entry, proof] : log) {
      const Record record = Decode(proof.record());
      std::map<std::string, std::string> addresses{{"", ""}};
      for (const auto& disclosed : proof.disclosures()) addresses[disclosed.user_id()] = disclosed.address();
      const auto shown = [](const Uuid& event, const char* collection, const std::string& id) {
        return id.empty() ? "" : absl::StrCat("events/", event.ToString(), collection, Uuid::FromBytes(id)->ToString());
      };
      const Uuid event_id = *Uuid::FromBytes(record.event_id);

      EXPECT_EQ(record.version, 1);
      EXPECT_EQ(data::NameOf(event_id, record.sequence), entry.name());
      EXPECT_EQ(record.sequence, entry.sequence());
      EXPECT_EQ(record.time, MicrosOf(entry.create_time()));
      EXPECT_EQ(record.occurrence, entry.occurrence());
      EXPECT_EQ(addresses.at(record.effector_id), entry.effector());
      EXPECT_EQ(record.revision, entry.revision());
      ASSERT_EQ(record.slots.size(), static_cast<size_t>(entry.slots_size()));
      for (int i = 0; i < entry.slots_size(); ++i) {
        const auto& [start, end] = record.slots[static_cast<size_t>(i)];
        EXPECT_EQ(start, MicrosOf(entry.slots(i).start_time()));
        EXPECT_EQ(end - start, entry.slots(i).duration().seconds() * 1000000);
      }

      v1::LogEntry::Data said;
      said.set_email_token(shown(event_id, "/emailTokens/", record.data.email_token_id()));
      said.set_acted_by(addresses.at(record.data.acted_by_id()));
      if (record.data.has_opened()) {
        const auto& opened = record.data.opened();
        said.mutable_opened()->set_title(opened.title());
        for (const auto& id : opened.party_ids()) said.mutable_opened()->add_parties(addresses.at(id));
        auto& policy = *said.mutable_opened()->mutable_agreement_policy();
        policy.set_quorum(static_cast<v1::AgreementPolicy::Quorum>(opened.quorum()));
        policy.set_confirmed_by(static_cast<v1::AgreementPolicy::ConfirmedBy>(opened.confirmed_by()));
        said.mutable_opened()->set_time_zone(opened.time_zone());
      }
      said.set_title(record.data.title());
      said.set_time_zone(record.data.time_zone());
      said.set_slots_changed(record.data.slots_changed());
      said.set_affirmed(record.data.affirmed());
      said.set_state(static_cast<v1::Event::State>(record.data.state()));
      for (const auto& id : record.data.confirmed_ids()) said.add_confirmed(addresses.at(id));
      said.set_closed(record.data.closed());
      said.set_deleted(record.data.deleted());
      said.set_recipient(addresses.at(record.data.recipient_id()));
      said.set_sender(addresses.at(record.data.sender_id()));
      said.set_notification(shown(event_id, "/notifications/", record.data.notification_id()));
      const auto event_of = [](const std::string& id) {
        return id.empty() ? "" : "events/" + Uuid::FromBytes(id)->ToString();
      };
      said.set_predecessor(event_of(record.data.predecessor_id()));
      said.set_successor(event_of(record.data.successor_id()));
      EXPECT_THAT(entry.data(), EqualsProto(said)) << entry.name();

      many_slots |= record.slots.size() > 1;
      no_slots |= record.slots.empty();
      token |= !said.email_token().empty();
      acted_by |= !said.acted_by().empty();
    }
  }
  EXPECT_TRUE(many_slots && no_slots && token && acted_by) << "all of it was seen";
}

TEST_F(RecordsTest, L5_EachRecordEndsWithTheHashOfTheEntryBefore) {
  Negotiate();
  for (const auto& log : AllProved()) {
    std::string previous(32, '\0');
    int64_t sequence = 0, leaf = -1;
    for (const auto& [entry, proof] : log) {
      EXPECT_EQ(entry.sequence(), ++sequence);
      EXPECT_EQ(Decode(proof.record()).previous_hash, previous) << entry.name();
      previous = LeafOf(proof.record());
      EXPECT_EQ(entry.hash(), previous) << entry.name();
      EXPECT_GT(proof.leaf_index(), leaf);
      leaf = proof.leaf_index();
    }
  }
}

TEST_F(RecordsTest, L5_EachUserIsNamedOnceAndDisclosuresMakeTheCommitments) {
  Negotiate();
  const std::map<std::string, std::string> staff_addresses{
      {staff.principal.user_id.ToBytes(), "staff@example.org"},
      {second_staff.principal.user_id.ToBytes(), "second@example.org"}};
  std::set<std::string> salts, staff_seen;
  size_t named_users = 0;
  for (const auto& log : AllProved()) {
    std::map<std::string, std::string> commitments;
    for (const auto& [entry, proof] : log) {
      const Record record = Decode(proof.record());
      std::vector<std::string> named;
      for (const auto& [id, commitment] : record.named) {
        EXPECT_TRUE(commitments.emplace(id, commitment).second) << "named once";
        named.push_back(id);
      }
      // The first entry names the parties, in their order; each entry the staff that nobody had named before.
      const auto& parties = record.data.opened().party_ids();
      ASSERT_GE(named.size(), static_cast<size_t>(parties.size()));
      EXPECT_TRUE(std::ranges::equal(parties, std::span(named).first(static_cast<size_t>(parties.size()))));
      for (const std::string& id : std::span(named).subspan(static_cast<size_t>(parties.size()))) {
        EXPECT_TRUE(id == record.effector_id || id == record.data.acted_by_id());
        EXPECT_TRUE(staff_addresses.contains(id));
        staff_seen.insert(id);
      }

      std::set<std::string> disclosed;
      for (const auto& disclosure : proof.disclosures()) {
        EXPECT_TRUE(disclosed.insert(disclosure.user_id()).second);
        ASSERT_TRUE(commitments.contains(disclosure.user_id())) << "by this entry or one before it";
        EXPECT_EQ(disclosure.salt().size(), 16u);
        EXPECT_EQ(Sha256(disclosure.salt() + disclosure.address()), commitments.at(disclosure.user_id()));
        const auto member = staff_addresses.find(disclosure.user_id());
        if (member != staff_addresses.end()) {
          EXPECT_EQ(disclosure.address(), member->second);
        }
        if (disclosure.user_id() == bob.principal.user_id.ToBytes()) {
          EXPECT_EQ(disclosure.address(), "Bob@example.org") << "as it was given to the event";
        }
        salts.insert(disclosure.salt());
      }
      EXPECT_EQ(disclosed, UsersIn(record)) << entry.name();
    }
    named_users += commitments.size();
  }
  EXPECT_EQ(staff_seen.size(), 2u);
  EXPECT_EQ(salts.size(), named_users) << "each user has a salt of its own on each log";
}

TEST_F(RecordsTest, L5_StaffWhoComeAtOnceAreNamedOnce) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const rpc::Call* callers[] = {&staff, &second_staff};
  AtOnce(16, [&](size_t i) { EXPECT_THAT(Get(*callers[i % 2], event.name()), Succeeds()); });
  Sign();
  events_ = {event};
  std::set<std::string> seen;
  const auto logs = AllProved();
  for (const auto& [entry, proof] : logs.front()) {
    const Record record = Decode(proof.record());
    if (record.occurrence != v1::LogEntry::VIEW) continue;
    EXPECT_EQ(record.named.size(), seen.insert(record.effector_id).second ? 1u : 0u) << entry.name();
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(RecordsTest, L5_WhoeverIsNamedIsDisclosed) {
  // First entries from before the chain name all, also those who come later.
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  EXPECT_THAT(Do([&](data::Transaction& tx) -> absl::Status {
                PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({IdOf(event)}));
                ++locked.front().last_sequence;
                auto entry = data::EntryOf(locked.front(), v1::LogEntry::VIEW,
                                           {ann.principal.user_id, std::nullopt, std::nullopt}, tx.now());
                entry.staff_ids = {staff.principal.user_id};
                return data::LogEntries(tx).Append({entry}).status();
              }),
              Succeeds());
  Sign();
  ASSERT_OK_AND_ASSIGN(const auto proof, Inclusion(ann, EntryOf(event, 2)));
  const Record record = Decode(proof.record());
  ASSERT_EQ(record.named.size(), 1u);
  std::map<std::string, std::string> disclosed;
  for (const auto& each : proof.disclosures()) disclosed[each.user_id()] = Sha256(each.salt() + each.address());
  ASSERT_EQ(disclosed.size(), 2u);
  EXPECT_EQ(disclosed[staff.principal.user_id.ToBytes()], record.named.front().second);
}

}  // namespace
}  // namespace parley::event
