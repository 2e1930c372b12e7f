// LogService: checkpoints and proofs.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/access/access.h"
#include "common/data/entry_record.h"
#include "common/data/log_tree.h"
#include "common/time/proto_time.h"
#include "common/tlog/checkpoint.h"
#include "services/event/event_messages.h"
#include "services/event/log_server.h"

namespace parley::event {
namespace {

struct EntryName {
  Uuid event_id;
  int64_t sequence;
};

std::optional<EntryName> ParseEntryName(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4) return std::nullopt;
  const auto event_id = Uuid::Parse(parts[1]);
  int64_t sequence = 0;
  if (!event_id || !absl::SimpleAtoi(parts[3], &sequence) || sequence < 1) return std::nullopt;
  // Each entry has one name.
  if (data::NameOf(*event_id, sequence) != name) return std::nullopt;
  return EntryName{*event_id, sequence};
}

absl::StatusOr<data::PublishedCheckpoint> LastCheckpoint(const data::LogTree& tree) {
  PARLEY_ASSIGN_OR_RETURN(const data::TreeHead head, tree.Head());
  if (!head.checkpoint) return Unavailable("the first checkpoint");
  return *head.checkpoint;
}

absl::Status ToProto(const data::PublishedCheckpoint& checkpoint, v1::Checkpoint& proto) {
  const auto parsed = tlog::Parse(checkpoint.note);
  if (!parsed.ok()) return Internal(parsed.status().message().data());
  proto.set_note(checkpoint.note);
  proto.set_origin(parsed->origin);
  proto.set_tree_size(parsed->size);
  proto.set_root_hash(parsed->root);
  proto.set_verifier_key(checkpoint.verifier_key);
  parley::ToProto(checkpoint.time, proto.mutable_create_time());
  return absl::OkStatus();
}

// The size that is asked for, of trees up to the last checkpoint's.
int64_t SizeOf(int64_t asked, int64_t last, std::string_view field, FieldViolations& fields) {
  if (asked > last) fields.Add(field, absl::StrCat("must be at most ", last, ", the size of the present checkpoint"));
  return asked == 0 ? last : asked;
}

// A proof, where the tree has all nodes that it takes. Which entry is bad if not, nobody knows: the log is to be
// verified.
absl::StatusOr<std::vector<std::string>> Whole(absl::StatusOr<std::vector<std::string>> proof) {
  return absl::IsDataLoss(proof.status()) ? Internal(std::string(proof.status().message())) : std::move(proof);
}

// The entry's record, behind the entry before it.
absl::StatusOr<std::pair<data::LogEntry, std::string>> ReadRecord(data::Transaction& tx, const EntryName& name) {
  const int64_t first = std::max<int64_t>(name.sequence - 1, 1);
  PARLEY_ASSIGN_OR_RETURN(
      auto entries, data::LogEntries(tx).List(name.event_id, first - 1, static_cast<int>(name.sequence - first + 1)));
  for (int64_t sequence = first; sequence <= name.sequence; ++sequence) {
    const auto at = static_cast<size_t>(sequence - first);
    if (at >= entries.size() || entries[at].sequence != sequence) {
      return ChainBroken(data::NameOf(name.event_id, sequence));
    }
  }
  const std::string previous_hash = name.sequence > 1 ? entries.front().hash : data::Event().last_hash;
  std::string record = data::RecordOf(entries.back(), previous_hash);
  return std::pair(std::move(entries.back()), std::move(record));
}

absl::Status Disclose(data::Transaction& tx, const data::LogEntry& entry, v1::InclusionProof& proof) {
  auto ids = UsersOf(entry);
  // The first entry of a log from before there were commitments has those of people who come later.
  for (size_t at = 0; at + data::kNamedSize <= entry.named.size(); at += data::kNamedSize) {
    if (const auto id = Uuid::FromBytes(std::string_view(entry.named).substr(at, 16))) ids.push_back(*id);
  }
  PARLEY_ASSIGN_OR_RETURN(const auto named, data::LogEntries(tx).ListNamed({entry.event_id}));
  for (const data::NamedUser& user : named) {
    if (std::ranges::find(ids, user.user_id) == ids.end()) continue;
    auto& disclosure = *proof.add_disclosures();
    disclosure.set_user_id(user.user_id.ToBytes());
    if (user.salt.empty() || user.address.erased()) continue;
    disclosure.set_address(user.address.ToString());
    disclosure.set_salt(user.salt);
  }
  return absl::OkStatus();
}

absl::Status ProveInclusion(data::Transaction& tx, const rpc::Call& call, const EntryName& name, int64_t asked_size,
                            v1::InclusionProof& proof) {
  proof.Clear();
  const std::string entry_name = data::NameOf(name.event_id, name.sequence);
  PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({name.event_id}));
  PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, name.event_id, found.empty() ? nullptr : &found.front()));
  if (name.sequence > found.front().last_sequence) return NotFound(kLogEntryType, entry_name);
  // In this order: what is in the checkpoint is a leaf.
  const data::LogTree tree(tx);
  PARLEY_ASSIGN_OR_RETURN(const auto checkpoint, LastCheckpoint(tree));
  PARLEY_ASSIGN_OR_RETURN(const auto index, tree.IndexOf(name.event_id, name.sequence));
  FieldViolations fields;
  const int64_t size = SizeOf(asked_size, checkpoint.size, "tree_size", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  if (!index || *index >= checkpoint.size) return Unavailable("a checkpoint with the entry");
  if (*index >= size) return NotFound(kLogEntryType, entry_name);

  PARLEY_ASSIGN_OR_RETURN(const auto entry_and_record, ReadRecord(tx, name));
  const auto& [entry, record] = entry_and_record;
  const auto leaf = tree.Read(0, *index, 1);
  if (absl::IsDataLoss(leaf.status()) || (leaf.ok() && tlog::LeafHash(record) != leaf->front())) {
    return ChainBroken(entry_name);
  }
  PARLEY_RETURN_IF_ERROR(leaf.status());
  PARLEY_ASSIGN_OR_RETURN(const auto hashes, Whole(tlog::InclusionProof(tree, *index, size)));
  proof.set_name(entry_name);
  proof.set_record(record);
  proof.set_leaf_index(*index);
  proof.set_tree_size(size);
  for (const std::string& hash : hashes) proof.add_hashes(hash);
  PARLEY_RETURN_IF_ERROR(ToProto(checkpoint, *proof.mutable_checkpoint()));
  return Disclose(tx, entry, proof);
}

}  // namespace

absl::Status GetCheckpoint(const Context& context, const rpc::Call& call, const v1::GetCheckpointRequest&,
                           v1::Checkpoint& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto checkpoint, LastCheckpoint(data::LogTree(tx)));
    return ToProto(checkpoint, response);
  });
}

absl::Status GetInclusionProof(const Context& context, const rpc::Call& call,
                               const v1::GetInclusionProofRequest& request, v1::InclusionProof& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto name = ParseEntryName(request.name());
  if (!name) fields.Add("name", "must be events/{event}/logEntries/{sequence} with the event's id");
  if (request.tree_size() < 0) fields.Add("tree_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
    return ProveInclusion(tx, call, *name, request.tree_size(), response);
  });
}

absl::Status GetConsistencyProof(const Context& context, const rpc::Call& call,
                                 const v1::GetConsistencyProofRequest& request, v1::ConsistencyProof& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  if (request.first_tree_size() < 1) fields.Add("first_tree_size", "must be at least 1");
  if (request.second_tree_size() < 0) fields.Add("second_tree_size", "must not be negative");
  if (request.second_tree_size() > 0 && request.second_tree_size() < request.first_tree_size()) {
    fields.Add("second_tree_size", "must not be less than the first");
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) -> absl::Status {
    response.Clear();
    const data::LogTree tree(tx);
    PARLEY_ASSIGN_OR_RETURN(const auto checkpoint, LastCheckpoint(tree));
    FieldViolations too_large;
    const int64_t first = SizeOf(request.first_tree_size(), checkpoint.size, "first_tree_size", too_large);
    const int64_t second = SizeOf(request.second_tree_size(), checkpoint.size, "second_tree_size", too_large);
    PARLEY_RETURN_IF_ERROR(too_large.ToStatus());
    PARLEY_ASSIGN_OR_RETURN(const auto hashes, Whole(tlog::ConsistencyProof(tree, first, second)));
    response.set_first_tree_size(first);
    response.set_second_tree_size(second);
    for (const std::string& hash : hashes) response.add_hashes(hash);
    return ToProto(checkpoint, *response.mutable_checkpoint());
  });
}

}  // namespace parley::event
