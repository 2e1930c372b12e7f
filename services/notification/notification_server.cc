#include "services/notification/notification_server.h"

namespace parley::notification {
namespace {

std::string MethodName(std::string_view method) {
  return "/" + std::string(v1::NotificationService::service_full_name()) + "/" + std::string(method);
}

// A handler of one operation, bound to the context.
template <class Request, class Response>
auto Bind(const Context& context,
          absl::Status (*handler)(const Context&, const rpc::Call&, const Request&, Response&)) {
  return [&context, handler](const rpc::Call& call, const Request& request, Response& response) {
    return handler(context, call, request, response);
  };
}

}  // namespace

NotificationServer::NotificationServer(const Context& context, rpc::CallQueue& queue)
    : notify_parties_(queue, MethodName("NotifyParties"), Bind(context, notification::NotifyParties)),
      get_notification_(queue, MethodName("GetNotification"), Bind(context, notification::GetNotification)),
      list_notifications_(queue, MethodName("ListNotifications"), Bind(context, notification::ListNotifications)),
      cancel_notification_(queue, MethodName("CancelNotification"), Bind(context, notification::CancelNotification)),
      retry_notification_(queue, MethodName("RetryNotification"), Bind(context, notification::RetryNotification)),
      request_email_token_(queue, MethodName("RequestEmailToken"), Bind(context, notification::RequestEmailToken)),
      unsubscribe_(queue, MethodName("Unsubscribe"), Bind(context, notification::Unsubscribe)),
      get_suppression_(queue, MethodName("GetSuppression"), Bind(context, notification::GetSuppression)),
      list_suppressions_(queue, MethodName("ListSuppressions"), Bind(context, notification::ListSuppressions)),
      delete_suppression_(queue, MethodName("DeleteSuppression"), Bind(context, notification::DeleteSuppression)) {}

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

grpc::ServerUnaryReactor* NotificationServer::CancelNotification(grpc::CallbackServerContext* context,
                                                                 const v1::CancelNotificationRequest* request,
                                                                 v1::Notification* response) {
  return cancel_notification_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::RetryNotification(grpc::CallbackServerContext* context,
                                                                const v1::RetryNotificationRequest* request,
                                                                v1::Notification* response) {
  return retry_notification_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::RequestEmailToken(grpc::CallbackServerContext* context,
                                                                const v1::RequestEmailTokenRequest* request,
                                                                google::protobuf::Empty* response) {
  return request_email_token_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::Unsubscribe(grpc::CallbackServerContext* context,
                                                          const v1::UnsubscribeRequest* request,
                                                          google::protobuf::Empty* response) {
  return unsubscribe_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::GetSuppression(grpc::CallbackServerContext* context,
                                                             const v1::GetSuppressionRequest* request,
                                                             v1::Suppression* response) {
  return get_suppression_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::ListSuppressions(grpc::CallbackServerContext* context,
                                                               const v1::ListSuppressionsRequest* request,
                                                               v1::ListSuppressionsResponse* response) {
  return list_suppressions_.Start(context, request, response);
}

grpc::ServerUnaryReactor* NotificationServer::DeleteSuppression(grpc::CallbackServerContext* context,
                                                                const v1::DeleteSuppressionRequest* request,
                                                                google::protobuf::Empty* response) {
  return delete_suppression_.Start(context, request, response);
}

}  // namespace parley::notification
