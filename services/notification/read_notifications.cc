// GetNotification and ListNotifications.
#include "common/access/access.h"
#include "common/rpc/page_token.h"
#include "common/rpc/resource_name.h"
#include "services/notification/notification_messages.h"
#include "services/notification/notification_server.h"

namespace parley::notification {
namespace {

constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 100;

struct Page {
  std::vector<v1::Notification> notifications;
  std::vector<Uuid> ids;
  bool more;
};

absl::StatusOr<Page> ReadPage(data::Transaction& tx, const rpc::Call& call, const Uuid& event_id,
                              const std::optional<Uuid>& before, int page_size) {
  PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, event_id));
  PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, event_id, event ? &*event : nullptr));
  // One more than is shown tells whether there is a next page.
  PARLEY_ASSIGN_OR_RETURN(auto found, Notifications(tx).List(event_id, before, page_size + 1));
  Page page;
  page.more = found.size() > static_cast<size_t>(page_size);
  if (page.more) found.pop_back();
  for (const Notification& notification : found) page.ids.push_back(notification.id);
  PARLEY_ASSIGN_OR_RETURN(page.notifications, Show(tx, *event, found));
  return page;
}

}  // namespace

absl::Status GetNotification(const Context& context, const rpc::Call& call, const v1::GetNotificationRequest& request,
                             v1::Notification& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto ids = rpc::ParseName(request.name(), "events", "notifications");
  if (!ids) fields.Add("name", kNameViolation);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  auto get = [&, &event_id = ids->first, &id = ids->second](data::Transaction& tx) -> absl::StatusOr<v1::Notification> {
    PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, event_id));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, event_id, event ? &*event : nullptr));
    PARLEY_ASSIGN_OR_RETURN(auto found, Notifications(tx).Find(event_id, id));
    if (!found) return NotFound(kNotificationType, request.name());
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, *event, {*std::move(found)}));
    return std::move(shown.front());
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(context.pool, call.deadline, get));
  return absl::OkStatus();
}

absl::Status ListNotifications(const Context& context, const rpc::Call& call,
                               const v1::ListNotificationsRequest& request, v1::ListNotificationsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto event_id = rpc::ParseName(request.parent(), "events");
  if (!event_id) fields.Add("parent", kEventNameViolation);
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = "ListNotifications " + request.parent();
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  PARLEY_ASSIGN_OR_RETURN(Page page, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return ReadPage(tx, call, *event_id, before, page_size);
                          }));
  size_t bytes = 0;
  for (size_t i = 0; i < page.notifications.size(); ++i) {
    bytes += page.notifications[i].ByteSizeLong();
    if (i > 0 && bytes > rpc::kMaxPageBytes) {
      page.more = true;
      break;
    }
    *response.add_notifications() = std::move(page.notifications[i]);
  }
  if (page.more) {
    const Uuid& last = page.ids[static_cast<size_t>(response.notifications_size()) - 1];
    response.set_next_page_token(rpc::MakePageToken(context.signer, list, last.ToBytes()));
  }
  return absl::OkStatus();
}

}  // namespace parley::notification
