#include "services/parleyctl/log_verifier.h"

#include <limits>

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

absl::Status BadCheckpoint(std::string_view reason) {
  return absl::DataLossError(absl::StrCat("the checkpoint: ", std::string(reason)));
}

absl::Status BadPeople(std::string_view reason) {
  return absl::DataLossError(absl::StrCat("the people: ", std::string(reason)));
}

std::string UserName(const Uuid& user_id) { return "users/" + user_id.ToString(); }

}  // namespace

absl::StatusOr<LogVerifier> LogVerifier::Begin(ExportHeader header, std::optional<Older> older,
                                               const std::string& key) {
  LogVerifier verifier;
  std::string known = key;
  if (known.empty() && older) known = older->verifier_key;
  const bool is_known = !known.empty();
  if (!is_known) {
    known = header.verifier_key;
    verifier.trusted_from_ = " (by a key that only this export vouches for)";
  }
  auto open = [&](const std::string& note, std::optional<tlog::Checkpoint>& into, const char* what) {
    auto checkpoint = tlog::Open(note, known);
    if (checkpoint.ok()) {
      into = *std::move(checkpoint);
    } else if (is_known && absl::IsInvalidArgument(checkpoint.status()) && tlog::Parse(note).ok()) {
      return checkpoint.status();  // which is of the key
    } else if (verifier.distrust_.ok()) {
      verifier.distrust_ = BadCheckpoint(absl::StrCat(what, " does not hold: ", checkpoint.status().message()));
    }
    return absl::OkStatus();
  };
  if (header.verifier_key != known) verifier.distrust_ = BadCheckpoint("its verifier key is not the one that is known");
  PARLEY_RETURN_IF_ERROR(open(header.checkpoint, verifier.checkpoint_, "it"));
  if (older) PARLEY_RETURN_IF_ERROR(open(older->checkpoint, verifier.older_checkpoint_, "the older one"));
  verifier.header_ = std::move(header);
  verifier.older_ = std::move(older);
  return verifier;
}

absl::Status LogVerifier::CheckNames(const ExportEntry& line, Last& last) const {
  const std::string& named = line.entry->named;
  for (size_t at = 0; at + data::kNamedSize <= named.size(); at += data::kNamedSize) {
    const auto id = Uuid::FromBytes(std::string_view(named).substr(at, 16));
    Named user{named.substr(at + 16, data::kNamedSize - 16), line.sequence, entries_};
    if (!last.named.try_emplace(*id, std::move(user)).second) return Bad(line, UserName(*id) + " is named again");
  }
  if (!last.named.contains(line.entry->effector_id)) return Bad(line, "its effector was never named");
  return absl::OkStatus();
}

absl::Status LogVerifier::CheckChain(const ExportEntry& line, const Last& last) const {
  if (!line.entry) return Bad(line, "it is gone");
  if (line.sequence != last.sequence + 1)
    return Bad(line, absl::StrCat("entry ", last.sequence + 1, " should come next"));
  if (tlog::LeafHash(data::RecordOf(*line.entry, last.hash)) != line.entry->hash) {
    return Bad(line, "it does not have the hash that it was chained with");
  }
  return absl::OkStatus();
}

absl::Status LogVerifier::CheckLeaf(const ExportEntry& line, const Last& last) const {
  if (!line.leaf) return line.pending ? absl::OkStatus() : Bad(line, "it is in no tree, and does not wait to be");
  if (*line.leaf <= last.leaf) return Bad(line, "the tree has it before the entry before it");
  if (line.leaf_hash != line.entry->hash) return Bad(line, "the tree has another hash");
  if (!checkpoint_) return absl::OkStatus();
  const bool is_signed = *line.leaf < checkpoint_->size;
  if (line.pending == is_signed)
    return Bad(line, is_signed ? "it is signed, and waits" : "it is not signed, nor waits");
  if (!is_signed || !header_.event_id) return absl::OkStatus();
  if (!line.proof) return Bad(line, "its proof is missing");
  if (!tlog::CheckInclusion(line.leaf_hash, *line.leaf, checkpoint_->size, *line.proof, checkpoint_->root).ok()) {
    return Bad(line, "its proof does not prove that it is in the tree");
  }
  return absl::OkStatus();
}

absl::Status LogVerifier::CheckOlder(const ExportEntry& line) const {
  if (!older_) return absl::OkStatus();
  const auto before = older_->leaves.find({line.event_id, line.sequence});
  if (before == older_->leaves.end()) return absl::OkStatus();
  if (line.leaf != before->second.index) return Bad(line, "it was another leaf before");
  if (line.entry->hash != before->second.hash) return Bad(line, "it had another hash before");
  return absl::OkStatus();
}

absl::Status LogVerifier::Check(const ExportEntry& line) {
  if (header_.event_id && line.event_id != *header_.event_id) return Bad(line, "it is of another event");
  // Of all logs each leaf has its place, even where its entry is bad.
  if (!header_.event_id && line.leaf && *line.leaf != tree_.size()) {
    return Bad(line, absl::StrCat("leaf ", tree_.size(), " should come next"));
  }
  Last& last = events_[line.event_id];
  PARLEY_RETURN_IF_ERROR(CheckChain(line, last));
  PARLEY_RETURN_IF_ERROR(CheckNames(line, last));
  PARLEY_RETURN_IF_ERROR(CheckLeaf(line, last));
  PARLEY_RETURN_IF_ERROR(CheckOlder(line));
  last.sequence = line.sequence;
  last.hash = line.entry->hash;
  last.leaf = line.leaf.value_or(std::numeric_limits<int64_t>::max());  // nothing follows what is not in the tree
  if (!line.leaf || header_.event_id) return absl::OkStatus();
  tree_.Append(line.leaf_hash);
  if (checkpoint_ && tree_.size() == checkpoint_->size) root_ = tree_.Root();
  if (older_checkpoint_ && tree_.size() == older_checkpoint_->size) older_root_ = tree_.Root();
  return absl::OkStatus();
}

void LogVerifier::Add(const ExportEntry& line) {
  ++entries_;
  if (!bad_.ok()) return;
  bad_ = Check(line);
  bad_line_ = entries_;
}

void LogVerifier::Add(const data::NamedUser& user) {
  const auto log = events_.find(user.event_id);
  if (log == events_.end() || !log->second.named.contains(user.user_id)) {
    const std::string event = "events/" + user.event_id.ToString();
    if (stranger_.ok()) stranger_ = BadPeople(absl::StrCat(event, " does not name ", UserName(user.user_id)));
    return;
  }
  Named& named = log->second.named.at(user.user_id);
  named.told = true;
  // With a salt of another size bytes could move between it and the address.
  const bool made = user.address.erased() ? user.salt.empty()
                                          : user.salt.size() == data::kSaltSize &&
                                                data::Commitment(user.salt, user.address) == named.commitment;
  if (made) return;
  if (!bad_.ok() && bad_line_ <= named.line) return;
  bad_ = absl::DataLossError(absl::StrCat(data::NameOf(user.event_id, named.sequence), ": it named ",
                                          UserName(user.user_id), " by another address"));
  bad_line_ = named.line;
}

absl::Status LogVerifier::CheckNoneGone() const {
  if (header_.event_id && entries_ == 0)
    return absl::DataLossError(data::NameOf(*header_.event_id, 1) + ": it is gone");
  if (!older_) return absl::OkStatus();
  const std::pair<const std::pair<Uuid, int64_t>, Older::Leaf>* first = nullptr;
  for (const auto& before : older_->leaves) {
    const auto& [event, sequence] = before.first;
    if (header_.event_id && event != *header_.event_id) continue;
    const auto last = events_.find(event);
    if (last != events_.end() && last->second.sequence >= sequence) continue;
    if (first == nullptr || before.second.index < first->second.index) first = &before;
  }
  if (first == nullptr) return absl::OkStatus();
  return absl::DataLossError(data::NameOf(first->first.first, first->first.second) + ": it is gone");
}

absl::Status LogVerifier::CheckTree() const {
  if (header_.event_id) return absl::OkStatus();
  if (tree_.size() < checkpoint_->size) {
    return BadTree(absl::StrCat("it has ", tree_.size(), " leaves, ", checkpoint_->size, " were signed"));
  }
  return root_ == checkpoint_->root ? absl::OkStatus() : BadTree("it is not the one that was signed");
}

absl::Status LogVerifier::CheckOlderTree() const {
  if (!older_checkpoint_) return absl::OkStatus();
  const tlog::Checkpoint &now = *checkpoint_, &before = *older_checkpoint_;
  if (now.size < before.size) {
    return BadTree(absl::StrCat("it has ", now.size, " leaves, ", before.size, " were signed before"));
  }
  absl::Status grown = absl::OkStatus();
  if (!header_.event_id) {
    if (older_root_ != before.root) grown = absl::DataLossError("");
  } else if (before.size == 0 || before.size == now.size) {
    grown = tlog::CheckConsistency(before.size, before.root, now.size, now.root, {});
  } else if (!header_.consistency || header_.consistency->first_size != before.size) {
    return BadTree(absl::StrCat("the export does not prove that it begins with the older one of ", before.size,
                                " leaves: export it with --older"));
  } else {
    grown = tlog::CheckConsistency(before.size, before.root, now.size, now.root, header_.consistency->hashes);
  }
  return grown.ok() ? grown : BadTree("it does not begin with the one that was signed before");
}

absl::Status LogVerifier::CheckPeople() const {
  PARLEY_RETURN_IF_ERROR(stranger_);
  std::string untold;
  int64_t first = 0;
  for (const auto& [event, last] : events_) {
    for (const auto& [user, named] : last.named) {
      if (named.told || (first != 0 && named.line >= first)) continue;
      first = named.line;
      untold =
          absl::StrCat("no line tells of ", UserName(user), ", whom ", data::NameOf(event, named.sequence), " names");
    }
  }
  return untold.empty() ? absl::OkStatus() : BadPeople(untold);
}

absl::StatusOr<std::string> LogVerifier::Finish() const {
  PARLEY_RETURN_IF_ERROR(bad_);
  PARLEY_RETURN_IF_ERROR(CheckNoneGone());
  PARLEY_RETURN_IF_ERROR(distrust_);
  PARLEY_RETURN_IF_ERROR(CheckTree());
  PARLEY_RETURN_IF_ERROR(CheckOlderTree());
  PARLEY_RETURN_IF_ERROR(CheckPeople());
  return absl::StrCat("good: ", entries_, " entries of ", events_.size(), " events, tree of ", checkpoint_->size,
                      " signed by ", checkpoint_->origin, trusted_from_);
}

}  // namespace parley::ctl
