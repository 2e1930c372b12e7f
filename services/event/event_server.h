// EventService, from gRPC to the handlers: one file each for the operations, all of them plain code on worker threads.
#pragma once

#include <functional>

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "common/rpc/limiter.h"
#include "parley/event/v1/event_service.grpc.pb.h"
#include "services/event/requests.h"
#include "services/event/watches.h"

namespace parley::event {

// What every handler needs. Outlives all calls. Thread-safe.
struct Context {
  data::Pool& pool;
  const rpc::Signer& signer;  // of page tokens and remembered requests
  rpc::Limiter& views;        // GetEvent, by caller and event (N8)
  const Limits limits;
  // Watches are fed: after each commit that added to the log of an event that was there before.
  const std::function<void(const Uuid& event_id)> wrote;
};

using CreateItem = rpc::BatchItem<v1::CreateEventRequest, v1::Event>;
using GetItem = rpc::BatchItem<v1::GetEventRequest, v1::Event>;
using UpdateItem = rpc::BatchItem<v1::UpdateEventRequest, v1::Event>;
using ConfirmItem = rpc::BatchItem<v1::ConfirmEventRequest, v1::Event>;
using DeleteItem = rpc::BatchItem<v1::DeleteEventRequest, google::protobuf::Empty>;
using ListEntriesItem = rpc::BatchItem<v1::ListLogEntriesRequest, v1::ListLogEntriesResponse>;

// When the statements of a batch must be done: a call alone has what is left to it, several have a fixed time, whatever
// is left to each of them.
template <class Item>
absl::Time BatchDeadline(absl::Span<Item* const> items) {
  return items.size() == 1 ? items.front()->call.deadline : absl::Now() + absl::Seconds(5);
}

// The handler of an operation, or of batches of it, bound to the context.
template <class Item>
auto Bind(const Context& context, absl::Status (*handler)(const Context&, absl::Span<Item* const>, data::Turn&)) {
  return [&context, handler](absl::Span<Item* const> items, data::Turn& turn) { return handler(context, items, turn); };
}
template <class Request, class Response>
auto Bind(const Context& context,
          absl::Status (*handler)(const Context&, const rpc::Call&, const Request&, Response&)) {
  return [&context, handler](const rpc::Call& call, const Request& request, Response& response) {
    return handler(context, call, request, response);
  };
}

// Contracts and errors: proto/parley/event/v1/event_service.proto. Thread-safe.
absl::Status CreateEvents(const Context& context, absl::Span<CreateItem* const> items, data::Turn& turn);
absl::Status GetEvents(const Context& context, absl::Span<GetItem* const> items, data::Turn& turn);
absl::Status UpdateEvents(const Context& context, absl::Span<UpdateItem* const> items, data::Turn& turn);
absl::Status ConfirmEvents(const Context& context, absl::Span<ConfirmItem* const> items, data::Turn& turn);
absl::Status DeleteEvents(const Context& context, absl::Span<DeleteItem* const> items, data::Turn& turn);
absl::Status ListLogEntries(const Context& context, absl::Span<ListEntriesItem* const> items, data::Turn& turn);
absl::Status ListEvents(const Context& context, const rpc::Call& call, const v1::ListEventsRequest& request,
                        v1::ListEventsResponse& response);
absl::Status ReopenEvent(const Context& context, const rpc::Call& call, const v1::ReopenEventRequest& request,
                         v1::Event& response);

class EventServer final : public v1::EventService::CallbackService {
 public:
  // All must outlive the server.
  EventServer(const Context& context, rpc::CallQueue& queue, Watches& watches);

  grpc::ServerUnaryReactor* CreateEvent(grpc::CallbackServerContext* context, const v1::CreateEventRequest* request,
                                        v1::Event* response) override;
  grpc::ServerUnaryReactor* GetEvent(grpc::CallbackServerContext* context, const v1::GetEventRequest* request,
                                     v1::Event* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context, const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateEvent(grpc::CallbackServerContext* context, const v1::UpdateEventRequest* request,
                                        v1::Event* response) override;
  grpc::ServerUnaryReactor* ConfirmEvent(grpc::CallbackServerContext* context, const v1::ConfirmEventRequest* request,
                                         v1::Event* response) override;
  grpc::ServerUnaryReactor* ReopenEvent(grpc::CallbackServerContext* context, const v1::ReopenEventRequest* request,
                                        v1::Event* response) override;
  grpc::ServerUnaryReactor* DeleteEvent(grpc::CallbackServerContext* context, const v1::DeleteEventRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ListLogEntries(grpc::CallbackServerContext* context,
                                           const v1::ListLogEntriesRequest* request,
                                           v1::ListLogEntriesResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventResponse>* WatchEvent(grpc::CallbackServerContext* context,
                                                               const v1::WatchEventRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(grpc::CallbackServerContext* context,
                                                                 const v1::WatchEventsRequest* request) override;

 private:
  rpc::Method<v1::CreateEventRequest, v1::Event> create_event_;
  rpc::Method<v1::GetEventRequest, v1::Event> get_event_;
  rpc::Method<v1::ListEventsRequest, v1::ListEventsResponse> list_events_;
  rpc::Method<v1::UpdateEventRequest, v1::Event> update_event_;
  rpc::Method<v1::ConfirmEventRequest, v1::Event> confirm_event_;
  rpc::Method<v1::ReopenEventRequest, v1::Event> reopen_event_;
  rpc::Method<v1::DeleteEventRequest, google::protobuf::Empty> delete_event_;
  rpc::Method<v1::ListLogEntriesRequest, v1::ListLogEntriesResponse> list_log_entries_;
  Watches& watches_;
};

}  // namespace parley::event
