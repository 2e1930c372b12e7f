// Looks through the log for webhooks: for each entry that a webhook is to be told, a delivery is made (none is skipped,
// whoever is killed). A webhook's deliveries and its place in the log are written in one transaction, so that
// any number of processes may do it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "common/data/chore.h"
#include "common/data/log_cursor.h"
#include "common/data/transaction.h"

namespace parley::notification {

// Thread-safe, but for Step.
class WebhookFollower {
 public:
  // `wake`: called after each commit that made something due. What is given by reference must outlive the follower.
  WebhookFollower(data::Pool& pool, std::function<void()> wake) : pool_(pool), wake_(std::move(wake)) {}

  // From now on, by a thread of its own, which takes a connection of the pool. Further calls change nothing.
  void Start() { chore_.Start(); }
  // Begins nothing any more, and waits for what is under way: some statements of two seconds at the most.
  void Stop() {
    stopping_ = true;
    chore_.Stop();
  }

  // Moves all webhooks that are behind on by a part of the log, so that one that is far behind keeps no other waiting.
  // Those that are at the same place, as all are that have caught up, go on together. Those that cannot go on are left
  // for a while, and the log says why. False where none went on. Errors: those of data::Transact.
  absl::StatusOr<bool> Step();

 private:
  absl::Duration Run();
  // Whether those at this cursor went on.
  bool MoveOn(const data::LogCursor& cursor);

  data::Pool& pool_;
  const std::function<void()> wake_;
  // Of cursors from which it does not go on for now.
  std::map<std::string, absl::Time> left_until_;
  int64_t leaves_at_once_ = 1000;
  std::atomic<bool> stopping_ = false;
  data::Chore chore_{[this] { return Run(); }};
};

}  // namespace parley::notification
