// NotificationService, from gRPC to the handlers: one file each for the operations, all of them plain code on worker
// threads.
#pragma once

#include <functional>

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "parley/notification/v1/notification_service.grpc.pb.h"
#include "services/notification/suppressions.h"

namespace parley::notification {

struct Limits {
  int max_parties = 100;
  int max_slots = 30;
  int max_daily_notifications = 10;  // of an event, to a recipient (N8)
  int max_daily_recipients = 100;    // of a sender (N8)
};

// What every handler needs. Outlives all calls. Thread-safe.
struct Context {
  data::Pool& pool;
  const rpc::Signer& signer;  // of page tokens, remembered requests and addresses
  const SuppressionKey& suppression_key;
  const Limits limits;
  const std::function<void()> wake;  // the dispatcher: after each commit that made something due
};

// Contracts and errors: proto/parley/notification/v1/notification_service.proto. Thread-safe.
absl::Status NotifyParties(const Context& context, const rpc::Call& call, const v1::NotifyPartiesRequest& request,
                           v1::NotifyPartiesResponse& response);
absl::Status GetNotification(const Context& context, const rpc::Call& call, const v1::GetNotificationRequest& request,
                             v1::Notification& response);
absl::Status ListNotifications(const Context& context, const rpc::Call& call,
                               const v1::ListNotificationsRequest& request, v1::ListNotificationsResponse& response);
absl::Status CancelNotification(const Context& context, const rpc::Call& call,
                                const v1::CancelNotificationRequest& request, v1::Notification& response);
absl::Status RetryNotification(const Context& context, const rpc::Call& call,
                               const v1::RetryNotificationRequest& request, v1::Notification& response);
absl::Status RequestEmailToken(const Context& context, const rpc::Call& call,
                               const v1::RequestEmailTokenRequest& request, google::protobuf::Empty& response);
absl::Status Unsubscribe(const Context& context, const rpc::Call& call, const v1::UnsubscribeRequest& request,
                         google::protobuf::Empty& response);
absl::Status GetSuppression(const Context& context, const rpc::Call& call, const v1::GetSuppressionRequest& request,
                            v1::Suppression& response);
absl::Status ListSuppressions(const Context& context, const rpc::Call& call, const v1::ListSuppressionsRequest& request,
                              v1::ListSuppressionsResponse& response);
absl::Status DeleteSuppression(const Context& context, const rpc::Call& call,
                               const v1::DeleteSuppressionRequest& request, google::protobuf::Empty& response);

class NotificationServer final : public v1::NotificationService::CallbackService {
 public:
  // Both must outlive the server.
  NotificationServer(const Context& context, rpc::CallQueue& queue);

  grpc::ServerUnaryReactor* NotifyParties(grpc::CallbackServerContext* context, const v1::NotifyPartiesRequest* request,
                                          v1::NotifyPartiesResponse* response) override;
  grpc::ServerUnaryReactor* GetNotification(grpc::CallbackServerContext* context,
                                            const v1::GetNotificationRequest* request,
                                            v1::Notification* response) override;
  grpc::ServerUnaryReactor* ListNotifications(grpc::CallbackServerContext* context,
                                              const v1::ListNotificationsRequest* request,
                                              v1::ListNotificationsResponse* response) override;
  grpc::ServerUnaryReactor* CancelNotification(grpc::CallbackServerContext* context,
                                               const v1::CancelNotificationRequest* request,
                                               v1::Notification* response) override;
  grpc::ServerUnaryReactor* RetryNotification(grpc::CallbackServerContext* context,
                                              const v1::RetryNotificationRequest* request,
                                              v1::Notification* response) override;
  grpc::ServerUnaryReactor* RequestEmailToken(grpc::CallbackServerContext* context,
                                              const v1::RequestEmailTokenRequest* request,
                                              google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* Unsubscribe(grpc::CallbackServerContext* context, const v1::UnsubscribeRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetSuppression(grpc::CallbackServerContext* context,
                                           const v1::GetSuppressionRequest* request,
                                           v1::Suppression* response) override;
  grpc::ServerUnaryReactor* ListSuppressions(grpc::CallbackServerContext* context,
                                             const v1::ListSuppressionsRequest* request,
                                             v1::ListSuppressionsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSuppression(grpc::CallbackServerContext* context,
                                              const v1::DeleteSuppressionRequest* request,
                                              google::protobuf::Empty* response) override;

 private:
  rpc::Method<v1::NotifyPartiesRequest, v1::NotifyPartiesResponse> notify_parties_;
  rpc::Method<v1::GetNotificationRequest, v1::Notification> get_notification_;
  rpc::Method<v1::ListNotificationsRequest, v1::ListNotificationsResponse> list_notifications_;
  rpc::Method<v1::CancelNotificationRequest, v1::Notification> cancel_notification_;
  rpc::Method<v1::RetryNotificationRequest, v1::Notification> retry_notification_;
  rpc::Method<v1::RequestEmailTokenRequest, google::protobuf::Empty> request_email_token_;
  rpc::Method<v1::UnsubscribeRequest, google::protobuf::Empty> unsubscribe_;
  rpc::Method<v1::GetSuppressionRequest, v1::Suppression> get_suppression_;
  rpc::Method<v1::ListSuppressionsRequest, v1::ListSuppressionsResponse> list_suppressions_;
  rpc::Method<v1::DeleteSuppressionRequest, google::protobuf::Empty> delete_suppression_;
};

}  // namespace parley::notification
