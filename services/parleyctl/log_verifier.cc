#include "services/parleyctl/log_verifier.h"

#include "absl/strings/str_cat.h"
#include "common/data/entry_record.h"
#include "common/status/status.h"

namespace parley::ctl {
namespace {

absl::Status Bad(const ExportEntry& line, std::string_view reason) {
  return absl::DataLossError(absl::StrCat(data::NameOf(line.event_id, line.sequence), ": ", std::string(reason)));
}

absl::Status BadTree(std::string_view reason) {
  return absl::DataLossError(absl::StrCat("the tree: ", std::string(reason)));
}

}  // namespace

absl::StatusOr<LogVerifier> LogVerifier::Begin(ExportHeader header, std::optional<Older> older,
                                               const std::string& key) {
  LogVerifier verifier;
  std::string known = key;
  if (known.empty() && older) known = older->verifier_key;
  if (known.empty()) {
    known = header.verifier_key;
    verifier.trusted_from_ = " (by a key that only this export vouches for)";
  }
  auto open = [&known](const std::string& note, const char* which) -> absl::StatusOr<tlog::Checkpoint> {
    auto checkpoint = tlog::Open(note, known);
    if (checkpoint.ok()) return checkpoint;
    return absl::Status(checkpoint.status().code(), absl::StrCat(which, ": ", checkpoint.status().message()));
  };
  PARLEY_ASSIGN_OR_RETURN(verifier.checkpoint_, open(header.checkpoint, "the checkpoint"));
  if (older) {
    PARLEY_ASSIGN_OR_RETURN(verifier.older_checkpoint_, open(older->checkpoint, "the older checkpoint"));
  }
  if (older && verifier.older_checkpoint_.size > verifier.checkpoint_.size) {
    return BadTree(absl::StrCat("it has ", verifier.checkpoint_.size, " leaves, ", verifier.older_checkpoint_.size,
                                " were signed before"));
  }
  verifier.header_ = std::move(header);
  verifier.older_ = std::move(older);
  if (verifier.checkpoint_.size == 0) verifier.root_ = tlog::EmptyRoot();
  if (verifier.older_checkpoint_.size == 0) verifier.older_root_ = tlog::EmptyRoot();
  return verifier;
}

absl::Status LogVerifier::CheckChain(const ExportEntry& line, const Last& last) const {
  if (!line.entry) return Bad(line, "it is gone");
  if (line.sequence != last.sequence + 1)
    return Bad(line, absl::StrCat("entry ", last.sequence + 1, " should come next"));
  if (tlog::LeafHash(data::RecordOf(*line.entry, last.hash)) != line.entry->hash) {
    return Bad(line, "it does not have the hash that it was chained with");
  }
  if (!last.named.contains(line.entry->effector_id)) return Bad(line, "its effector was never named");
  return absl::OkStatus();
}

absl::Status LogVerifier::CheckLeaf(const ExportEntry& line, const Last& last) const {
  if (!line.leaf || *line.leaf >= checkpoint_.size) {
    if (!line.pending) return Bad(line, "it is in no tree, and does not wait to be");
    return absl::OkStatus();
  }
  if (*line.leaf <= last.leaf) return Bad(line, "the tree has it before the entry before it");
  if (line.leaf_hash != line.entry->hash) return Bad(line, "the tree has another hash");
  if (!header_.event_id) return absl::OkStatus();
  if (!line.proof) return Bad(line, "its proof is missing");
  if (!tlog::CheckInclusion(line.leaf_hash, *line.leaf, checkpoint_.size, *line.proof, checkpoint_.root).ok()) {
    return Bad(line, "its proof does not prove that it is in the tree");
  }
  return absl::OkStatus();
}

absl::Status LogVerifier::CheckOlder(const ExportEntry& line) const {
  const auto before = older_->leaves.find({line.event_id, line.sequence});
  if (before == older_->leaves.end()) return absl::OkStatus();
  if (line.leaf != before->second.index) return Bad(line, "it was another leaf before");
  if (line.entry->hash != before->second.hash) return Bad(line, "it had another hash before");
  return absl::OkStatus();
}

absl::Status LogVerifier::Add(const ExportEntry& line) {
  if (header_.event_id && line.event_id != *header_.event_id) return Bad(line, "it is of another event");
  // Of all logs each leaf has its place, even where its entry is bad.
  if (!header_.event_id && line.leaf && *line.leaf != tree_.size()) {
    return Bad(line, absl::StrCat("leaf ", tree_.size(), " should come next"));
  }
  Last& last = events_[line.event_id];
  if (line.entry) {
    const std::string& named = line.entry->named;
    for (size_t at = 0; at + data::kNamedSize <= named.size(); at += data::kNamedSize) {
      const auto id = Uuid::FromBytes(std::string_view(named).substr(at, 16));
      last.named.try_emplace(*id, named.substr(at + 16, data::kNamedSize - 16), line.sequence);
    }
  }
  PARLEY_RETURN_IF_ERROR(CheckChain(line, last));
  PARLEY_RETURN_IF_ERROR(CheckLeaf(line, last));
  if (older_) PARLEY_RETURN_IF_ERROR(CheckOlder(line));
  ++entries_;
  last.sequence = line.sequence;
  last.hash = line.entry->hash;
  if (!line.leaf) return absl::OkStatus();
  last.leaf = *line.leaf;
  if (header_.event_id) return absl::OkStatus();
  tree_.Append(line.leaf_hash);
  if (tree_.size() == checkpoint_.size) root_ = tree_.Root();
  if (tree_.size() == older_checkpoint_.size) older_root_ = tree_.Root();
  return absl::OkStatus();
}

absl::Status LogVerifier::Add(const ExportPerson& line) {
  const data::NamedUser& user = line.user;
  const auto& all_named = events_[line.event_id].named;
  const auto named = all_named.find(user.user_id);
  if (named == all_named.end()) {
    return absl::DataLossError(
        absl::StrCat("events/", line.event_id.ToString(), ": its log does not name users/", user.user_id.ToString()));
  }
  const bool erased = user.salt.empty() && user.address.local_part.empty();
  if (erased || data::Commitment(user.salt, user.address) == named->second.first) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(data::NameOf(line.event_id, named->second.second), ": it named users/",
                                          user.user_id.ToString(), " by another address"));
}

absl::Status LogVerifier::CheckOlderTree() const {
  for (const auto& [entry, leaf] : older_->leaves) {
    const auto& [event, sequence] = entry;
    if (header_.event_id && event != *header_.event_id) continue;
    const auto last = events_.find(event);
    if (last != events_.end() && last->second.sequence >= sequence) continue;
    return absl::DataLossError(data::NameOf(event, sequence) + ": it is gone");
  }
  if (!header_.event_id) {
    return older_root_ == older_checkpoint_.root ? absl::OkStatus()
                                                 : BadTree("it does not begin with the one that was signed before");
  }
  if (older_checkpoint_.size == 0) return absl::OkStatus();
  if (older_checkpoint_.size == checkpoint_.size && older_checkpoint_.root == checkpoint_.root) return absl::OkStatus();
  if (!header_.consistency || header_.consistency->first_size != older_checkpoint_.size) {
    return BadTree(absl::StrCat("the export does not prove that it begins with the older one of ",
                                older_checkpoint_.size, " leaves: export it with --older"));
  }
  const absl::Status consistent = tlog::CheckConsistency(
      older_checkpoint_.size, older_checkpoint_.root, checkpoint_.size, checkpoint_.root, header_.consistency->hashes);
  return consistent.ok() ? consistent : BadTree("it does not begin with the one that was signed before");
}

absl::StatusOr<std::string> LogVerifier::Finish() {
  if (!header_.event_id && tree_.size() < checkpoint_.size) {
    return BadTree(absl::StrCat("it has ", tree_.size(), " leaves, ", checkpoint_.size, " were signed"));
  }
  if (!header_.event_id && root_ != checkpoint_.root) return BadTree("it is not the one that was signed");
  if (older_) PARLEY_RETURN_IF_ERROR(CheckOlderTree());
  return absl::StrCat("good: ", entries_, " entries of ", events_.size(), " events, tree of ", checkpoint_.size,
                      " signed by ", checkpoint_.origin, trusted_from_);
}

}  // namespace parley::ctl
