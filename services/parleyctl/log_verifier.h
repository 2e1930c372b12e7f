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
  // Where `key` is empty the older export's is taken, and without that the export's own. INVALID_ARGUMENT where the one
  // that was known before is none.
  static absl::StatusOr<LogVerifier> Begin(ExportHeader header, std::optional<Older> older, const std::string& key);

  // All lines in the order of the export, also behind an entry that is bad: what is said of people may tell that an
  // earlier one is.
  void Add(const ExportEntry& line);
  void Add(const data::NamedUser& user);
  // Of the first bad entry so far: DATA_LOSS that names it.
  const absl::Status& bad() const { return bad_; }
  // What was verified, for people. DATA_LOSS that names the first bad entry, or where there is none says what else is
  // bad.
  absl::StatusOr<std::string> Finish() const;

  // Whom an entry names.
  struct Named {
    std::string commitment;
    int64_t sequence;  // of the entry
    int64_t line;
    bool told = false;  // by the line of a person
  };
  // The last entry of each event so far; once there is a bad one, what was before.
  struct Last {
    int64_t sequence = 0;
    std::string hash = std::string(32, '\0');
    int64_t leaf = -1;
    std::map<Uuid, Named> named;
  };
  const absl::flat_hash_map<Uuid, Last>& events() const { return events_; }

 private:
  LogVerifier() = default;
  absl::Status Check(const ExportEntry& line);
  absl::Status CheckNames(const ExportEntry& line, Last& last) const;
  absl::Status CheckChain(const ExportEntry& line, const Last& last) const;
  absl::Status CheckLeaf(const ExportEntry& line, const Last& last) const;
  absl::Status CheckOlder(const ExportEntry& line) const;
  absl::Status CheckNoneGone() const;
  absl::Status CheckTree() const;
  absl::Status CheckOlderTree() const;
  absl::Status CheckPeople() const;

  ExportHeader header_;
  std::optional<Older> older_;
  std::string trusted_from_;  // where the key comes from, if it is the export's own
  // Nothing where it is not signed by the key: `distrust_` says why, and its tree says nothing of any entry.
  std::optional<tlog::Checkpoint> checkpoint_, older_checkpoint_;
  absl::Status distrust_;

  absl::flat_hash_map<Uuid, Last> events_;
  int64_t entries_ = 0;
  absl::Status bad_;  // of the first bad entry, and its line
  int64_t bad_line_ = 0;
  absl::Status stranger_;  // of the first person whom no entry names
  tlog::GrowingRoot tree_;
  std::string root_ = tlog::EmptyRoot();        // of the checkpoint's size
  std::string older_root_ = tlog::EmptyRoot();  // of the older one's
};

}  // namespace parley::ctl
