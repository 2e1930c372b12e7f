// L5: checkpoints and proofs as callers get them, checked as anybody can check them.
#include <openssl/sha.h>

#include <limits>
#include <map>
#include <set>
#include <span>

#include "absl/strings/str_replace.h"
#include "common/time/proto_time.h"
#include "parley/internal/data/v1/entry_data.pb.h"
#include "tests/integration/event/tree_test.h"

namespace parley::event {
namespace {

using internal::data::v1::EntryData;
using testing::IsEmpty;

const auto kAway = Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE);
const auto kBroken = Fails(absl::StatusCode::kDataLoss, error::v1::CHAIN_BROKEN);

std::string Sha256(const std::string& text) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash);
  return {reinterpret_cast<const char*>(hash), sizeof(hash)};
}

std::string LeafOf(const std::string& record) { return Sha256('\0' + record); }

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

std::vector<std::string> BadFields(const absl::Status& status) {
  google::rpc::BadRequest bad;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  EXPECT_TRUE(payload && bad.ParseFromString(std::string(*payload))) << status;
  std::vector<std::string> fields;
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

template <class Proof>
std::vector<std::string> HashesOf(const Proof& proof) {
  return {proof.hashes().begin(), proof.hashes().end()};
}

class ProofsTest : public TreeTest {
 protected:
  absl::StatusOr<v1::Checkpoint> Checkpoint(const rpc::Call& call) {
    v1::Checkpoint checkpoint;
    PARLEY_RETURN_IF_ERROR(GetCheckpoint(context, call, {}, checkpoint));
    return checkpoint;
  }

  absl::StatusOr<v1::InclusionProof> Inclusion(const rpc::Call& call, const std::string& name, int64_t tree_size = 0) {
    v1::GetInclusionProofRequest request;
    request.set_name(name);
    request.set_tree_size(tree_size);
    v1::InclusionProof proof;
    PARLEY_RETURN_IF_ERROR(GetInclusionProof(context, call, request, proof));
    return proof;
  }

  absl::StatusOr<v1::ConsistencyProof> Consistency(const rpc::Call& call, int64_t first, int64_t second = 0) {
    v1::GetConsistencyProofRequest request;
    request.set_first_tree_size(first);
    request.set_second_tree_size(second);
    v1::ConsistencyProof proof;
    PARLEY_RETURN_IF_ERROR(GetConsistencyProof(context, call, request, proof));
    return proof;
  }

  static std::string EntryOf(const v1::Event& event, int64_t sequence) {
    return absl::StrCat(event.name(), "/logEntries/", sequence);
  }

  // The checkpoint as anybody reads it who has the key from before.
  tlog::Checkpoint Opened(const v1::Checkpoint& checkpoint) const {
    EXPECT_EQ(checkpoint.verifier_key(), key.VerifierKey(checkpoint.origin()));
    const auto opened = tlog::Open(checkpoint.note(), checkpoint.verifier_key());
    EXPECT_THAT(opened, Succeeds());
    if (!opened.ok()) return {};
    EXPECT_EQ(*opened, (tlog::Checkpoint{checkpoint.origin(), checkpoint.tree_size(), checkpoint.root_hash()}));
    return *opened;
  }

  // Signs what is new, and keeps what was signed.
  void Sign() {
    ASSERT_THAT(process.Step(), Succeeds());
    ASSERT_OK_AND_ASSIGN(const v1::Checkpoint checkpoint, Checkpoint(eve));
    EXPECT_LE(absl::AbsDuration(absl::Now() - *FromProto(checkpoint.create_time())), absl::Minutes(5));
    const tlog::Checkpoint opened = Opened(checkpoint);
    signed_[opened.size] = opened;
  }

  v1::Event Kept(const absl::StatusOr<v1::Event>& answer) {
    EXPECT_THAT(answer, Succeeds());
    Sign();
    return answer.value_or(v1::Event());
  }

  // An entry as the notification service writes it.
  void Notify(const v1::Event& event) {
    EXPECT_THAT(Do([&](data::Transaction& tx) -> absl::Status {
                  PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({IdOf(event)}));
                  ++locked.front().last_sequence;
                  auto entry = data::EntryOf(locked.front(), v1::LogEntry::NOTIFY,
                                             {ann.principal.user_id, std::nullopt, std::nullopt}, tx.now());
                  entry.data.set_recipient_id(bob.principal.user_id.ToBytes());
                  entry.data.set_sender_id(ann.principal.user_id.ToBytes());
                  entry.data.set_notification_id(Uuid::TimeOrdered().ToBytes());
                  return data::LogEntries(tx).Append({entry}).status();
                }),
                Succeeds());
    Sign();
  }

  // Entries of all kinds by callers of all kinds, on the logs of several events, signed again and again.
  void Negotiate() {
    Sign();
    auto request = Proposal(2);
    request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
    v1::Event event = Kept(Create(ActingFor(ann, staff), request));
    const v1::Event plain = Kept(Create(ann, Proposal(5)));
    Kept(Get(staff, event.name()));
    Kept(Get(bob, event.name()));  // which confirms
    const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
    auto update = UpdateOf(event);
    update.mutable_event()->set_title("Dinner");
    update.mutable_event()->set_time_zone("Asia/Tokyo");
    AddSlot(*update.mutable_event(), 7);
    event = Kept(Update(guest, update));
    Notify(event);
    Kept(Get(ActingFor(ann, second_staff), event.name()));
    event = Kept(Move(staff, event, 9));
    Kept(Get(second_staff, plain.name()));
    event = Kept(Confirm(ann, event));
    event = Kept(Confirm(bob, event));
    event = Kept(Get(guest, event.name()));
    ASSERT_EQ(event.state(), v1::Event::AGREED);
    const v1::Event successor = Kept(Reopen(bob, event));
    Kept(Narrow(ann, plain, 0));
    ASSERT_THAT(Delete(staff, successor), Succeeds());
    Sign();
    events_ = {event, plain, successor};
  }

  // Of all logs: each entry as ListLogEntries shows it, with its proof in the present tree.
  struct Proved {
    v1::LogEntry entry;
    v1::InclusionProof proof;
  };
  std::vector<std::vector<Proved>> AllProved() {
    std::vector<std::vector<Proved>> logs;
    for (const v1::Event& event : events_) {
      const auto entries = Log(staff, event.name());
      EXPECT_THAT(entries, Succeeds());
      logs.emplace_back();
      for (const v1::LogEntry& entry : *entries) {
        const auto proof = Inclusion(ann, entry.name());
        EXPECT_THAT(proof, Succeeds()) << entry.name();
        logs.back().push_back({entry, proof.value_or(v1::InclusionProof())});
      }
    }
    return logs;
  }

  // Of all rows of all tables.
  std::string WholeDigest() const {
    return database.Sql(R"(
      select md5(string_agg(table_name || query_to_xml(format('select t::text as row from parley.%I t order by 1',
                                                              table_name), true, false, '')::text, '' order by table_name))
      from information_schema.tables where table_schema = 'parley')");
  }

  rpc::Call second_staff = UserOf("second@example.org", token::v1::User::STAFF);
  std::vector<v1::Event> events_;
  std::map<int64_t, tlog::Checkpoint> signed_;  // by size
};

TEST_F(ProofsTest, L5_EveryEntryIsProvedInEveryTree) {
  Negotiate();
  const int64_t size = Count("log_entries");
  ASSERT_EQ(signed_.rbegin()->first, size);
  ASSERT_GT(size, 15);
  const tlog::Checkpoint present = signed_.rbegin()->second;

  // The leaves, in their order, by the records alone; and the roots of all trees by them.
  std::map<int64_t, std::pair<std::string, std::string>> names_and_leaves;
  for (const auto& log : AllProved()) {
    for (const auto& [entry, proof] : log) {
      EXPECT_EQ(proof.name(), entry.name());
      EXPECT_EQ(proof.tree_size(), size);
      EXPECT_EQ(Opened(proof.checkpoint()), present);
      names_and_leaves[proof.leaf_index()] = {entry.name(), LeafOf(proof.record())};
    }
  }
  ASSERT_EQ(static_cast<int64_t>(names_and_leaves.size()), size);
  ASSERT_EQ(names_and_leaves.begin()->first, 0);
  ASSERT_EQ(names_and_leaves.rbegin()->first, size - 1);
  tlog::GrowingRoot growing;
  std::vector<std::string> roots{growing.Root()};
  for (const auto& [index, name_and_leaf] : names_and_leaves) {
    growing.Append(name_and_leaf.second);
    roots.push_back(growing.Root());
  }
  for (const auto& [signed_size, checkpoint] : signed_) {
    EXPECT_EQ(checkpoint.root, roots[static_cast<size_t>(signed_size)]) << signed_size;
  }

  for (int64_t tree_size = 1; tree_size <= size; ++tree_size) {
    const std::string& root = roots[static_cast<size_t>(tree_size)];
    for (const auto& [index, name_and_leaf] : names_and_leaves) {
      const auto& [name, leaf] = name_and_leaf;
      const auto proof = Inclusion(bob, name, tree_size);
      if (index >= tree_size) {
        EXPECT_THAT(proof, kAbsent) << name << " " << tree_size;
        EXPECT_EQ(MetadataOf(proof.status(), "resource"), name);
        continue;
      }
      ASSERT_THAT(proof, Succeeds());
      EXPECT_EQ(proof->tree_size(), tree_size);
      EXPECT_EQ(proof->leaf_index(), index);
      EXPECT_EQ(LeafOf(proof->record()), leaf);
      EXPECT_EQ(Opened(proof->checkpoint()), present) << "the present one in any case";
      EXPECT_THAT(tlog::CheckInclusion(leaf, index, tree_size, HashesOf(*proof), root), Succeeds())
          << name << " " << tree_size;
    }
    for (int64_t second = tree_size; second <= size; ++second) {
      ASSERT_OK_AND_ASSIGN(const auto proof, Consistency(eve, tree_size, second));
      EXPECT_EQ(proof.first_tree_size(), tree_size);
      EXPECT_EQ(proof.second_tree_size(), second);
      EXPECT_EQ(Opened(proof.checkpoint()), present);
      EXPECT_THAT(tlog::CheckConsistency(tree_size, root, second, roots[static_cast<size_t>(second)], HashesOf(proof)),
                  Succeeds())
          << tree_size << " " << second;
    }
    ASSERT_OK_AND_ASSIGN(const auto to_present, Consistency(eve, tree_size));
    EXPECT_EQ(to_present.second_tree_size(), size);
  }
}

TEST_F(ProofsTest, L5_TheRecordSaysAllThatTheEntrySays) {
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

TEST_F(ProofsTest, L5_EachRecordEndsWithTheHashOfTheEntryBefore) {
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

TEST_F(ProofsTest, L5_EachUserIsNamedOnceAndDisclosuresMakeTheCommitments) {
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

TEST_F(ProofsTest, L5_StaffWhoComeAtOnceAreNamedOnce) {
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

TEST_F(ProofsTest, L5_WhoeverIsNamedIsDisclosed) {
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

TEST_F(ProofsTest, L5_WhoMayProveWhat) {
  ASSERT_OK_AND_ASSIGN(const v1::Event open, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(const v1::Event deleted, Create(ann, Proposal()));
  const rpc::Call guest = GuestOf(bob, open), guest_of_deleted = GuestOf(bob, deleted);
  ASSERT_THAT(Delete(staff, deleted), Succeeds());
  Sign();
  v1::Event missing;
  missing.set_name("events/" + Uuid::TimeOrdered().ToString());
  rpc::Call nobody, service;
  nobody.deadline = service.deadline = ann.deadline;
  service.principal = rpc::Principal::Service("notification");
  const auto forbidden = Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED);
  using Answer = testing::Matcher<const absl::StatusOr<v1::InclusionProof>&>;
  const Answer yes = Succeeds(), hidden = kHidden, absent = kAbsent, none = kNoCredential;
  struct Case {
    const char* who;
    rpc::Call call;
    Answer open, deleted, missing;
  };
  for (const Case& each :
       {Case{"nobody", nobody, none, none, none}, Case{"a service", service, hidden, hidden, hidden},
        Case{"a guest", guest, yes, hidden, hidden},
        Case{"a guest of the deleted event", guest_of_deleted, hidden, absent, hidden},
        Case{"staff as a guest", GuestOf(staff, open), hidden, hidden, hidden}, Case{"a party", bob, yes, yes, hidden},
        Case{"staff for a party", ActingFor(bob, staff), yes, yes, hidden},
        Case{"a stranger", eve, hidden, hidden, hidden},
        Case{"staff for a stranger", ActingFor(eve, staff), hidden, hidden, hidden},
        Case{"staff", staff, yes, yes, absent}}) {
    EXPECT_THAT(Inclusion(each.call, EntryOf(open, 1)), each.open) << each.who;
    EXPECT_THAT(Inclusion(each.call, EntryOf(deleted, 1)), each.deleted) << each.who;
    EXPECT_THAT(Inclusion(each.call, EntryOf(deleted, 2)), each.deleted) << each.who;
    EXPECT_THAT(Inclusion(each.call, EntryOf(missing, 1)), each.missing) << each.who;
    // The tree as a whole is for everybody with a credential.
    if (each.call.principal.kind == rpc::Principal::Kind::kUser) {
      EXPECT_THAT(Checkpoint(each.call), Succeeds()) << each.who;
      EXPECT_THAT(Consistency(each.call, 1), Succeeds()) << each.who;
    }
  }
  EXPECT_THAT(Checkpoint(nobody), kNoCredential);
  EXPECT_THAT(Consistency(nobody, 1), kNoCredential);
  EXPECT_THAT(Consistency(nobody, -1), kNoCredential);
  EXPECT_THAT(Checkpoint(service), forbidden);
  EXPECT_THAT(Consistency(service, 1), forbidden);

  // Strangers learn nothing from what else is wrong: each answer is as if nothing were there.
  const auto seen_by_eve = [&](const v1::Event& event, int64_t sequence, int64_t tree_size) {
    const absl::Status status = Inclusion(eve, EntryOf(event, sequence), tree_size).status();
    EXPECT_THAT(status, kHidden);
    std::set<std::string> parts{std::string(status.message())};
    status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
      parts.insert(absl::StrCat(type, " ", std::string(payload)));
    });
    std::string all;
    for (const std::string& part : parts) absl::StrAppend(&all, part, "\n");
    return absl::StrReplaceAll(all, {{event.name(), "EVENT"}});
  };
  const std::string as_missing = seen_by_eve(missing, 1, 0);
  for (const v1::Event& event : {open, deleted, missing}) {
    EXPECT_EQ(seen_by_eve(event, 1, 0), as_missing);
    EXPECT_EQ(seen_by_eve(event, 99, 0), as_missing);
    EXPECT_EQ(seen_by_eve(event, 1, 1000), as_missing);
  }
}

TEST_F(ProofsTest, L5_AllBadFieldsAreNamed) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  Sign();
  const std::string name = EntryOf(event, 1);
  struct InclusionCase {
    std::string name;
    int64_t tree_size;
    std::vector<std::string> bad;
  };
  std::string upper = name;
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const auto& [given, tree_size, bad] :
       {InclusionCase{"", -1, {"name", "tree_size"}}, InclusionCase{"events/17/logEntries/1", 0, {"name"}},
        InclusionCase{event.name(), 0, {"name"}}, InclusionCase{EntryOf(event, 0), 0, {"name"}},
        InclusionCase{EntryOf(event, -1), 0, {"name"}}, InclusionCase{event.name() + "/logEntries/01", 0, {"name"}},
        InclusionCase{event.name() + "/logEntries/+1", 0, {"name"}}, InclusionCase{name + "/", 0, {"name"}},
        InclusionCase{"/" + name, 0, {"name"}}, InclusionCase{event.name() + "/logEntries/", 0, {"name"}},
        InclusionCase{event.name() + "/logEntries/9223372036854775808", 0, {"name"}},
        InclusionCase{event.name() + "/notifications/1", 0, {"name"}}, InclusionCase{upper, 0, {"name"}},
        InclusionCase{name + std::string("\0", 1), 0, {"name"}}, InclusionCase{name, -1, {"tree_size"}},
        InclusionCase{name, 2, {"tree_size"}},
        InclusionCase{name, std::numeric_limits<int64_t>::max(), {"tree_size"}}}) {
    const auto refused = Inclusion(ann, given, tree_size);
    EXPECT_THAT(refused, kInvalid) << given << " " << tree_size;
    EXPECT_EQ(BadFields(refused.status()), bad) << given << " " << tree_size;
  }
  EXPECT_THAT(Inclusion(ann, name, 1), Succeeds());

  struct ConsistencyCase {
    int64_t first, second;
    std::vector<std::string> bad;
  };
  for (const auto& [first, second, bad] :
       {ConsistencyCase{0, 0, {"first_tree_size"}}, ConsistencyCase{-1, -1, {"first_tree_size", "second_tree_size"}},
        ConsistencyCase{0, 1, {"first_tree_size"}}, ConsistencyCase{1, -1, {"second_tree_size"}},
        ConsistencyCase{2, 1, {"second_tree_size"}}, ConsistencyCase{2, 0, {"first_tree_size"}},
        ConsistencyCase{1, 2, {"second_tree_size"}}, ConsistencyCase{2, 3, {"first_tree_size", "second_tree_size"}}}) {
    const auto refused = Consistency(ann, first, second);
    EXPECT_THAT(refused, kInvalid) << first << " " << second;
    EXPECT_EQ(BadFields(refused.status()), bad) << first << " " << second;
  }
  EXPECT_THAT(HashesOf(*Consistency(ann, 1, 1)), IsEmpty());
}

TEST_F(ProofsTest, L5_WhatIsNotThereAndWhatIsNotSignedYet) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  EXPECT_THAT(Checkpoint(ann), kAway) << "before the first";
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 1)), kAway);
  EXPECT_THAT(Consistency(ann, 1), kAway);
  Sign();
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 1)), Succeeds());
  for (const int64_t sequence : {int64_t{2}, int64_t{3}, std::numeric_limits<int64_t>::max()}) {
    const auto none = Inclusion(ann, EntryOf(event, sequence));
    EXPECT_THAT(none, kAbsent);
    EXPECT_EQ(MetadataOf(none.status(), "resource"), EntryOf(event, sequence));
  }

  ASSERT_THAT(Get(bob, event.name()), Succeeds());
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2)), kAway) << "it waits";
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2), 1), kAway);
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 3)), kAbsent);
  // The tree grows, and nobody signs it.
  EXPECT_THAT(Do([](data::Transaction& tx) -> absl::Status {
                data::LogTree tree(tx);
                PARLEY_RETURN_IF_ERROR(tree.Sequence());
                return tree.Grow(1).status();
              }),
              Succeeds());
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2)), kAway) << "a leaf that is not signed";
  EXPECT_EQ(BadFields(Inclusion(ann, EntryOf(event, 1), 2).status()), std::vector<std::string>{"tree_size"});
  EXPECT_EQ(BadFields(Consistency(ann, 1, 2).status()), std::vector<std::string>{"second_tree_size"});
  Sign();
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2)), Succeeds());
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2), 1), kAbsent);

  // Under another origin nothing is signed yet.
  database.Sql(
      "update parley.log_tree set origin = 'parley/another', checkpoint = null, checkpoint_size = 0, "
      "checkpoint_time = null, verifier_key = null");
  EXPECT_THAT(Checkpoint(ann), kAway);
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 1)), kAway);
  Sign();
  EXPECT_EQ(Checkpoint(ann)->origin(), "parley/another");
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2)), Succeeds());
}

TEST_F(ProofsTest, L5_AnEditedEntryIsFound) {
  ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(const v1::Event other, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(event, Retitle(ann, event, "Dinner"));
  ASSERT_THAT(Get(staff, event.name()), Succeeds());
  ASSERT_OK_AND_ASSIGN(event, Retitle(ann, event, "Supper"));
  Sign();
  Copy();
  // Of 4 entries: whose proofs fail, and which entry they name.
  struct Edit {
    const char* what;
    const char* sql;
    std::map<int64_t, int64_t> found;
  };
  for (const auto& [what, sql, found] :
       {Edit{"effector", "EDIT effector_id = gen_random_uuid() WHERE = 2", {{2, 2}}},
        Edit{"time", "EDIT create_time = create_time + interval '1 microsecond' WHERE = 2", {{2, 2}}},
        Edit{"occurrence", "EDIT occurrence = 'VIEW' WHERE = 2", {{2, 2}}},
        Edit{"revision", "EDIT revision = revision + 1 WHERE = 2", {{2, 2}}},
        Edit{"a slot less", "EDIT slots = slots[2:] WHERE = 2", {{2, 2}}},
        Edit{"the order of slots", "EDIT slots = array[slots[2], slots[1], slots[3]] WHERE = 2", {{2, 2}}},
        Edit{"data", "EDIT data = data || '\\x3001' WHERE = 2", {{2, 2}}},
        Edit{"data that mean the same", "EDIT data = data || '\\x3000' WHERE = 2", {{2, 2}}},
        Edit{"named", "EDIT named = sha256('') || substr(sha256(''), 1, 16) WHERE = 2", {{2, 2}}},
        Edit{"who is named", "EDIT named = set_byte(named, 20, 255 - get_byte(named, 20)) WHERE = 3", {{3, 3}}},
        Edit{"hash", "EDIT hash = sha256('') WHERE = 2", {{3, 3}}},
        Edit{"a swap",
             "EDIT sequence = 999 WHERE = 2; EDIT sequence = 2 WHERE = 3; EDIT sequence = 3 WHERE = 999",
             {{2, 2}, {3, 3}, {4, 4}}},
        Edit{"a removal", "delete from parley.log_entries WHERE = 2", {{2, 2}, {3, 2}}},
        Edit{"the removal of the last", "delete from parley.log_entries WHERE = 4", {{4, 4}}},
        Edit{"the removal of all", "delete from parley.log_entries WHERE > 0", {{1, 1}, {2, 1}, {3, 2}, {4, 3}}},
        Edit{"the leaf", "update parley.log_leaves set hash = sha256('') WHERE = 2", {{2, 2}}}}) {
    database.Sql(absl::StrReplaceAll(
        sql, {{"EDIT", "update parley.log_entries set"},
              {"WHERE", absl::StrCat("where event_id = '", IdOf(event).ToString(), "' and sequence")}}));
    for (int64_t sequence = 1; sequence <= 4; ++sequence) {
      const auto proof = Inclusion(staff, EntryOf(event, sequence));
      if (!found.contains(sequence)) {
        EXPECT_THAT(proof, Succeeds()) << what << " " << sequence;
        continue;
      }
      EXPECT_THAT(proof, kBroken) << what << " " << sequence;
      EXPECT_EQ(MetadataOf(proof.status(), "entry"), EntryOf(event, found.at(sequence))) << what << " " << sequence;
    }
    EXPECT_THAT(Inclusion(ann, EntryOf(other, 1)), Succeeds()) << what;
    EXPECT_THAT(Inclusion(eve, EntryOf(event, 2)), kHidden) << what;
    Restore();
  }
  for (int64_t sequence = 1; sequence <= 4; ++sequence) {
    EXPECT_THAT(Inclusion(staff, EntryOf(event, sequence)), Succeeds());
  }
}

TEST_F(ProofsTest, L1_L5_ReadingProofsWritesNothing) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  ASSERT_THAT(Get(bob, event.name()), Succeeds());
  Sign();
  const std::string before = WholeDigest();
  for (const rpc::Call& call : {ann, staff, eve, GuestOf(bob, event), rpc::Call()}) {
    Checkpoint(call).status().IgnoreError();
    Consistency(call, 1).status().IgnoreError();
    Consistency(call, 7).status().IgnoreError();
    for (int64_t sequence = 0; sequence < 4; ++sequence) {
      Inclusion(call, EntryOf(event, sequence)).status().IgnoreError();
      Inclusion(call, EntryOf(event, sequence), 1).status().IgnoreError();
    }
  }
  EXPECT_EQ(WholeDigest(), before);
  EXPECT_THAT(Inclusion(ann, EntryOf(event, 2)), Succeeds());
  ASSERT_THAT(Get(bob, event.name()), Succeeds());
  EXPECT_NE(WholeDigest(), before) << "which a view does";
}

}  // namespace
}  // namespace parley::event
