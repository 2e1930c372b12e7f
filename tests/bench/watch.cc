#include "tests/bench/watch.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/channel.h"
#include "parley/event/v1/event_service.grpc.pb.h"

namespace parley::bench {
namespace {

using Clock = std::chrono::steady_clock;
using event::v1::EventService;

// What all watchers have been told.
struct Told {
  absl::Mutex mutex;
  int open ABSL_GUARDED_BY(mutex) = 0;            // that have caught up
  int64_t revision ABSL_GUARDED_BY(mutex) = 0;    // that is waited for
  int reached ABSL_GUARDED_BY(mutex) = 0;         // by it
  Clock::time_point last ABSL_GUARDED_BY(mutex);  // when
  int over ABSL_GUARDED_BY(mutex) = 0;
  std::string error ABSL_GUARDED_BY(mutex);  // the first
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

template <class Response>
class Watcher final : public grpc::ClientReadReactor<Response> {
 public:
  Watcher(Told& told, std::string event, const std::string& key) : told_(told), event_(std::move(event)) {
    context_.AddMetadata("authorization", absl::StrCat("Bearer ", key));
  }

  grpc::ClientContext* context() { return &context_; }
  void Begin() {
    this->StartRead(&message_);
    this->StartCall();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      absl::MutexLock lock(&told_.mutex);
      if (!message_.has_log_entry() && !std::exchange(is_open_, true)) ++told_.open;
      if (message_.has_log_entry() && message_.event().name() == event_ &&
          message_.event().revision() == told_.revision) {
        ++told_.reached;
        told_.last = Clock::now();
      }
    }
    this->StartRead(&message_);
  }

  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&told_.mutex);
    ++told_.over;
    if (!told_.stopping && told_.error.empty()) {
      told_.error = absl::StrCat("a watch has ended: ", status.error_code(), " ", status.error_message());
    }
  }

  Told& told_;
  const std::string event_;
  grpc::ClientContext context_;
  Response message_;
  bool is_open_ = false;
};

// Calls as the member; false, after a message, where that fails.
template <class Request>
bool Do(EventService::Stub& stub, const std::string& key,
        grpc::Status (EventService::Stub::*method)(grpc::ClientContext*, const Request&, event::v1::Event*),
        const Request& request, event::v1::Event& event) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", absl::StrCat("Bearer ", key));
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const grpc::Status status = (stub.*method)(&context, request, &event);
  if (!status.ok()) std::cerr << "parley-bench-load: " << status.error_message() << "\n";
  return status.ok();
}

bool AwaitAll(Told& told, int Told::*count, int all) {
  const auto reached = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return told.*count >= all || !told.error.empty(); };
  absl::MutexLock lock(&told.mutex);
  const bool in_time = told.mutex.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(60));
  if (in_time && told.error.empty()) return true;
  std::cerr << "parley-bench-load: "
            << (told.error.empty() ? absl::StrCat(told.*count, " of ", all, " watchers after a minute") : told.error)
            << "\n";
  return false;
}

}  // namespace

int RunWatch(const WatchSettings& settings) {
  std::vector<std::unique_ptr<EventService::Stub>> stubs;
  for (int i = 0; i < settings.channels; ++i)
    stubs.push_back(EventService::NewStub(rpc::MakeChannel(settings.gateway)));
  event::v1::CreateEventRequest create;
  create.mutable_event()->set_title("watched");
  event::v1::Event event;
  if (!Do(*stubs[0], settings.key, &EventService::Stub::CreateEvent, create, event)) return 1;

  Told told;
  event::v1::WatchEventRequest watch_event;
  watch_event.set_name(event.name());
  event::v1::WatchEventsRequest watch_events;
  watch_events.set_only_new(true);
  watch_events.add_occurrences(event::v1::LogEntry::UPDATE);
  std::vector<std::unique_ptr<Watcher<event::v1::WatchEventResponse>>> of_event;
  std::vector<std::unique_ptr<Watcher<event::v1::WatchEventsResponse>>> of_all;
  for (int i = 0; i < settings.watchers; ++i) {
    auto* async = stubs[i / 2 % stubs.size()]->async();
    if (i % 2 == 0) {
      auto& watcher = *of_event.emplace_back(
          std::make_unique<Watcher<event::v1::WatchEventResponse>>(told, event.name(), settings.key));
      async->WatchEvent(watcher.context(), &watch_event, &watcher);
      watcher.Begin();
    } else {
      auto& watcher = *of_all.emplace_back(
          std::make_unique<Watcher<event::v1::WatchEventsResponse>>(told, event.name(), settings.key));
      async->WatchEvents(watcher.context(), &watch_events, &watcher);
      watcher.Begin();
    }
  }
  if (!AwaitAll(told, &Told::open, settings.watchers)) return 1;
  std::cout << "open" << std::endl;

  std::vector<double> milliseconds;
  const auto end = Clock::now() + std::chrono::duration<double>(settings.seconds);
  while (Clock::now() < end) {
    event::v1::UpdateEventRequest update;
    *update.mutable_event() = event;
    update.mutable_event()->set_title(absl::StrCat("watched ", event.revision()));
    update.mutable_update_mask()->add_paths("title");
    {
      absl::MutexLock lock(&told.mutex);
      told.revision = event.revision() + 1;
      told.reached = 0;
    }
    if (!Do(*stubs[0], settings.key, &EventService::Stub::UpdateEvent, update, event)) return 1;
    const auto answered = Clock::now();
    if (!AwaitAll(told, &Told::reached, settings.watchers)) return 1;
    absl::MutexLock lock(&told.mutex);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(told.last - answered).count());
  }
  std::ranges::sort(milliseconds);
  std::cout << absl::StrFormat("{\"changes\": %d, \"p50_ms\": %.0f, \"max_ms\": %.0f}", milliseconds.size(),
                               milliseconds[milliseconds.size() / 2], milliseconds.back())
            << std::endl;
  std::string line;
  std::getline(std::cin, line);
  {
    absl::MutexLock lock(&told.mutex);
    told.stopping = true;
  }
  for (const auto& watcher : of_event) watcher->Cancel();
  for (const auto& watcher : of_all) watcher->Cancel();
  return AwaitAll(told, &Told::over, settings.watchers) ? 0 : 1;
}

}  // namespace parley::bench
