// L5: checkpoints and proofs as callers get them, checked as anybody can check them.
#include "tests/integration/event/proofs_test.h"

#include <limits>
#include <map>
#include <set>

#include "absl/strings/str_replace.h"

namespace parley::event {
namespace {

using testing::IsEmpty;

const auto kAway = Fails(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE);
const auto kBroken = Fails(absl::StatusCode::kDataLoss, error::v1::CHAIN_BROKEN);

std::vector<std::string> BadFields(const absl::Status& status) {
  google::rpc::BadRequest bad;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  EXPECT_TRUE(payload && bad.ParseFromString(std::string(*payload))) << status;
  std::vector<std::string> fields;
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

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
