// Delivers notifications (domain rules N4 to N6, T1). A delivery goes through three stages, each of which works on
// whatever has gathered before it, so that under load many share one transaction and one call:
//
//   claim    begins attempts of what is due, with a lease, and asks the token service for their keys
//   send     some threads, each with a connection to the mail server of its own, compose and send
//   record   records what became of the attempts, once the keys of what was not accepted are revoked
//
// Beside them one thread works off requests for keys (T7) and events that have ended (E10, N7). Any number of processes
// may run a dispatcher on the same database. What a process holds when it dies is tried again once its lease is up.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/data/transaction.h"
#include "services/notification/claim.h"
#include "services/notification/requested_keys.h"
#include "services/notification/token_client.h"
#include "services/notification/transport/retry_pause.h"
#include "services/notification/transport/transport.h"

namespace parley::notification {

struct DispatcherSettings {
  int senders = 8;
  ClaimSettings claim;
  absl::Duration send_timeout = absl::Seconds(30);  // what a transport takes at the most; the lease is longer
  absl::Duration retry_pause = absl::Seconds(5);
  int mails_per_second = 100;
  Address mail_from;
  std::string public_address;
};

// Thread-safe.
class Dispatcher {
 public:
  using MakeTransport = std::function<std::unique_ptr<Transport>()>;
  // The connections to the database that it uses at once.
  static constexpr int kConnections = 3;

  // `make_transport` is called once by each sender. What is given by reference must outlive the dispatcher.
  Dispatcher(DispatcherSettings settings, data::Pool& pool, const rpc::Signer& signer,
             const SuppressionKey& suppression_key, TokenClient& tokens, MakeTransport make_transport);
  // As Stop, at once.
  ~Dispatcher();

  // Starts the threads, the first time.
  void Start();
  // There may be something due. Without it that is noticed within a second.
  void Wake();
  // Claims nothing any more, and ends the threads: what is at work by itself until the deadline, then soon.
  void Stop(absl::Time deadline);

 private:
  // A delivery on its way through the stages.
  struct Item {
    Delivery delivery;
    std::optional<EmailToken> token;
    absl::Time lease_end;
    std::string call_id;
    SendResult result;
    std::optional<Notification::State> end;  // whatever the result, no further attempt is made
    bool sent_nothing = false;               // whatever the result, the mail was certainly not taken
  };

  void RunThread(void (Dispatcher::*run)());
  void RunClaims();
  void RunSender();
  void RunRecords();
  void RunChores();

  // How many may be on their way at once.
  int Capacity() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many may be claimed now; waits until there are some. 0 at the end.
  int AwaitCapacity();
  // Waits until there may be something due, or the end has come.
  void Rest(uint64_t& wakes_seen);
  // How many were due; claims at most `limit`.
  int ClaimSome(int limit);
  void DeferEnded(std::vector<Item>& items);
  void MakeTokens(std::vector<Item>& items, const std::string& call_id);
  void Put(std::vector<Item> items);
  std::optional<Item> NextToSend();
  SendResult Send(const Item& item, Transport& transport);
  // What was sent; where there is more to do, soon, and perhaps nothing. Nothing at the end.
  std::vector<Item> AwaitSent(bool more_to_do);
  std::vector<Item> RevokeSome(std::vector<Item>& to_revoke);
  Recorded RecordedOf(const Item& item);
  void Record(const std::vector<Item>& items);
  static void LogAttempts(const std::vector<Item>& items, const std::vector<Recorded>& results,
                          const absl::StatusOr<std::vector<Uuid>>& recorded);
  // Waits a little. False where it is of no use to record again.
  bool AwaitRetry(const absl::Status& status, absl::Time lease_end);
  bool WorkOffRequest();
  bool WorkOffEnded();
  absl::Duration StepTimeout() const;
  absl::Time StepDeadline() const;

  const DispatcherSettings settings_;
  data::Pool& pool_;
  const SuppressionKey& suppression_key_;
  TokenClient& tokens_;
  RequestedKeys requested_keys_;
  const MakeTransport make_transport_;
  std::stop_source abort_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborting_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;                                // threads
  int claims_running_ ABSL_GUARDED_BY(mutex_) = 0;                         // those that may put something into to_send_
  int senders_running_ ABSL_GUARDED_BY(mutex_) = 0;                        // those that may put something into sent_
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;                              // claimed, and not yet recorded
  absl::Duration send_time_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(1);    // of one mail, the mean of the last ones
  absl::Time paced_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // what the mails so far have used up
  std::deque<Item> to_send_ ABSL_GUARDED_BY(mutex_);
  std::vector<Item> sent_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace parley::notification
