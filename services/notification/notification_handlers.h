// NotificationService's handlers: plain code on worker threads. Contracts and errors:
// proto/parley/notification/v1/notification_service.proto. Thread-safe.
#pragma once

#include <functional>

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "parley/notification/v1/notification_service.pb.h"

namespace parley::notification {

class NotificationHandlers {
 public:
  // `notified` is called after each commit that made notifications. `signer`, of page tokens, and `pool` must outlive
  // it.
  NotificationHandlers(data::Pool& pool, const rpc::Signer& signer, int max_slots, std::function<void()> notified)
      : pool_(pool), signer_(signer), max_slots_(max_slots), notified_(std::move(notified)) {}

  absl::Status NotifyParties(const rpc::Call& call, const v1::NotifyPartiesRequest& request,
                             v1::NotifyPartiesResponse& response);
  absl::Status GetNotification(const rpc::Call& call, const v1::GetNotificationRequest& request,
                               v1::Notification& response);
  absl::Status ListNotifications(const rpc::Call& call, const v1::ListNotificationsRequest& request,
                                 v1::ListNotificationsResponse& response);

 private:
  data::Pool& pool_;
  const rpc::Signer& signer_;
  const int max_slots_;
  const std::function<void()> notified_;
};

}  // namespace parley::notification
