// Looks through the log for webhooks: for each entry that a webhook is to be told, a delivery is made (none is skipped,
// whoever is killed). A webhook's deliveries and its place in the log are written in one transaction, so that
// any number of processes may do it.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "common/data/chore.h"
#include "common/data/transaction.h"
#include "services/notification/webhooks/event_client.h"

namespace parley::notification {

// Thread-safe.
class WebhookFollower {
 public:
  // `wake`: called after each commit that made something due. What is given by reference must outlive the follower.
  WebhookFollower(data::Pool& pool, EventClient& events, std::function<void()> wake)
      : pool_(pool), events_(events), wake_(std::move(wake)) {}

  // From now on, by a thread of its own, which takes a connection of the pool. Further calls change nothing.
  void Start() { chore_.Start(); }
  // Begins nothing any more. What is under way takes a few seconds at the most; the destructor waits for it.
  void Stop() { stopping_ = true; }

  // Looks once for those webhooks that are due longest. False where none is. Errors: those of data::Transact and of
  // EventClient::Read.
  absl::StatusOr<bool> Step();

 private:
  absl::Duration Run();

  data::Pool& pool_;
  EventClient& events_;
  const std::function<void()> wake_;
  std::atomic<bool> stopping_ = false;
  data::Chore chore_{[this] { return Run(); }};
};

}  // namespace parley::notification
