#include "services/event/event_server.h"

namespace parley::event {
namespace {

constexpr size_t kMaxBatch = 64;

std::string MethodName(std::string_view method) {
  return "/" + std::string(v1::EventService::service_full_name()) + "/" + std::string(method);
}

}  // namespace

EventServer::EventServer(const Context& context, rpc::CallQueue& queue, Watches& watches)
    : create_event_(queue, MethodName("CreateEvent"), kMaxBatch, Bind(context, CreateEvents)),
      get_event_(queue, MethodName("GetEvent"), kMaxBatch, Bind(context, GetEvents)),
      list_events_(queue, MethodName("ListEvents"), Bind(context, event::ListEvents)),
      update_event_(queue, MethodName("UpdateEvent"), kMaxBatch, Bind(context, UpdateEvents)),
      confirm_event_(queue, MethodName("ConfirmEvent"), kMaxBatch, Bind(context, ConfirmEvents)),
      reopen_event_(queue, MethodName("ReopenEvent"), Bind(context, event::ReopenEvent)),
      delete_event_(queue, MethodName("DeleteEvent"), kMaxBatch, Bind(context, DeleteEvents)),
      list_log_entries_(queue, MethodName("ListLogEntries"), kMaxBatch, Bind(context, event::ListLogEntries)),
      watches_(watches) {}

grpc::ServerUnaryReactor* EventServer::CreateEvent(grpc::CallbackServerContext* context,
                                                   const v1::CreateEventRequest* request, v1::Event* response) {
  return create_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::GetEvent(grpc::CallbackServerContext* context,
                                                const v1::GetEventRequest* request, v1::Event* response) {
  return get_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::ListEvents(grpc::CallbackServerContext* context,
                                                  const v1::ListEventsRequest* request,
                                                  v1::ListEventsResponse* response) {
  return list_events_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::UpdateEvent(grpc::CallbackServerContext* context,
                                                   const v1::UpdateEventRequest* request, v1::Event* response) {
  return update_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::ConfirmEvent(grpc::CallbackServerContext* context,
                                                    const v1::ConfirmEventRequest* request, v1::Event* response) {
  return confirm_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::ReopenEvent(grpc::CallbackServerContext* context,
                                                   const v1::ReopenEventRequest* request, v1::Event* response) {
  return reopen_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::DeleteEvent(grpc::CallbackServerContext* context,
                                                   const v1::DeleteEventRequest* request,
                                                   google::protobuf::Empty* response) {
  return delete_event_.Start(context, request, response);
}

grpc::ServerUnaryReactor* EventServer::ListLogEntries(grpc::CallbackServerContext* context,
                                                      const v1::ListLogEntriesRequest* request,
                                                      v1::ListLogEntriesResponse* response) {
  return list_log_entries_.Start(context, request, response);
}

grpc::ServerWriteReactor<v1::WatchEventResponse>* EventServer::WatchEvent(grpc::CallbackServerContext* context,
                                                                          const v1::WatchEventRequest* request) {
  return watches_.WatchEvent(*context, *request);
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventServer::WatchEvents(grpc::CallbackServerContext* context,
                                                                            const v1::WatchEventsRequest* request) {
  return watches_.WatchEvents(*context, *request);
}

}  // namespace parley::event
