// For programs that use Parley: follows one event (EventWatcher, by WatchEvent) or all of the caller's (LogWatcher, by
// WatchEvents). Where the stream breaks, it is opened again behind what was told last, after a pause that grows from a
// tenth of a second to some seconds, differs by chance, and is never shorter than the server asks for; a message that
// arrives makes it short again. So each step is given once, in order, whatever breaks.
//
//   client::EventWatcher watcher(channel, [&](grpc::ClientContext& context) {
//     context.AddMetadata("authorization", "Bearer " + key);
//   }, request);  // a WatchEventRequest
//   absl::StatusOr<std::optional<WatchEventResponse>> step;
//   while ((step = watcher.Next()).ok() && step->has_value()) Show((*step)->event());
//
// The channel must notice a server that has vanished (GRPC_ARG_KEEPALIVE_TIME_MS), and should try to connect again as
// often as this does (GRPC_ARG_MAX_RECONNECT_BACKOFF_MS).
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "parley/event/v1/event_service.grpc.pb.h"

namespace parley::client {

// One thread takes what comes; the others may call what says so.
template <class Request, class Response>
class Watcher {
 public:
  // Prepares each call: adds its credential. It must set no deadline.
  using Prepare = std::function<void(grpc::ClientContext&)>;
  // Whether messages that only tell how far the stream is are given out as well.
  enum class Give { kSteps, kAll };

  // Begins where `from` says, at the first Next.
  Watcher(const std::shared_ptr<grpc::Channel>& channel, Prepare prepare, Request from, Give give = Give::kSteps);
  // When no call of Next is under way.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Waits for what comes next. Nothing where there is no more: the event is deleted, which the last step told. An error
  // where to resume is of no help: rights that have ended, CURSOR_INVALID, bad fields, INTERNAL; CANCELLED after
  // Cancel. The `cursor` in an error's metadata, where there is one, is where the watcher stands. Once it has ended,
  // always the same.
  absl::StatusOr<std::optional<Response>> Next();

  // Ends it: also a Next that waits returns at once. Any thread may call it.
  void Cancel();

  // By which another watcher would go on behind all that was told: what Next gave, and how far the stream was when
  // there was nothing to give. For the thread that calls Next.
  const Request& position() const { return position_; }

 private:
  // False where it was cancelled.
  bool Open();
  // The end of the stream that is open; nothing where it was a break after which it goes on.
  std::optional<absl::Status> Close();
  // False where it was cancelled meanwhile.
  bool Pause(absl::Duration least);

  const std::unique_ptr<event::v1::EventService::Stub> stub_;
  const Prepare prepare_;
  const Give give_;
  Request position_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;  // while a stream is open
  std::optional<absl::Status> end_;
  absl::Duration pause_;
  int unclear_breaks_ = 0;  // since the last message
  absl::BitGen random_;

  absl::Mutex mutex_;
  bool is_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
};

using EventWatcher = Watcher<event::v1::WatchEventRequest, event::v1::WatchEventResponse>;
using LogWatcher = Watcher<event::v1::WatchEventsRequest, event::v1::WatchEventsResponse>;

}  // namespace parley::client
