// One open call of a method that streams its answer. Messages are sent one after the other, each once the reader has
// room for it; until then they wait, so many at the most. What is to be sent, whoever owns the stream decides:
//
//   auto stream = std::make_shared<MyStream>(context, call, kMethod, cursor);  // derived from Stream<Response>
//   grpc::ServerWriteReactor<Response>* reactor = stream->Begin(stream);
//   ...
//   if (!stream->Send(message)) stream->Cut(ReaderTooSlow());
//
// Lives until gRPC is done with it and nobody else holds it. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/rpc/call.h"
#include "common/status/status.h"

namespace parley::rpc {

// What is the same of all streams, whatever they send.
class OpenStream {
 public:
  // `method`: its path, which must outlive the stream. `cursor`: where it begins; may
  // be empty.
  OpenStream(grpc::CallbackServerContext& context, Call call, const std::string& method, std::string cursor)
      : cursor_(std::move(cursor)),
        context_(context),
        call_(std::move(call)),
        method_(method),
        progress_time_(absl::Now()) {}
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;
  virtual ~OpenStream() = default;

  const Call& call() const { return call_; }

  // Ends it as soon as all that waits is sent. Further messages are dropped.
  void End(absl::Status status);
  // Ends it at once: what waits is dropped, the error's metadata tells the `cursor` of what was sent last, where there
  // is one.
  void Cut(absl::Status status);
  // Ends it before anything was sent.
  void Refuse(absl::Status status);
  // Gives up a reader who does not even take the end.
  void Abort();

  // When the reader last took something, was sent something while nothing waited, or the end.
  absl::Time progress_time() const;
  // Whether there is something that the reader has not taken, and whether that is the end.
  bool is_waiting() const;
  bool is_ending() const;

 protected:
  // Begins to write, or to finish, where that can be done.
  virtual void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  virtual void DropWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Called on gRPC's threads, without locks: all that waited was sent, and it goes on; it is over.
  virtual void OnIdle() {}
  virtual void OnOver() {}

  mutable absl::Mutex mutex_;
  std::string cursor_ ABSL_GUARDED_BY(mutex_);  // of the message that was begun last; at first, where to begin
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;  // gRPC was told
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;      // gRPC is done
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  grpc::CallbackServerContext& context_;  // until it is over
  const Call call_;
  const std::string& method_;
  absl::Time progress_time_ ABSL_GUARDED_BY(mutex_);
};

template <class Response>
class Stream : public OpenStream, public grpc::ServerWriteReactor<Response> {
 public:
  using Message = std::shared_ptr<const Response>;
  using OpenStream::OpenStream;

  // From now on gRPC holds it too.
  grpc::ServerWriteReactor<Response>* Begin(std::shared_ptr<Stream> self) {
    self_ = std::move(self);
    return this;
  }

  // False where too many wait: then it was not taken. One that comes when the stream has ended is dropped.
  bool Send(Message message) {
    absl::MutexLock lock(&mutex_);
    if (end_) return true;
    if (waiting_.empty() && !is_writing_) progress_time_ = absl::Now();
    // What can be written at once need not be measured.
    const size_t bytes = is_writing_ ? message->ByteSizeLong() : 0;
    if (!waiting_.empty() && (waiting_.size() >= kMaxWaiting || waiting_bytes_ + bytes > kMaxWaitingBytes))
      return false;
    waiting_bytes_ += bytes;
    waiting_.push_back({std::move(message), bytes});
    Pump();
    return true;
  }

  // What may wait for a reader.
  static constexpr size_t kMaxWaiting = 1000;
  static constexpr size_t kMaxWaitingBytes = size_t{1} << 20;

 protected:
  // What a reader goes on from behind this message.
  virtual std::string CursorOf(const Response& message) const = 0;

 private:
  void OnWriteDone(bool ok) final {
    bool idle = false;
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      written_.reset();
      progress_time_ = absl::Now();
      if (!ok && !end_) end_ = absl::CancelledError("the reader is gone");
      if (!ok) Drop();
      idle = !end_ && waiting_.empty();
      Pump();
    }
    if (idle) OnIdle();
  }

  void OnCancel() final {
    absl::MutexLock lock(&mutex_);
    if (!end_) end_ = absl::CancelledError("the reader is gone");
    Drop();
    Finish();
  }

  void OnDone() final {
    {
      absl::MutexLock lock(&mutex_);
      is_over_ = true;
    }
    OnOver();
    self_.reset();
  }

  void Pump() final ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_writing_ || is_finished_) return;
    if (waiting_.empty()) {
      if (end_) Finish();
      return;
    }
    written_ = std::move(waiting_.front().message);
    waiting_bytes_ -= waiting_.front().bytes;
    waiting_.pop_front();
    cursor_ = CursorOf(*written_);
    is_writing_ = true;
    this->StartWrite(written_.get());
  }

  void Drop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  void DropWaiting() final ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Drop();
    // A write that is under way is not waited for: gRPC sends the end behind it.
    Finish();
  }

  void Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(is_finished_, true)) return;
    progress_time_ = absl::Now();
    grpc::ServerWriteReactor<Response>::Finish(EndOf(method_, call_, *end_));
  }

  struct Waiting {
    Message message;
    size_t bytes;
  };
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Message written_ ABSL_GUARDED_BY(mutex_);  // while it is being written
  std::shared_ptr<Stream> self_;
};

}  // namespace parley::rpc
