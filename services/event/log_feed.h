// Feeds the watches of all events, in the order of the tree of all logs: what the sequencer has placed there, within
// half a second. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/data/chore.h"
#include "common/data/log_cursor.h"
#include "parley/event/v1/event_service.pb.h"
#include "services/event/steps.h"
#include "services/event/watch.h"

namespace parley::event {

class LogWatch;

class LogFeed {
 public:
  // Takes a connection of the pool for itself, and one for each thread of the pages. `may_send` as that of Pages.
  LogFeed(data::Pool& pool, std::function<bool()> may_send) : pool_(pool), may_send_(std::move(may_send)) {}

  // From now on, by a thread of its own. Further calls change nothing.
  void Start() { chore_.Start(); }
  void Stop() { chore_.Stop(); }

  // The next page of a watch that is behind. False where it is behind no more.
  bool ReadPage(LogWatch& watch);
  // A watch that is over is fed no more.
  void Leave(const LogWatch& watch);
  // Tells those that were told nothing since then how far they are.
  void TellProgress(absl::Time since);

 private:
  absl::Duration Run();
  // True where there may be more. Errors: the database's; OUT_OF_RANGE where the log is another one now.
  absl::StatusOr<bool> FeedSome(const data::LogCursor& from);
  // What the watches want, all together.
  struct Wanted {
    std::vector<data::LogEntry::Occurrence> occurrences;
    std::optional<std::vector<Uuid>> parties;  // whose events; nothing: all
  };

  void Join(LogWatch& watch);
  // Feeds those that have joined from now on; where more was told than they know, they are behind again. Nothing where
  // there is nobody to feed.
  std::optional<data::LogCursor> AdmitJoining();
  Wanted WantedNow();
  // All are behind again.
  void FallBehind();

  data::Pool& pool_;
  const std::function<bool()> may_send_;
  // Of the thread.
  StepReader reader_{256};
  bool is_failing_ = false;

  absl::Mutex mutex_;
  data::LogCursor cursor_ ABSL_GUARDED_BY(mutex_);  // up to which the watches were told, while there are any
  // Not while something is being read for others, who may want other things.
  std::vector<std::shared_ptr<LogWatch>> joining_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<LogWatch>> of_all_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Uuid, std::vector<std::shared_ptr<LogWatch>>> of_party_ ABSL_GUARDED_BY(mutex_);
  data::Chore chore_{[this] { return Run(); }};
};

// What a watch of all events asks for.
struct LogQuery {
  std::optional<data::LogCursor> from;  // nothing: only what is new
  std::vector<data::LogEntry::Occurrence> occurrences;
  std::optional<Uuid> party;  // whose events; nothing: all
};

class LogWatch final : public Watch<v1::WatchEventsResponse> {
 public:
  LogWatch(grpc::CallbackServerContext& context, rpc::Call call, const std::string& method, Pages& pages,
           std::function<void(rpc::OpenStream&)> on_over, LogFeed& feed, LogQuery query)
      : Watch(context, std::move(call), method, query.from ? Encode(*query.from) : "", pages, std::move(on_over)),
        feed_(feed),
        query_(std::move(query)),
        position_(query_.from.value_or(data::LogCursor())) {}

 private:
  friend class LogFeed;
  bool ReadNext() override { return feed_.ReadPage(*this); }
  std::string CursorOf(const v1::WatchEventsResponse& message) const override { return message.cursor(); }

  // There may be thousands of watches that are behind.
  static constexpr size_t kMaxStates = 32;

  LogFeed& feed_;
  const LogQuery query_;
  // Used by the page that is being read, then by the feed under its lock.
  data::LogCursor position_;  // up to which it was told, at least
  bool has_begun_ = false;
  std::unique_ptr<StepReader> reader_ = std::make_unique<StepReader>(kMaxStates);
};

}  // namespace parley::event
