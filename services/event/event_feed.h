// Feeds the watches of single events: what this process writes at once, what others write within half a second.
// Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/data/chore.h"
#include "parley/event/v1/event_service.pb.h"
#include "services/event/steps.h"
#include "services/event/watch.h"

namespace parley::event {

class EventWatch;

class EventFeed {
 public:
  // Takes a connection of the pool for itself, and one for each thread of the pages. `may_send` as that of Pages.
  EventFeed(data::Pool& pool, std::function<bool()> may_send) : pool_(pool), may_send_(std::move(may_send)) {}

  // From now on, by a thread of its own. Further calls change nothing.
  void Start() { chore_.Start(); }
  void Stop() { chore_.Stop(); }
  // This process has added to the log of the event, and committed.
  void Wrote(const Uuid& event_id);

  // The next page of a watch that is behind. False where it is behind no more.
  bool ReadPage(EventWatch& watch);
  // A watch that is over is fed no more.
  void Leave(const EventWatch& watch);
  // Tells those that were told nothing since then how far they are.
  void TellProgress(absl::Time since);

 private:
  struct Watched {
    int64_t position = 0;   // the sequence up to which its watches were told
    bool is_stale = false;  // there may be more: it is in stale_
    std::vector<std::shared_ptr<EventWatch>> watches;
  };

  absl::Duration Run();
  // Errors: the database's.
  absl::Status FeedSome();
  void TakeWritten();
  // Asks for what others have written, where that is due.
  absl::Status LookForOthers();
  std::vector<data::LogPosition> TakeStale();
  absl::Status Feed(const std::vector<data::LogPosition>& positions);
  void SetStale(const Uuid& event_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(const Uuid& event_id, Step step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CutAll(const Uuid& event_id, const absl::Status& status);
  void Forget(const Uuid& event_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False where more was published than the watch has been told.
  bool Join(EventWatch& watch);

  data::Pool& pool_;
  const std::function<bool()> may_send_;
  // Of the thread.
  StepReader reader_{256};
  absl::Time look_time_ = absl::InfinitePast();
  bool is_failing_ = false;

  absl::Mutex mutex_;
  absl::flat_hash_map<Uuid, Watched> watched_ ABSL_GUARDED_BY(mutex_);
  std::deque<Uuid> stale_ ABSL_GUARDED_BY(mutex_);

  // Apart from the others, so that calls that write do not wait while thousands are fed.
  absl::Mutex written_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  absl::flat_hash_set<Uuid> watched_ids_ ABSL_GUARDED_BY(written_mutex_);
  std::vector<Uuid> written_ ABSL_GUARDED_BY(written_mutex_);
  data::Chore chore_{[this] { return Run(); }};
};

class EventWatch final : public Watch<v1::WatchEventResponse> {
 public:
  EventWatch(grpc::CallbackServerContext& context, rpc::Call call, const std::string& method, Pages& pages,
             std::function<void(rpc::OpenStream&)> on_over, EventFeed& feed, const Uuid& event_id, int64_t after)
      : Watch(context, std::move(call), method, std::to_string(after), pages, std::move(on_over)),
        event_id_(event_id),
        feed_(feed),
        position_(after) {}

  const Uuid& event_id() const { return event_id_; }

 private:
  friend class EventFeed;
  bool ReadNext() override { return feed_.ReadPage(*this); }
  std::string CursorOf(const v1::WatchEventResponse& message) const override {
    return std::to_string(message.sequence());
  }

  const Uuid event_id_;
  EventFeed& feed_;
  // Used by the page that is being read, then by the feed under its lock.
  int64_t position_;          // the sequence up to which it was told
  bool is_admitted_ = false;  // the caller may see the event
  std::unique_ptr<StepReader> reader_ = std::make_unique<StepReader>(1);
};

}  // namespace parley::event
