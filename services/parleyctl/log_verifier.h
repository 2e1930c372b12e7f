// Whether an export of logs is good: proto/README.md, "Exports", has the rules. It goes line by line, so that an export
// of any size can be checked while it is read. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/tlog/checkpoint.h"
#include "common/tlog/merkle.h"
#include "services/parleyctl/log_export.h"

namespace parley::ctl {

// What an export is held against: an older checkpoint, and the entries of an older export where it is one.
struct Older {
  struct Leaf {
    int64_t index;
    std::string hash;
  };

  std::string checkpoint;
  std::string verifier_key;                         // empty of a checkpoint alone
  std::map<std::pair<Uuid, int64_t>, Leaf> leaves;  // by event and sequence
};

class LogVerifier {
 public:
  // Where `key` is empty the older export's is taken, and without that the export's own. DATA_LOSS where a checkpoint
  // is not signed by it; INVALID_ARGUMENT where the key or a checkpoint is none.
  static absl::StatusOr<LogVerifier> Begin(ExportHeader header, std::optional<Older> older, const std::string& key);

  // In the order of the export. DATA_LOSS, naming the entry, where it is bad; nothing more is to be added then.
  absl::Status Add(const ExportEntry& line);
  absl::Status Add(const ExportPerson& line);
  // What was verified, for people. DATA_LOSS where the whole is bad though each line is good.
  absl::StatusOr<std::string> Finish();

  // The last entry of each event so far.
  struct Last {
    int64_t sequence = 0;
    std::string hash = std::string(32, '\0');
    int64_t leaf = -1;
    std::map<Uuid, std::pair<std::string, int64_t>> named;  // the commitment, and the sequence that has it
  };
  const absl::flat_hash_map<Uuid, Last>& events() const { return events_; }

 private:
  LogVerifier() = default;
  absl::Status CheckChain(const ExportEntry& line, const Last& last) const;
  absl::Status CheckLeaf(const ExportEntry& line, const Last& last) const;
  absl::Status CheckOlder(const ExportEntry& line) const;
  absl::Status CheckOlderTree() const;

  ExportHeader header_;
  tlog::Checkpoint checkpoint_;
  std::string trusted_from_;  // where the key comes from, if it is the export's own
  std::optional<Older> older_;
  tlog::Checkpoint older_checkpoint_;
  absl::flat_hash_map<Uuid, Last> events_;
  int64_t entries_ = 0;
  tlog::GrowingRoot tree_;
  bool in_tree_ = true;     // while the lines have leaves
  std::string root_;        // of the checkpoint's size
  std::string older_root_;  // of the older one's
};

}  // namespace parley::ctl
