#include "services/notification/notification_server.h"

namespace parley::notification {
namespace {

std::string MethodName(std::string_view method) {
  return std::string("/parley.notification.v1.NotificationService/").append(method);
}

// `events/{event}` of `events/{event}/notifications/{notification}`.
std::string_view EventOf(std::string_view name) { return name.substr(0, name.find("/notifications/")); }

}  // namespace

NotificationServer::NotificationServer(NotificationHandlers& handlers, rpc::CallQueue& queue)
    : notify_parties_(
          queue, MethodName("NotifyParties"),
          [&handlers](const auto& call, const auto& request, auto& response) {
            return handlers.NotifyParties(call, request, response);
          },
          [](const auto& request) { return std::string_view(request.event()); }),
      get_notification_(
          queue, MethodName("GetNotification"),
          [&handlers](const auto& call, const auto& request, auto& response) {
            return handlers.GetNotification(call, request, response);
          },
          [](const auto& request) { return EventOf(request.name()); }),
      list_notifications_(
          queue, MethodName("ListNotifications"),
          [&handlers](const auto& call, const auto& request, auto& response) {
            return handlers.ListNotifications(call, request, response);
          },
          [](const auto& request) { return std::string_view(request.parent()); }) {}

grpc::ServerUnaryReactor* NotificationServer::NotifyParties(grpc::CallbackServerContext* context,
                                                            const v1::NotifyPartiesRequest* request,
                                                            v1::NotifyPartiesResponse* response) {
  return notify_parties_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::GetNotification(grpc::CallbackServerContext* context,
                                                              const v1::GetNotificationRequest* request,
                                                              v1::Notification* response) {
  return get_notification_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::ListNotifications(grpc::CallbackServerContext* context,
                                                                const v1::ListNotificationsRequest* request,
                                                                v1::ListNotificationsResponse* response) {
  return list_notifications_.Start(context, request, response);
}

}  // namespace parley::notification
