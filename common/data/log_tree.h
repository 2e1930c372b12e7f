// The Merkle tree over all entries of all logs (domain rule L5): which entry is which leaf, the nodes that are kept,
// and the last checkpoint. Leaves and nodes are only ever added. What is computed from them is in common/tlog.
//
// How no entry is skipped or repeated: each statement that appends entries leaves a row in unsequenced_entries, in the
// same transaction. PostgreSQL shows it once that transaction has committed, and never where it has not; Sequence takes
// the rows that it is shown and makes leaves of their entries, in one transaction too. So what commits late is taken
// late, what dies was never there, and where the sequencer dies nothing was taken. Neither clocks nor sequences say
// anything; transaction ids no more than which transactions were over at the last time, and need no look any more. An
// event's next entry can only be appended after its last one has committed, so that whoever sees the one sees the
// other: an event's leaves are in the order of its log.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "common/tlog/merkle.h"

namespace parley::data {

// A checkpoint that was published.
struct PublishedCheckpoint {
  std::string note;          // as common/tlog/checkpoint.h signs it
  std::string verifier_key;  // by which it is checked
  int64_t size = 0;          // of its tree
  absl::Time time;           // when it was published
};

struct TreeHead {
  std::string origin;
  int64_t size = 0;  // leaves whose nodes are there
  std::optional<PublishedCheckpoint> checkpoint;
};

// Within one transaction, which must outlive it.
class LogTree final : public tlog::Nodes {
 public:
  explicit LogTree(Transaction& tx) : tx_(tx) {}

  absl::StatusOr<TreeHead> Head() const;
  // Also locks it until the transaction ends.
  absl::StatusOr<TreeHead> Lock();
  // As Lock; nothing where somebody else has it.
  absl::StatusOr<std::optional<TreeHead>> TryLock();

  // The head must be locked. Makes leaves of all entries that are committed and are none yet. What the transaction
  // reads from then on it reads by indexes, where there are any.
  absl::Status Sequence();
  // The head must be locked. Adds the nodes that the leaves behind `size` complete, of kMaxGrowth leaves at the most.
  // Answers with the new size; the same one where there is no such leaf.
  static constexpr int64_t kMaxGrowth = int64_t{1} << 16;
  absl::StatusOr<int64_t> Grow(int64_t size);
  // Of a tree that stands, under its present origin. Changes nothing where one as large was published.
  absl::Status Publish(const std::string& origin, const PublishedCheckpoint& checkpoint);

  // By the owner of the tables: the tree goes on under another origin, which has no checkpoint yet.
  absl::Status BeginOrigin(const std::string& origin);

  // How many leaves there are, in the tree's nodes or not yet.
  absl::StatusOr<int64_t> CountLeaves() const;
  // The hash of a leaf; nothing where there is none.
  absl::StatusOr<std::optional<std::string>> LeafHash(int64_t leaf_index) const;
  // Which leaf an entry is; nothing where it is none yet.
  absl::StatusOr<std::optional<int64_t>> IndexOf(const Uuid& event_id, int64_t sequence) const;

  absl::StatusOr<std::vector<std::string>> Read(int height, int64_t first, int64_t count) const override;

 private:
  Transaction& tx_;
};

}  // namespace parley::data
