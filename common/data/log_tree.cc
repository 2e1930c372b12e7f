#include "common/data/log_tree.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

constexpr int64_t kChildren = int64_t{1} << tlog::kHeightStep;

TreeHead HeadOf(const Row& row) {
  TreeHead head{std::string(row.GetText(0)), row.GetInt(1), std::nullopt};
  if (!row.IsNull(2)) {
    head.checkpoint = {std::string(row.GetText(2)), std::string(row.GetText(3)), row.GetInt(4), row.GetTime(5)};
  }
  return head;
}

#define PARLEY_SELECT_HEAD \
  "select origin, size, checkpoint, verifier_key, checkpoint_size, checkpoint_time from log_tree"

}  // namespace

constexpr Statement kHead{"log_tree_head", PARLEY_SELECT_HEAD};

absl::StatusOr<TreeHead> LogTree::Head() const {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kHead));
  if (result.empty()) return Internal("log_tree has no row");
  return HeadOf(result[0]);
}

constexpr Statement kLockHead{"lock_log_tree_head", PARLEY_SELECT_HEAD " for no key update"};

absl::StatusOr<TreeHead> LogTree::Lock() {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLockHead));
  if (result.empty()) return Internal("log_tree has no row");
  return HeadOf(result[0]);
}

constexpr Statement kTryLockHead{"try_lock_log_tree_head", PARLEY_SELECT_HEAD " for no key update skip locked"};

absl::StatusOr<std::optional<TreeHead>> LogTree::TryLock() {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kTryLockHead));
  if (result.empty()) return std::nullopt;
  return HeadOf(result[0]);
}

// By the number of its pages the queue may look worth a scan, when all that they hold is long gone.
constexpr Statement kByIndex{"by_index", "set local enable_seqscan = off"};

// In another cluster, which a copy was put into, transactions have other numbers.
constexpr Statement kSequence{"sequence_log_entries", R"sql(
  with taken as (
    delete from unsequenced_entries
    where transaction_id >= (
      select case when taken_in = (select system_identifier from pg_control_system()) then taken_below else '0' end
      from log_tree)
    returning event_ids, sequences, hashes
  ), leaves as (
    insert into log_leaves (leaf_index, event_id, sequence, hash)
    select coalesce((select max(leaf_index) + 1 from log_leaves), 0)
           + row_number() over (order by e.event_id, e.sequence) - 1,
           e.event_id, e.sequence, e.hash
    from taken, unnest(event_ids, sequences, hashes) as e (event_id, sequence, hash)
  )
  update log_tree
  set taken_below = pg_snapshot_xmin(pg_current_snapshot()),
      taken_in = (select system_identifier from pg_control_system())
  where exists (select from taken))sql"};

absl::Status LogTree::Sequence() {
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kByIndex).status());
  return tx_.Execute(kSequence).status();
}

constexpr Statement kLeaves{"count_log_leaves", "select coalesce(max(leaf_index) + 1, 0) from log_leaves"};

absl::StatusOr<int64_t> LogTree::CountLeaves() const {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLeaves));
  return result[0].GetInt(0);
}

constexpr Statement kAddNodes{"add_log_nodes", R"sql(
  insert into log_nodes (height, position, hash)
  select $1, $2 + n - 1, hash from unnest($3::bytea[]) with ordinality as added (hash, n))sql"};

constexpr Statement kSetSize{"set_log_tree_size", "update log_tree set size = $1"};

absl::StatusOr<int64_t> LogTree::Grow(int64_t size) {
  PARLEY_ASSIGN_OR_RETURN(const int64_t leaves, CountLeaves());
  const int64_t grown = std::min(leaves, size + kMaxGrowth);
  if (grown <= size) return size;
  for (int height = tlog::kHeightStep; grown >> height > size >> height; height += tlog::kHeightStep) {
    std::vector<std::string> nodes;
    for (int64_t position = size >> height; position < grown >> height; ++position) {
      PARLEY_ASSIGN_OR_RETURN(const auto children, Read(height - tlog::kHeightStep, position * kChildren, kChildren));
      nodes.push_back(tlog::Fold(children));
    }
    PARLEY_RETURN_IF_ERROR(
        tx_.Execute(kAddNodes, Params().Add(int64_t{height}).Add(size >> height).AddByteStrings(nodes)).status());
  }
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kSetSize, Params().Add(grown)).status());
  return grown;
}

constexpr Statement kPublish{"publish_checkpoint", R"sql(
  update log_tree set checkpoint = $2, verifier_key = $3, checkpoint_size = $4, checkpoint_time = clock_timestamp()
  where origin = $1 and size >= $4 and (checkpoint is null or checkpoint_size < $4))sql"};

absl::Status LogTree::Publish(const std::string& origin, const PublishedCheckpoint& checkpoint) {
  Params params;
  params.Add(origin).Add(checkpoint.note).Add(checkpoint.verifier_key).Add(checkpoint.size);
  return tx_.Execute(kPublish, params).status();
}

constexpr Statement kBeginOrigin{"begin_log_origin", R"sql(
  update log_tree set origin = $1, checkpoint = null, checkpoint_size = 0, checkpoint_time = null,
                      verifier_key = null)sql"};

absl::Status LogTree::BeginOrigin(const std::string& origin) {
  return tx_.Execute(kBeginOrigin, Params().Add(origin)).status();
}

constexpr Statement kIndexOf{"log_leaf_index",
                             "select leaf_index from log_leaves where event_id = $1 and sequence = $2"};

absl::StatusOr<std::optional<int64_t>> LogTree::IndexOf(const Uuid& event_id, int64_t sequence) const {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kIndexOf, Params().Add(event_id).Add(sequence)));
  if (result.empty()) return std::nullopt;
  return result[0].GetInt(0);
}

constexpr Statement kLeafHash{"log_leaf_hash", "select hash from log_leaves where leaf_index = $1"};

absl::StatusOr<std::optional<std::string>> LogTree::LeafHash(int64_t leaf_index) const {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLeafHash, Params().Add(leaf_index)));
  if (result.empty()) return std::nullopt;
  return std::string(result[0].GetText(0));
}

constexpr Statement kReadLeaves{"read_log_leaves", R"sql(
  select hash from log_leaves where leaf_index >= $1 and leaf_index < $2 order by leaf_index)sql"};
constexpr Statement kReadNodes{"read_log_nodes", R"sql(
  select hash from log_nodes where height = $3 and position >= $1 and position < $2 order by position)sql"};

absl::StatusOr<std::vector<std::string>> LogTree::Read(int height, int64_t first, int64_t count) const {
  Params params;
  params.Add(first).Add(first + count);
  if (height > 0) params.Add(int64_t{height});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(height > 0 ? kReadNodes : kReadLeaves, params));
  if (result.size() != count) {
    return absl::DataLossError(absl::StrCat("the tree of the log has lost nodes: of height ", height, " between ",
                                            first, " and ", first + count - 1));
  }
  std::vector<std::string> hashes;
  for (int i = 0; i < result.size(); ++i) hashes.emplace_back(result[i].GetText(0));
  return hashes;
}

}  // namespace parley::data
