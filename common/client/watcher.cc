#include "common/client/watcher.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "common/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace parley::client {
namespace {

using event::v1::EventService;
using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;
using event::v1::WatchEventsRequest;
using event::v1::WatchEventsResponse;

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// What nobody explains may be a connection that broke or something that always breaks: so often in a row it is the
// latter.
constexpr int kMaxUnclearBreaks = 5;

// What is different of the two methods.

auto Call(EventService::Stub& stub, grpc::ClientContext& context, const WatchEventRequest& request) {
  return stub.WatchEvent(&context, request);
}
auto Call(EventService::Stub& stub, grpc::ClientContext& context, const WatchEventsRequest& request) {
  return stub.WatchEvents(&context, request);
}

void GoOn(WatchEventRequest& position, const WatchEventResponse& message) {
  position.set_after_sequence(message.sequence());
}
void GoOn(WatchEventsRequest& position, const WatchEventsResponse& message) {
  position.set_cursor(message.cursor());
  position.clear_only_new();
}

std::string CursorOf(const WatchEventRequest& position) { return absl::StrCat(position.after_sequence()); }
std::string CursorOf(const WatchEventsRequest& position) { return position.cursor(); }

// With its details as payloads, as common/status makes them.
absl::Status StatusOf(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status proto;
  if (proto.ParseFromString(status.error_details())) {
    for (const auto& detail : proto.details()) result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

template <class Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/" + Detail::descriptor()->full_name());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

// The least pause that the server asks for.
absl::Duration RetryDelay(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::RetryInfo>(status);
  if (!info) return absl::ZeroDuration();
  return absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
}

// The server says, or gRPC does, that it passes.
bool IsPassing(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnavailable) return true;
  const Reason reason = ReasonOf(status);
  return status.code() == absl::StatusCode::kResourceExhausted &&
         (reason == error::v1::READER_TOO_SLOW || reason == error::v1::RATE_LIMITED || reason == error::v1::QUEUE_FULL);
}

// What gRPC makes of a stream that was reset without a word of ours.
bool IsUnclear(const absl::Status& status) {
  if (ReasonOf(status) != error::v1::REASON_UNSPECIFIED) return false;
  return status.code() == absl::StatusCode::kInternal || status.code() == absl::StatusCode::kUnknown ||
         status.code() == absl::StatusCode::kCancelled;
}

// The server's cursor is of what it sent, of which not all may have arrived.
template <class Request>
absl::Status AtPosition(absl::Status status, const Request& position) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  if (!info || info->metadata().count("cursor") == 0) return status;
  return WithMetadata(std::move(status), "cursor", CursorOf(position));
}

}  // namespace

template <class Request, class Response>
Watcher<Request, Response>::Watcher(const std::shared_ptr<grpc::Channel>& channel, Prepare prepare, Request from,
                                    Give give)
    : stub_(EventService::NewStub(channel)),
      prepare_(std::move(prepare)),
      give_(give),
      position_(std::move(from)),
      pause_(kFirstPause) {}

template <class Request, class Response>
Watcher<Request, Response>::~Watcher() {
  Cancel();
  if (reader_) reader_->Finish();
  // Before its context.
  reader_.reset();
}

template <class Request, class Response>
absl::StatusOr<std::optional<Response>> Watcher<Request, Response>::Next() {
  while (!end_) {
    Response message;
    if (!reader_ && !Open()) {
      end_ = absl::CancelledError("the watcher was cancelled");
    } else if (!reader_->Read(&message)) {
      end_ = Close();
    } else {
      GoOn(position_, message);
      pause_ = kFirstPause;
      unclear_breaks_ = 0;
      if (message.has_log_entry() || give_ == Give::kAll) return message;
    }
  }
  if (!end_->ok()) return *end_;
  return std::nullopt;
}

template <class Request, class Response>
void Watcher<Request, Response>::Cancel() {
  absl::MutexLock lock(&mutex_);
  is_cancelled_ = true;
  if (context_) context_->TryCancel();
}

template <class Request, class Response>
bool Watcher<Request, Response>::Open() {
  auto context = std::make_unique<grpc::ClientContext>();
  prepare_(*context);
  grpc::ClientContext& call = *context;
  {
    absl::MutexLock lock(&mutex_);
    if (is_cancelled_) return false;
    context_ = std::move(context);
  }
  // One that was cancelled by now ends at once.
  reader_ = Call(*stub_, call, position_);
  return true;
}

template <class Request, class Response>
std::optional<absl::Status> Watcher<Request, Response>::Close() {
  const absl::Status status = StatusOf(reader_->Finish());
  reader_.reset();
  if (status.ok()) return status;
  const bool is_unclear = IsUnclear(status);
  if (is_unclear) ++unclear_breaks_;
  if (IsPassing(status) || (is_unclear && unclear_breaks_ < kMaxUnclearBreaks)) {
    if (Pause(RetryDelay(status))) return std::nullopt;
    return absl::CancelledError("the watcher was cancelled");
  }
  return AtPosition(status, position_);
}

template <class Request, class Response>
bool Watcher<Request, Response>::Pause(absl::Duration least) {
  // Those that were cut off together do not come back together.
  const absl::Duration pause = std::max(pause_, least) * absl::Uniform(random_, 1.0, 1.5);
  pause_ = std::min(pause_ * 2, kLongestPause);
  absl::MutexLock lock(&mutex_);
  context_.reset();
  return !mutex_.AwaitWithTimeout(absl::Condition(&is_cancelled_), pause);
}

template class Watcher<WatchEventRequest, WatchEventResponse>;
template class Watcher<WatchEventsRequest, WatchEventsResponse>;

}  // namespace parley::client
