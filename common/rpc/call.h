// A unary method of a service: from gRPC's callback thread, which only checks the signature and queues the call, to a
// worker thread, which runs it as plain code, and back (design decisions 1, 2 and 4).
//
//   class EventServer final : public event::v1::EventService::CallbackService {
//     ...
//     grpc::ServerUnaryReactor* GetEvent(grpc::CallbackServerContext* context, const GetEventRequest* request,
//                                        Event* response) override {
//       return get_event_.Start(context, request, response);
//     }
//     rpc::Method<GetEventRequest, Event> get_event_;
//   };
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "common/data/sql_status.h"
#include "common/data/workers.h"
#include "common/rpc/principal.h"
#include "common/status/status.h"

namespace parley::rpc {

// What a handler knows of a call besides its request.
struct Call {
  Principal principal;
  std::string call_id;
  absl::Time start = absl::Now();
  absl::Time deadline;  // at most 30 s away, whatever the caller gave
};

inline constexpr char kCallIdMetadata[] = "parley-call-id";

// What all methods of a process share. Thread-safe.
struct CallQueue {
  const Signer& signer;
  data::Workers& workers;
  const absl::Duration default_deadline;  // of a call that brings none
};

// The call as its metadata says: UNAUTHENTICATED where the principal was not signed for this method.
absl::StatusOr<Call> CallOf(const grpc::CallbackServerContext& context, std::string_view method,
                            const CallQueue& queue);
// The status with which a call ends, as gRPC sends it; writes the log's line.
grpc::Status EndOf(std::string_view method, const Call& call, const absl::Status& status);

// One call of a batch.
template <class Request, class Response>
struct BatchItem {
  const Call& call;
  const Request& request;
  Response& response;
  absl::Status status;  // set by the handler; OK at first
};

template <class Request, class Response>
class Method final : public data::Work {
 public:
  using Item = BatchItem<Request, Response>;
  using Handler = std::function<absl::Status(const Call&, const Request&, Response&)>;
  // Answers OK once each item has its status. Any other answer says that nothing of the batch was done: then each item
  // is run alone, so that a bad one fails alone; but not where the database is away or a commit is in doubt, which
  // holds for all, unlike a lock that one of them waited for in vain. Passes the turn when only its commit is left.
  using BatchHandler = std::function<absl::Status(absl::Span<Item* const>, data::Turn&)>;

  // `name`: `/parley.event.v1.EventService/GetEvent`.
  Method(CallQueue& queue, std::string name, Handler handler) : queue_(queue), name_(std::move(name)), max_batch_(1) {
    handler_ = [handler = std::move(handler)](absl::Span<Item* const> items, data::Turn&) {
      for (Item* item : items) item->status = handler(item->call, item->request, item->response);
      return absl::OkStatus();
    };
  }
  Method(CallQueue& queue, std::string name, size_t max_batch, BatchHandler handler)
      : queue_(queue), name_(std::move(name)), handler_(std::move(handler)), max_batch_(max_batch) {}

  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context, const Request* request, Response* response) {
    auto call = CallOf(*context, name_, queue_);
    absl::Status status = call.status();
    auto* running = new Running(*this, status.ok() ? *std::move(call) : Call{}, *request, *response);
    if (status.ok()) status = queue_.workers.Submit(running);
    if (!status.ok()) running->End(status);
    return running;
  }

  size_t max_batch() const override { return max_batch_; }

  void Run(absl::Span<data::Task* const> tasks, data::Turn& turn) override {
    std::vector<Item*> items;
    for (data::Task* task : tasks) items.push_back(&static_cast<Running*>(task)->item);
    const absl::Status status = handler_(items, turn);
    const bool holds_for_all = (absl::IsUnavailable(status) && !data::IsLockTimeout(status)) || absl::IsUnknown(status);
    const bool alone = !status.ok() && items.size() > 1 && !holds_for_all;
    for (size_t i = 0; i < items.size(); ++i) {
      if (alone && items[i]->call.deadline <= absl::Now()) {
        items[i]->status = absl::DeadlineExceededError("the deadline passed while the call was run");
      } else if (alone) {
        items[i]->status = absl::OkStatus();
        items[i]->response.Clear();
        const absl::Status own = handler_({&items[i], 1}, turn);
        if (!own.ok()) items[i]->status = own;
      } else if (!status.ok()) {
        items[i]->status = status;
      }
    }
    for (data::Task* task : tasks) {
      auto* running = static_cast<Running*>(task);
      running->End(running->item.status);
    }
  }

 private:
  class Running final : public grpc::ServerUnaryReactor, public data::Task {
   public:
    Running(Method& method, Call call, const Request& request, Response& response)
        : data::Task(method, call.deadline),
          item{call_, request, response, absl::OkStatus()},
          name_(method.name_),
          call_(std::move(call)) {}

    void End(const absl::Status& status) { Finish(EndOf(name_, call_, WithoutDoubt(status))); }
    void Expire() override { End(absl::DeadlineExceededError("the deadline passed before the call was run")); }
    bool Abandoned() const override { return cancelled_.load(std::memory_order_relaxed); }
    void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
    void OnDone() override { delete this; }

    Item item;

   private:
    // Where a commit is in doubt, what has a request_id, and what takes none (reads above all; a second VIEW entry is
    // harmless), may simply be sent again.
    absl::Status WithoutDoubt(const absl::Status& status) const {
      if (status.code() != absl::StatusCode::kUnknown) return status;
      if constexpr (requires { item.request.request_id(); }) {
        if (item.request.request_id().empty()) return status;
      }
      return Unavailable("the database");
    }

    const std::string& name_;
    const Call call_;
    std::atomic<bool> cancelled_ = false;
  };

  CallQueue& queue_;
  const std::string name_;
  BatchHandler handler_;
  const size_t max_batch_;
};

}  // namespace parley::rpc
