// WatchEvent and WatchEvents: opens watches, looks after them while they are open (are their readers taking anything,
// do their callers still have their rights), and ends them. Thread-safe.
#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/rpc/call.h"
#include "services/event/caller_check.h"
#include "services/event/event_feed.h"
#include "services/event/log_feed.h"

namespace parley::event {

struct WatchSettings {
  int max_watches = 10000;
  int max_watches_of_caller = 100;
  int threads = 2;                                 // that read pages
  absl::Duration progress = absl::Seconds(10);     // who was told nothing for as long is told how far it is
  absl::Duration slow_reader = absl::Seconds(10);  // who takes nothing for as long is sent away
};

class Watches {
 public:
  // The connections of the pool that it uses at once.
  static int Connections(const WatchSettings& settings) { return settings.threads + 2; }

  // What is given by reference must outlive it.
  Watches(const WatchSettings& settings, data::Pool& pool, rpc::CallQueue& queue, const CallerCheck& check);
  // When the server is gone.
  ~Watches();

  // Starts the threads, the first time.
  void Start();
  // This process has added to the log of the event, and committed.
  void Wrote(const Uuid& event_id) { event_feed_.Wrote(event_id); }
  // Ends all watches, and opens none any more.
  void Drain();

  // Contracts and errors: proto/parley/event/v1/event_service.proto.
  grpc::ServerWriteReactor<v1::WatchEventResponse>* WatchEvent(grpc::CallbackServerContext& context,
                                                               const v1::WatchEventRequest& request);
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(grpc::CallbackServerContext& context,
                                                                 const v1::WatchEventsRequest& request);

 private:
  // Whom watches count against: a credential, and the user for whom it acts.
  using Caller = std::pair<Uuid, Uuid>;

  // Adds it to the open ones, and lets it begin: where `status` is OK, and there may be another.
  template <class Watch>
  auto Open(const std::shared_ptr<Watch>& watch, absl::Status status);
  absl::Status Register(const std::shared_ptr<rpc::OpenStream>& watch);
  void Forget(const rpc::OpenStream& watch);
  std::vector<std::shared_ptr<rpc::OpenStream>> Opened();

  bool MaySend();
  absl::Duration Tend();
  void SendSlowAway(const std::vector<std::shared_ptr<rpc::OpenStream>>& watches, absl::Time now) const;
  void CheckRights(const std::vector<std::shared_ptr<rpc::OpenStream>>& watches, absl::Time now);

  const WatchSettings settings_;
  rpc::CallQueue& queue_;
  const CallerCheck& check_;

  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const rpc::OpenStream*, std::shared_ptr<rpc::OpenStream>> open_ ABSL_GUARDED_BY(mutex_);
  int of_users_ ABSL_GUARDED_BY(mutex_) = 0;  // of these
  absl::flat_hash_map<Caller, int> of_caller_ ABSL_GUARDED_BY(mutex_);
  // As of when all rights were known.
  absl::Time rights_time_ ABSL_GUARDED_BY(mutex_) = absl::Now();

  EventFeed event_feed_;
  LogFeed log_feed_;
  data::Chore tend_{[this] { return Tend(); }};
  Pages pages_;
};

}  // namespace parley::event
