// Delivers notifications (domain rules N4 to N6, T1): a few threads that each claim one that is due, ask the token
// service for a key, compose the mail, send it and record what became of it. Beside that they work off requests for
// keys (T7), and cancel what is unsent of deleted events (E10). Any number of processes may run one on the same
// database. What a thread holds when it dies is tried again once its lease is up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/data/events.h"
#include "common/data/transaction.h"
#include "services/notification/notifications.h"
#include "services/notification/requested_keys.h"
#include "services/notification/token_client.h"
#include "services/notification/transport.h"

namespace parley::notification {

struct DispatcherSettings {
  int threads = 4;
  absl::Duration lease = absl::Seconds(60);         // of one attempt; longer than send_timeout
  absl::Duration send_timeout = absl::Seconds(30);  // what a transport takes at the most
  absl::Duration retry_pause = absl::Seconds(5);    // doubled by each attempt, up to an hour
  int max_attempts = 12;
  absl::Duration sweep_pause = absl::Seconds(3);  // between two looks for notifications of deleted events
  Address mail_from;
  std::string public_address;
};

// Thread-safe.
class Dispatcher {
 public:
  using MakeTransport = std::function<std::unique_ptr<Transport>()>;

  // `make_transport` is called once by each thread. The pool has a connection for each of them; it, the signer and the
  // tokens must outlive the dispatcher.
  Dispatcher(DispatcherSettings settings, data::Pool& pool, const rpc::Signer& signer, TokenClient& tokens,
             MakeTransport make_transport);
  // As Stop, at once.
  ~Dispatcher();

  // Starts the threads, the first time.
  void Start();
  // There may be something due. Without it that is noticed within a second.
  void Wake();
  // Claims nothing any more, and ends the threads: those that are at work by themselves until the deadline, then soon.
  void Stop(absl::Time deadline);

 private:
  // An attempt that was begun, and what it needs.
  struct Delivery {
    Notification notification;
    data::Event event;
    Address sender;
    absl::Time lease_end;
    std::string call_id;
  };

  void Run();
  // Waits until there may be something due, or the end has come.
  void Rest(uint64_t wakes_seen);
  bool Stopping(uint64_t& wakes_seen);
  // E10: one thread of the process, from time to time.
  void Sweep();
  // Each false where there was nothing to do, or it could not be done now.
  bool WorkOffRequest();
  bool DeliverOne(Transport& transport);
  absl::StatusOr<std::optional<Delivery>> Claim();
  Recorded Deliver(const Delivery& delivery, Transport& transport);
  SendResult Send(const Delivery& delivery, const EmailToken& token, Transport& transport);
  void Record(const Delivery& delivery, const Recorded& recorded);
  Recorded ResultOf(const Delivery& delivery, SendResult result) const;
  absl::Duration StepTimeout() const;
  absl::Time StepDeadline() const;

  const DispatcherSettings settings_;
  data::Pool& pool_;
  TokenClient& tokens_;
  RequestedKeys requested_keys_;
  const MakeTransport make_transport_;
  std::stop_source abort_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborting_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time next_sweep_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::notification
