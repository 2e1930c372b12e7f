// A stream as a client has it open: a thread of its own reads what comes, until it ends or this object does. For the
// test's thread alone.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/support/process.h"
#include "tests/support/system.h"

namespace parley::test {

template <class Response>
class Stream {
 public:
  template <class Stub, class Request>
  Stream(Client& client,
         std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*, const Request&),
         const std::type_identity_t<Request>& request)
      : stub_(std::make_shared<Stub>(client.channel())) {
    for (const auto& [key, value] : client.sent()) context_.AddMetadata(key, value);
    reader_ = (static_cast<Stub*>(stub_.get())->*method)(&context_, request);
    thread_ = std::thread([this] { Read(); });
  }
  ~Stream() {
    context_.TryCancel();
    thread_.join();
  }

  // What has come until now.
  std::vector<Response> messages() const {
    absl::MutexLock lock(&mutex_);
    return messages_;
  }
  // Of these those that tell of an entry.
  std::vector<Response> steps() const {
    std::vector<Response> steps = messages();
    std::erase_if(steps, [](const Response& message) { return !message.has_log_entry(); });
    return steps;
  }
  // Waits until there are so many of them; false where they do not come.
  bool AwaitSteps(size_t count) const {
    return Eventually([&] { return steps().size() >= count; });
  }
  // Waits until it is told that the stream has caught up.
  bool AwaitProgress() const {
    return Eventually([&] { return messages().size() > steps().size(); });
  }
  // Waits for the end; DEADLINE_EXCEEDED where it does not come.
  absl::Status AwaitEnd() const {
    Eventually([&] { return has_ended(); });
    absl::MutexLock lock(&mutex_);
    return end_.value_or(absl::DeadlineExceededError("the stream does not end"));
  }
  bool has_ended() const {
    absl::MutexLock lock(&mutex_);
    return end_.has_value();
  }

 private:
  void Read() {
    Response message;
    while (reader_->Read(&message)) {
      absl::MutexLock lock(&mutex_);
      messages_.push_back(message);
    }
    const absl::Status status = StatusOf(reader_->Finish());
    absl::MutexLock lock(&mutex_);
    end_ = status;
  }

  std::shared_ptr<void> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  mutable absl::Mutex mutex_;
  std::vector<Response> messages_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace parley::test
