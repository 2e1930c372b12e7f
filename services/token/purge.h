// Deletes what is kept for a time only and is past it, in small steps: e-mail tokens 90 days after they expired (rule
// T3), and what is remembered of calls with a request_id. Any number of processes may do it at once. Thread-safe.
#pragma once

#include "common/data/chore.h"
#include "common/data/transaction.h"

namespace parley::token {

// One step: at most a thousand rows of each kind. Answers with their number.
absl::StatusOr<int64_t> PurgeSome(data::Pool& pool);

// Does so each minute, and at once again while there is more.
class Purge {
 public:
  // The pool must outlive it.
  explicit Purge(data::Pool& pool);

  // Starts, the first time.
  void Start() { chore_.Start(); }

 private:
  data::Chore chore_;
};

}  // namespace parley::token
