// Sends webhooks what they are to be told. One thread begins attempts of what is due, with a lease, and reads what is
// to be sent; another one makes the requests, waits for all of them at once, and records what became of them. So a
// receiver that hangs delays no other, and takes no thread, and an entry that takes long to read holds up no request.
// Any number of processes may run a dispatcher on the same database; what a process holds when it dies is tried again
// once its lease is up.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
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
  absl::Duration lease_margin = absl::Seconds(20);  // of a lease, beside the request: to read entries, and to record
  absl::Duration read_timeout = absl::Seconds(10);  // of one entry
  absl::Duration first_rest = absl::Seconds(1);     // of a receiver that fails; doubled by each further failure
  absl::Duration longest_rest = absl::Minutes(1);
  absl::Duration poll_interval = absl::Milliseconds(500);
};

// Thread-safe.
class WebhookDispatcher {
 public:
  // The connections to the database that it uses at once.
  static constexpr int kConnections = 3;
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
  // to be tried again. Returns five seconds from now, or a second after the deadline, at the latest, even where the
  // database hangs.
  void Stop(absl::Time deadline);

 private:
  // An attempt that was begun, until its end is recorded.
  struct Sending {
    BegunAttempt begun;
    absl::Time lease_end;
    Post post = {};
    bool unsent = false;  // by no fault of the receiver or the entry: it does not count
    bool away = false;    // nor does it make the pause longer
    bool unread = false;  // by the fault of the entry: it says nothing of the receiver
    PostResult result = {};
  };

  // How a webhook's receiver does, as far as this process knows: one that fails is tried one at a time, with growing
  // pauses, until it takes something.
  struct Receiver {
    int under_way = 0;
    int failures = 0;  // since the last success; those at once count as one
    absl::Time rest_until = absl::InfinitePast();
  };

  // ---- the thread that begins
  absl::Duration ClaimSome();
  std::vector<FreeAttempts> Busy(absl::Time now);
  // Reads what is to be sent, and hands it over. False where the event service is away.
  bool Prepare(std::vector<BegunAttempt> begun, absl::Time lease_end);
  // `away`: what the event service said where it could not answer; OK where it could.
  void Read(Sending& sending, const std::string& call_id, absl::Status& away);
  absl::StatusOr<Post> PostOf(const BegunAttempt& begun, const std::string& call_id, absl::Time deadline);

  // ---- the thread that sends
  void Run();
  // Makes the requests of what was handed over.
  void Send(std::vector<Sending> prepared);
  void End(Sending sending);
  // False where that cannot be done now.
  bool RecordEnded();
  void LogAttempts(const std::vector<EndedAttempt>& ended, const std::vector<RecordedAttempt>& recorded);

  // ---- the thread that gives up what had no turn in time
  absl::Duration ExpireSome();

  // Of a transaction that begins now.
  absl::Time StepDeadline();

  const WebhookDispatcherSettings settings_;
  data::Pool& pool_;
  const WebhookKey& key_;
  EventClient& events_;
  Posts posts_;
  std::stop_source stop_reading_;
  data::Chore claim_{[this] { return ClaimSome(); }};
  data::Chore expire_{[this] { return ExpireSome(); }};

  // Of the thread that begins.
  absl::Time away_until_ = absl::InfinitePast();  // the database, or the event service: nothing is begun

  // Of the thread that sends.
  int64_t last_id_ = 0;
  std::map<int64_t, Sending> under_way_;
  std::vector<Sending> ended_;  // not recorded yet
  absl::BitGen random_;
  absl::Time next_record_ = absl::InfinitePast();

  absl::Mutex mutex_;
  std::optional<absl::Time> stop_deadline_ ABSL_GUARDED_BY(mutex_);
  bool all_begun_ ABSL_GUARDED_BY(mutex_) = false;  // nothing more is prepared
  std::map<Uuid, Receiver> receivers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Sending> prepared_ ABSL_GUARDED_BY(mutex_);
  bool unrecorded_ ABSL_GUARDED_BY(mutex_) = false;  // ends, which cannot be recorded now: nothing is begun
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::notification
