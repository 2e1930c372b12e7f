#include "tests/e2e/watch_followers.h"

#include <cstdlib>

#include "absl/time/clock.h"
#include "common/status/status.h"

namespace parley::e2e {
namespace {

using event::v1::EventService;
using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;
using event::v1::WatchEventsRequest;
using event::v1::WatchEventsResponse;

// Between streams that broke.
constexpr absl::Duration kPause = absl::Milliseconds(50);
// Streams are broken off after at most so many messages.
constexpr int kLongestStream = 300;
// Of so many positions one is kept.
constexpr int kKeptOf = 50;

// What is different of the two methods. A cursor begins with the number of the entries that are behind it.

int64_t NumberOf(const WatchEventResponse& message) { return message.sequence(); }
int64_t NumberOf(const WatchEventsResponse& message) { return std::atoll(message.cursor().c_str()); }

std::optional<int64_t> BeginOf(const WatchEventRequest& request) { return request.after_sequence(); }
std::optional<int64_t> BeginOf(const WatchEventsRequest& request) {
  if (request.only_new()) return std::nullopt;
  return std::atoll(request.cursor().c_str());
}

void GoOn(WatchEventRequest& request, const WatchEventResponse& message) {
  request.set_after_sequence(message.sequence());
}
void GoOn(WatchEventsRequest& request, const WatchEventsResponse& message) {
  request.set_cursor(message.cursor());
  request.clear_only_new();
}

auto Call(EventService::Stub& stub, grpc::ClientContext& context, const WatchEventRequest& request) {
  return stub.WatchEvent(&context, request);
}
auto Call(EventService::Stub& stub, grpc::ClientContext& context, const WatchEventsRequest& request) {
  return stub.WatchEvents(&context, request);
}

void AddCredential(grpc::ClientContext& context, const test::Client& client) {
  for (const auto& [key, value] : client.sent()) context.AddMetadata(key, value);
}

// By the contract, and what gRPC says of streams that broke without a word.
bool IsBreak(const absl::Status& status) {
  if (absl::IsUnavailable(status)) return true;
  if (ReasonOf(status) == error::v1::READER_TOO_SLOW || ReasonOf(status) == error::v1::RATE_LIMITED) return true;
  return ReasonOf(status) == error::v1::REASON_UNSPECIFIED &&
         (absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsCancelled(status));
}

}  // namespace

std::shared_ptr<const test::ToldStep> ToldSteps::Share(const event::v1::LogEntry& log_entry,
                                                       const event::v1::Event& event) {
  const std::string key = log_entry.SerializeAsString() + event.SerializeAsString();
  absl::MutexLock lock(&mutex_);
  auto& step = steps_[key];
  if (step == nullptr) step = std::make_shared<test::ToldStep>(test::ToldStep{log_entry, event});
  return step;
}

int64_t Following::position() const {
  absl::MutexLock lock(&mutex_);
  return position_;
}

std::optional<absl::Status> Following::end() const {
  absl::MutexLock lock(&mutex_);
  return end_;
}

std::map<std::string, int> Following::breaks() const {
  absl::MutexLock lock(&mutex_);
  return breaks_;
}

test::Follower Following::follower() const {
  absl::MutexLock lock(&mutex_);
  return follower_;
}

void Following::Begin(std::optional<int64_t> from) {
  absl::MutexLock lock(&mutex_);
  follower_.streams.push_back({from, {}, ""});
  if (from) position_ = *from;
}

void Following::Note(test::Told told) {
  absl::MutexLock lock(&mutex_);
  position_ = told.position;
  follower_.streams.back().told.push_back(std::move(told));
}

void Following::NoteBreak(const std::string& what) {
  absl::MutexLock lock(&mutex_);
  ++breaks_[what];
  follower_.streams.back().end = what;
}

void Following::NoteEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = status;
  follower_.streams.back().end = status.ToString();
}

template <class Request, class Response>
FollowingClient<Request, Response>::FollowingClient(const test::Client& client, test::Follower follower,
                                                    Request request, Way way, ToldSteps& steps, uint32_t seed)
    : Following(std::move(follower)),
      client_(client),
      way_(way),
      steps_(steps),
      random_(seed),
      position_(request),
      watcher_(
          client.channel(), [this](grpc::ClientContext& context) { PrepareForHelper(context); }, std::move(request),
          client::Watcher<Request, Response>::Give::kAll),
      thread_([this] { Follow(); }) {}

template <class Request, class Response>
void FollowingClient<Request, Response>::Stop() {
  {
    absl::MutexLock lock(&own_mutex_);
    is_stopping_ = true;
    if (context_) context_->TryCancel();
  }
  watcher_.Cancel();
  if (thread_.joinable()) thread_.join();
}

template <class Request, class Response>
std::vector<Request> FollowingClient<Request, Response>::resumptions() const {
  absl::MutexLock lock(&own_mutex_);
  return resumptions_;
}

template <class Request, class Response>
void FollowingClient<Request, Response>::Follow() {
  way_ == Way::kHelper ? FollowByHelper() : FollowByStreams();
}

template <class Request, class Response>
void FollowingClient<Request, Response>::PrepareForHelper(grpc::ClientContext& context) {
  AddCredential(context, client_);
  if (helper_streams_++ > 0) NoteBreak("by the helper");
}

template <class Request, class Response>
void FollowingClient<Request, Response>::FollowByHelper() {
  Begin(BeginOf(position_));
  for (;;) {
    const auto message = watcher_.Next();
    {
      absl::MutexLock lock(&own_mutex_);
      if (is_stopping_) return;
    }
    if (!message.ok() || !message->has_value()) return NoteEnd(message.status());
    Take(**message);
  }
}

template <class Request, class Response>
void FollowingClient<Request, Response>::FollowByStreams() {
  for (;;) {
    const auto end = ReadStream(std::uniform_int_distribution(1, kLongestStream)(random_));
    absl::MutexLock lock(&own_mutex_);
    if (is_stopping_) return;
    if (end && !IsBreak(*end)) return NoteEnd(*end);
    NoteBreak(end ? absl::StatusCodeToString(end->code()) : "broken");
    if (end) own_mutex_.AwaitWithTimeout(absl::Condition(&is_stopping_), kPause);
    if (is_stopping_) return;
  }
}

template <class Request, class Response>
std::optional<absl::Status> FollowingClient<Request, Response>::ReadStream(int messages) {
  grpc::ClientContext* context = nullptr;
  {
    absl::MutexLock lock(&own_mutex_);
    if (is_stopping_) return std::nullopt;
    context_ = std::make_unique<grpc::ClientContext>();
    context = context_.get();
  }
  AddCredential(*context, client_);
  Begin(BeginOf(position_));
  const auto stub = EventService::NewStub(client_.channel());
  const auto reader = Call(*stub, *context, position_);
  Response message;
  for (int i = 0; i < messages && reader->Read(&message); ++i) {
    Take(message);
    if (i + 1 < messages) continue;
    context->TryCancel();
    reader->Finish();
    return std::nullopt;
  }
  return test::StatusOf(reader->Finish());
}

template <class Request, class Response>
void FollowingClient<Request, Response>::Take(const Response& message) {
  GoOn(position_, message);
  auto step = message.has_log_entry() ? steps_.Share(message.log_entry(), message.event()) : nullptr;
  Note({absl::Now(), NumberOf(message), std::move(step)});
  if (random_() % kKeptOf != 0) return;
  absl::MutexLock lock(&own_mutex_);
  resumptions_.push_back(position_);
}

template class FollowingClient<WatchEventRequest, WatchEventResponse>;
template class FollowingClient<WatchEventsRequest, WatchEventsResponse>;

}  // namespace parley::e2e
