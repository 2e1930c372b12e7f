// Sends webhooks what they are to be told. One thread does it all: it begins attempts of what is due, with a lease,
// makes the requests, waits for all of them at once, and records what became of them. So a receiver that hangs delays
// no other, and takes no thread. Any number of processes may run a dispatcher on the same database; what a process
// holds when it dies is tried again once its lease is up.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "common/data/chore.h"
#include "common/data/transaction.h"
#include "services/notification/webhooks/event_client.h"
#include "services/notification/webhooks/posts.h"
#include "services/notification/webhooks/signatures.h"
#include "services/notification/webhooks/webhook_deliveries.h"

namespace parley::notification {

struct WebhookDispatcherSettings {
  PostSettings posts;
  absl::Duration retry_pause = absl::Seconds(5);    // after the first attempt; see RetryPause
  absl::Duration retry_for = absl::Hours(72);       // from then on nothing is tried again
  absl::Duration keep = absl::Hours(30 * 24);       // what was delivered, or has failed
  absl::Duration lease_margin = absl::Seconds(20);  // of a lease, beside the request: to read the entry, and to record
  absl::Duration first_rest = absl::Seconds(1);     // of a receiver that fails; doubled by each further failure
  absl::Duration longest_rest = absl::Minutes(1);
  absl::Duration poll_interval = absl::Milliseconds(500);
};

// Thread-safe.
class WebhookDispatcher {
 public:
  // The connections to the database that it uses at once.
  static constexpr int kConnections = 2;
  // Requests to one webhook that are under way in this process.
  static constexpr int kAtOnce = 4;

  // What is given by reference must outlive the dispatcher.
  WebhookDispatcher(WebhookDispatcherSettings settings, data::Pool& pool, const WebhookKey& key, EventClient& events);
  // As Stop, at once.
  ~WebhookDispatcher();

  // Starts the threads, the first time.
  void Start();
  // There may be something due. Without it that is noticed within the poll interval.
  void Wake();
  // Begins nothing any more, and ends the threads: what is under way goes on until the deadline, and is then given up,
  // to be tried again.
  void Stop(absl::Time deadline);

 private:
  // An attempt that is under way, or whose end is to be recorded.
  struct Sending {
    BegunAttempt begun;
    absl::Time lease_end;
    bool unsent = false;  // by no fault of the receiver
    PostResult result = {};
  };

  // How a webhook's receiver does, as far as this process knows: one that fails is tried one at a time, with growing
  // pauses, until it takes something.
  struct Receiver {
    int under_way = 0;
    int failures = 0;  // since the last success; those at once count as one
    absl::Time rest_until = absl::InfinitePast();
  };

  void Run();
  void ClaimSome();
  std::vector<FreeAttempts> Busy(absl::Time now);
  // Makes the requests of what was begun.
  void Send(std::vector<BegunAttempt> begun, absl::Time lease_end);
  absl::StatusOr<Post> PostOf(const BegunAttempt& begun, const std::string& call_id, absl::Time deadline);
  void End(Sending sending);
  // False where that cannot be done now.
  bool RecordEnded();
  void LogAttempts(const std::vector<EndedAttempt>& ended, const std::vector<RecordedAttempt>& recorded);
  absl::Duration Purge();

  const WebhookDispatcherSettings settings_;
  data::Pool& pool_;
  const WebhookKey& key_;
  EventClient& events_;
  Posts posts_;
  data::Chore purge_{[this] { return Purge(); }};

  // The thread's own.
  int64_t last_id_ = 0;
  std::map<int64_t, Sending> under_way_;
  std::vector<Sending> ended_;  // not recorded yet
  std::map<Uuid, Receiver> receivers_;
  absl::BitGen random_;
  absl::Time next_claim_ = absl::InfinitePast();
  absl::Time away_until_ = absl::InfinitePast();  // the database, or the event service: nothing is begun
  absl::Time next_record_ = absl::InfinitePast();

  std::atomic<bool> woken_ = false;
  absl::Mutex mutex_;
  std::optional<absl::Time> stop_deadline_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::notification
