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

constexpr std::string_view kAllEvents = "events/-";

// Staff, who find those of deleted events among all, read them as well.
absl::Status CheckAccess(const rpc::Call& call, const Uuid& event_id, const std::optional<data::Event>& event) {
  const data::Event* found = event ? &*event : nullptr;
  return IsStaff(call) ? CheckLogAccess(call, event_id, found) : CheckEventAccess(call, event_id, found);
}

struct Page {
  std::vector<v1::Notification> notifications;
  std::vector<Uuid> ids;
  std::optional<Uuid> next;  // where what follows begins
};

absl::StatusOr<Page> ReadPage(data::Transaction& tx, const rpc::Call& call, const NotificationQuery& query,
                              const std::optional<Uuid>& before, int page_size) {
  if (query.event_id) {
    PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, *query.event_id));
    PARLEY_RETURN_IF_ERROR(CheckAccess(call, *query.event_id, event));
  }
  PARLEY_ASSIGN_OR_RETURN(const NotificationPage found, Notifications(tx).List(query, before, page_size));
  Page page;
  page.next = found.next;
  std::vector<Uuid> event_ids;
  for (const Notification& notification : found.notifications) {
    page.ids.push_back(notification.id);
    event_ids.push_back(notification.event_id);
  }
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(event_ids));
  PARLEY_ASSIGN_OR_RETURN(page.notifications, Show(tx, events, found.notifications));
  return page;
}

std::optional<NotificationQuery> ParseParent(const std::string& parent) {
  if (parent == kAllEvents) return NotificationQuery{};
  const auto event_id = rpc::ParseName(parent, "events");
  if (!event_id) return std::nullopt;
  return NotificationQuery{event_id, std::nullopt, std::nullopt};
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
    PARLEY_RETURN_IF_ERROR(CheckAccess(call, event_id, event));
    PARLEY_ASSIGN_OR_RETURN(auto found, Notifications(tx).Find(event_id, id));
    if (!found) return NotFound(kNotificationType, request.name());
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, {*event}, {*std::move(found)}));
    return std::move(shown.front());
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(context.pool, call.deadline, get));
  return absl::OkStatus();
}

absl::Status ListNotifications(const Context& context, const rpc::Call& call,
                               const v1::ListNotificationsRequest& request, v1::ListNotificationsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  auto query = ParseParent(request.parent());
  if (!query) fields.Add("parent", "must be events/{event} with the event's id, or events/-");
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  if (!v1::Notification::State_IsValid(request.state())) fields.Add("state", "must be a state of notifications");
  std::optional<std::pair<absl::Time, absl::Time>> created;
  if (request.has_created()) created = ParseTimeSpan(request.created(), "created", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  if (request.state() != v1::Notification::STATE_UNSPECIFIED) query->state = request.state();
  query->created = created;
  // Bound to all arguments but the page.
  v1::ListNotificationsRequest bound = request;
  bound.clear_page_size();
  bound.clear_page_token();
  const std::string list = "ListNotifications " + bound.SerializeAsString();
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  if (!query->event_id && !IsStaff(call)) {
    return OfResource(Forbidden("only staff list the notifications of all events"), kEventType, request.parent());
  }
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  PARLEY_ASSIGN_OR_RETURN(Page page, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return ReadPage(tx, call, *query, before, page_size);
                          }));
  size_t bytes = 0;
  for (size_t i = 0; i < page.notifications.size(); ++i) {
    bytes += page.notifications[i].ByteSizeLong();
    if (i > 0 && bytes > rpc::kMaxPageBytes) {
      page.next = page.ids[i - 1];
      break;
    }
    *response.add_notifications() = std::move(page.notifications[i]);
  }
  if (page.next) response.set_next_page_token(rpc::MakePageToken(context.signer, list, page.next->ToBytes()));
  return absl::OkStatus();
}

}  // namespace parley::notification
