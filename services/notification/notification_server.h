// NotificationService, from gRPC to the handlers. Calls for one event run on one thread.
#pragma once

#include "common/rpc/call.h"
#include "parley/notification/v1/notification_service.grpc.pb.h"
#include "services/notification/notification_handlers.h"

namespace parley::notification {

class NotificationServer final : public v1::NotificationService::CallbackService {
 public:
  // Both must outlive the server.
  NotificationServer(NotificationHandlers& handlers, rpc::CallQueue& queue);

  grpc::ServerUnaryReactor* NotifyParties(grpc::CallbackServerContext* context, const v1::NotifyPartiesRequest* request,
                                          v1::NotifyPartiesResponse* response) override;
  grpc::ServerUnaryReactor* GetNotification(grpc::CallbackServerContext* context,
                                            const v1::GetNotificationRequest* request,
                                            v1::Notification* response) override;
  grpc::ServerUnaryReactor* ListNotifications(grpc::CallbackServerContext* context,
                                              const v1::ListNotificationsRequest* request,
                                              v1::ListNotificationsResponse* response) override;

 private:
  rpc::Method<v1::NotifyPartiesRequest, v1::NotifyPartiesResponse> notify_parties_;
  rpc::Method<v1::GetNotificationRequest, v1::Notification> get_notification_;
  rpc::Method<v1::ListNotificationsRequest, v1::ListNotificationsResponse> list_notifications_;
};

}  // namespace parley::notification
