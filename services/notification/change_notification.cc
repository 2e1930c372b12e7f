// CancelNotification and RetryNotification. They write no entry: the log says who was to be told.
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "services/notification/notification_messages.h"
#include "services/notification/notification_server.h"

namespace parley::notification {
namespace {

// What both requests say.
struct Target {
  std::string name;
  Uuid event_id;
  Uuid id;
  std::optional<rpc::RequestId> request_id;
};

template <class Request>
absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const Request& request) {
  FieldViolations fields;
  const auto ids = rpc::ParseName(request.name(), "events", "notifications");
  if (!ids) fields.Add("name", kNameViolation);
  auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return Target{request.name(), ids->first, ids->second, std::move(request_id)};
}

absl::Status WrongState(const Notification& notification, std::string_view message) {
  return Precondition(error::v1::NOTIFICATION_STATE, notification.name(), message,
                      {{"state", v1::Notification::State_Name(notification.state)}});
}

// Whether the caller, who may see the event, may change this notification of it.
using Permit = std::function<absl::Status(const Notification&)>;
// Changes the locked notification.
using Change = std::function<absl::Status(data::Transaction&, const Notification&)>;

// The notification as it stands after the call, also where that was made before.
absl::StatusOr<v1::Notification> ChangeNotification(const Context& context, const rpc::Call& call, const Target& target,
                                                    const Permit& permit, const Change& change) {
  auto run = [&](data::Transaction& tx) -> absl::StatusOr<v1::Notification> {
    PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, target.event_id));
    PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, target.event_id, event ? &*event : nullptr));
    Notifications notifications(tx);
    PARLEY_ASSIGN_OR_RETURN(auto found, notifications.Lock(target.event_id, target.id));
    if (found) PARLEY_RETURN_IF_ERROR(permit(*found));
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, target.request_id));
    if (!answered) {
      // Its end is told also after that.
      const bool tells_end = found && found->cause == v1::Notification::CANCEL_CALENDAR_ENTRY;
      if (!IsStaff(call) || !tells_end) PARLEY_RETURN_IF_ERROR(CheckNotDeleted(*event));
      if (!found) return NotFound(kNotificationType, target.name);
      PARLEY_RETURN_IF_ERROR(change(tx, *found));
      PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, context.signer, target.request_id, {{found->id}, 0}));
      PARLEY_ASSIGN_OR_RETURN(found, notifications.Find(target.event_id, target.id));
    }
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, {*event}, {*std::move(found)}));
    return std::move(shown.front());
  };
  return data::Transact(context.pool, call.deadline, run);
}

}  // namespace

absl::Status CancelNotification(const Context& context, const rpc::Call& call,
                                const v1::CancelNotificationRequest& request, v1::Notification& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  auto permit = [&](const Notification& notification) {
    if (IsStaff(call) || notification.sender_id == call.principal.user_id) return absl::OkStatus();
    return OfResource(Forbidden("only the one in whose name it is, and staff, cancel a notification"),
                      kNotificationType, target.name);
  };
  auto cancel = [](data::Transaction& tx, const Notification& notification) {
    if (notification.state != v1::Notification::PENDING) {
      return WrongState(notification, absl::StrCat("the notification is not PENDING but ",
                                                   v1::Notification::State_Name(notification.state)));
    }
    if (AttemptUnderWay(notification, tx.now())) return WrongState(notification, "it is being sent at this moment");
    return Notifications(tx).Cancel(notification.id);
  };
  PARLEY_ASSIGN_OR_RETURN(response, ChangeNotification(context, call, target, permit, cancel));
  return absl::OkStatus();
}

absl::Status RetryNotification(const Context& context, const rpc::Call& call,
                               const v1::RetryNotificationRequest& request, v1::Notification& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  // Whether or not it exists.
  if (!IsStaff(call))
    return OfResource(Forbidden("only staff try notifications again"), kNotificationType, target.name);
  auto permit = [](const Notification&) { return absl::OkStatus(); };
  auto retry = [](data::Transaction& tx, const Notification& notification) {
    if (notification.state != v1::Notification::FAILED && notification.state != v1::Notification::SUPPRESSED) {
      return WrongState(notification, absl::StrCat("the notification is not FAILED or SUPPRESSED but ",
                                                   v1::Notification::State_Name(notification.state)));
    }
    return Notifications(tx).Retry(notification.id);
  };
  PARLEY_ASSIGN_OR_RETURN(response, ChangeNotification(context, call, target, permit, retry));
  context.wake();
  return absl::OkStatus();
}

}  // namespace parley::notification
