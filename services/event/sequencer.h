// Grows the tree over all logs and signs it: at least every second while there is something new (domain rule L5). Each
// process of the service has one; at any time at most one of them grows the tree, whichever comes first.
//
// A checkpoint is published once it is on file. Before the tree is grown or signed it is held against that file, and
// against what was published: where the database has a smaller tree, or a different one, nothing is signed any more,
// and the log says so, until an operator begins a new log by `parleyctl log new-origin`.
#pragma once

#include <optional>
#include <string>

#include "common/data/chore.h"
#include "common/data/log_tree.h"
#include "common/tlog/checkpoint.h"
#include "services/event/checkpoint_file.h"

namespace parley::event {

class Sequencer {
 public:
  // Takes a connection of the pool for itself. All must outlive it.
  Sequencer(data::Pool& pool, const tlog::SigningKey& key, const CheckpointFile& file)
      : pool_(pool), key_(key), file_(file) {}

  // From now on, by a thread of its own. Further calls change nothing.
  void Start() { chore_.Start(); }

  // Makes leaves of what is committed, and signs and publishes the tree where it has grown. True where there is more to
  // do. DATA_LOSS where the tree is not the one that was signed; what data::Transact and CheckpointFile give.
  absl::StatusOr<bool> Step();

 private:
  absl::Duration Run();
  // That the tree has grown from this signed one: else DATA_LOSS.
  absl::Status CheckGrownFrom(const std::string& note, const data::TreeHead& head, const data::LogTree& tree) const;

  data::Pool& pool_;
  const tlog::SigningKey& key_;
  const CheckpointFile& file_;
  std::string complaint_;  // what the log was last told to be wrong
  absl::Time complain_again_;
  data::Chore chore_{[this] { return Run(); }};
};

}  // namespace parley::event
