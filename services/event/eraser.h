// Tells the logs of erasures: after EraseUser an entry follows on each event whose log names the person, from which on
// the party no longer counts (domain rule A7). One transaction for each event, so that whoever is killed is gone on
// from where it was. Any number of processes may do it.
#pragma once

#include "common/data/chore.h"
#include "common/data/transaction.h"

namespace parley::event {

class Eraser {
 public:
  // Takes a connection of the pool for itself, which must outlive it.
  explicit Eraser(data::Pool& pool) : pool_(pool) {}

  // From now on, by a thread of its own. Further calls change nothing.
  void Start() { chore_.Start(); }

  // Tells one event of one erasure, or goes on with one that was broken off. True where there may be more to do.
  // Errors: those of data::Transact, and what keeps the event from being told.
  absl::StatusOr<bool> Step();

 private:
  absl::Duration Run();

  data::Pool& pool_;
  data::Chore chore_{[this] { return Run(); }};
};

}  // namespace parley::event
