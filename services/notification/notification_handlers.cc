#include "services/notification/notification_handlers.h"

#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/data/users.h"
#include "common/rpc/page_token.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "services/notification/notifications.h"

namespace parley::notification {
namespace {

constexpr size_t kMaxRecipients = 100;
constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 100;
constexpr char kEventNameViolation[] = "must be events/{event} with the event's id";
constexpr char kNotificationType[] = "parley.notification.v1.Notification";

// An address, and where in the request it stands.
struct Named {
  std::string path;
  Address address;
};

struct NotifyCommand {
  Uuid event_id;
  std::vector<Named> recipients;  // each once
  std::optional<std::vector<Slot>> slots;
  std::string etag;  // where there are no slots
  std::optional<Address> sender;
};

std::vector<Named> ParseRecipients(const v1::NotifyPartiesRequest& request, FieldViolations& fields) {
  std::vector<Named> recipients;
  std::set<std::string> seen;
  for (int i = 0; i < request.recipients_size(); ++i) {
    const std::string path = absl::StrCat("recipients[", i, "]");
    const auto address = ParseAddress(request.recipients(i));
    if (!address.ok()) {
      fields.Add(path, std::string(address.status().message()));
    } else if (seen.insert(address->Key()).second) {
      recipients.push_back({path, *address});
    }
  }
  if (request.recipients().empty()) fields.Add("recipients", "must name at least one party");
  if (recipients.size() > kMaxRecipients) {
    fields.Add("recipients", absl::StrCat("must name at most ", kMaxRecipients, " parties"));
  }
  return recipients;
}

absl::StatusOr<NotifyCommand> ParseNotify(const v1::NotifyPartiesRequest& request, int max_slots) {
  FieldViolations fields;
  NotifyCommand command;
  const auto event_id = rpc::ParseName(request.event(), "events");
  if (!event_id) fields.Add("event", kEventNameViolation);
  command.recipients = ParseRecipients(request, fields);
  switch (request.based_on_case()) {
    case v1::NotifyPartiesRequest::kSlots:
      command.slots = ParseSlots(request.slots().slots(), "slots.slots", max_slots, fields);
      break;
    case v1::NotifyPartiesRequest::kEtag:
      command.etag = request.etag();
      if (command.etag.empty()) fields.Add("etag", "must not be empty: the etag of the event as you saw it");
      break;
    case v1::NotifyPartiesRequest::BASED_ON_NOT_SET:
      fields.Add("based_on", "is required: the slots or the etag of the event as you saw it");
      break;
  }
  if (!request.sender().empty()) {
    const auto sender = ParseAddress(request.sender());
    if (!sender.ok()) fields.Add("sender", std::string(sender.status().message()));
    if (sender.ok()) command.sender = *sender;
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  command.event_id = *event_id;
  return command;
}

const data::Party* FindParty(const data::Event& event, const Address& address) {
  const auto found = std::ranges::find(event.parties, address, &data::Party::address);
  return found == event.parties.end() ? nullptr : &*found;
}

// N3: the caller; staff may name a party instead.
absl::Status CheckSender(const rpc::Principal& principal, const data::Event& event,
                         const std::optional<Address>& sender) {
  if (!sender || (principal.staff && !principal.guest())) return absl::OkStatus();
  const data::Party* named = FindParty(event, *sender);
  if (named != nullptr && named->user_id == principal.user_id) return absl::OkStatus();
  return Forbidden("only staff may name another sender than themselves");
}

// N1: nobody is told of anything but what the caller believes current.
absl::Status CheckBasedOn(const NotifyCommand& command, const data::Event& event) {
  if (!command.slots && command.etag != event.etag()) return EtagMismatch(event.etag());
  if (command.slots && *command.slots != event.slots) {
    return Precondition(error::v1::SLOTS_MISMATCH, event.name(), "the slots are not exactly the present ones");
  }
  return absl::OkStatus();
}

// N2: who is told, in the order of the request; and in whose name, first of all.
absl::StatusOr<std::vector<Uuid>> SenderAndRecipients(const rpc::Principal& principal, const data::Event& event,
                                                      const NotifyCommand& command) {
  FieldViolations fields;
  std::vector<Uuid> users{principal.user_id};
  if (command.sender) {
    const data::Party* sender = FindParty(event, *command.sender);
    if (sender == nullptr) fields.Add("sender", "must be a party of the event");
    if (sender != nullptr) users.front() = sender->user_id;
  }
  for (const Named& recipient : command.recipients) {
    const data::Party* party = FindParty(event, recipient.address);
    if (party == nullptr) {
      fields.Add(recipient.path, "must be a party of the event");
    } else {
      users.push_back(party->user_id);
    }
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return users;
}

// L1: one NOTIFY entry for each recipient.
data::LogEntry EntryOf(const data::Effector& effector, const data::Event& event, const Notification& notification) {
  data::LogEntry entry = data::EntryOf(event, event::v1::LogEntry::NOTIFY, effector, notification.create_time);
  entry.data.set_recipient_id(notification.recipient_id.ToBytes());
  entry.data.set_sender_id(notification.sender_id.ToBytes());
  entry.data.set_notification_id(notification.id.ToBytes());
  return entry;
}

absl::StatusOr<std::optional<data::Event>> FindEvent(data::Transaction& tx, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(auto found, data::Events(tx).Find({id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

// The notifications as they are shown: addresses as spelled for this event, of a sender who is no party (staff) as he
// is known.
absl::StatusOr<std::vector<v1::Notification>> Show(data::Transaction& tx, const data::Event& event,
                                                   const std::vector<Notification>& notifications) {
  absl::flat_hash_map<Uuid, std::string> addresses;
  for (const data::Party& party : event.parties) addresses[party.user_id] = party.address.ToString();
  std::vector<Uuid> others;
  for (const Notification& notification : notifications) {
    if (!addresses.contains(notification.sender_id)) others.push_back(notification.sender_id);
  }
  if (!others.empty()) {
    PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(others));
    for (const data::User& user : users) addresses[user.id] = user.address.ToString();
  }
  std::vector<v1::Notification> shown;
  for (const Notification& notification : notifications) {
    v1::Notification& proto = shown.emplace_back();
    proto.set_name(notification.name());
    proto.set_recipient(addresses[notification.recipient_id]);
    proto.set_sender(addresses[notification.sender_id]);
    proto.set_state(notification.state);
    ToProto(notification.create_time, proto.mutable_create_time());
    for (const Attempt& attempt : notification.attempts) {
      auto* shown_attempt = proto.add_attempts();
      ToProto(attempt.start_time, shown_attempt->mutable_start_time());
      if (attempt.end_time) ToProto(*attempt.end_time, shown_attempt->mutable_end_time());
      shown_attempt->set_outcome(attempt.outcome);
      shown_attempt->set_detail(attempt.detail);
    }
  }
  return shown;
}

}  // namespace

absl::Status NotificationHandlers::NotifyParties(const rpc::Call& call, const v1::NotifyPartiesRequest& request,
                                                 v1::NotifyPartiesResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const NotifyCommand command, ParseNotify(request, max_slots_));
  auto notify = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<v1::Notification>> {
    PARLEY_ASSIGN_OR_RETURN(const auto locked, data::Events(tx).Lock({command.event_id}));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, command.event_id, locked.empty() ? nullptr : &locked.front()));
    data::Event event = locked.front();
    PARLEY_RETURN_IF_ERROR(CheckSender(call.principal, event, command.sender));
    PARLEY_RETURN_IF_ERROR(CheckBasedOn(command, event));
    PARLEY_ASSIGN_OR_RETURN(const auto users, SenderAndRecipients(call.principal, event, command));

    std::vector<Notification> notifications;
    std::vector<data::LogEntry> entries;
    for (size_t i = 1; i < users.size(); ++i) {
      Notification& notification = notifications.emplace_back();
      notification.id = Uuid::TimeOrdered();
      notification.event_id = event.id;
      notification.recipient_id = users[i];
      notification.sender_id = users.front();
      notification.create_time = tx.now();
      ++event.last_sequence;
      entries.push_back(EntryOf(EffectorOf(call.principal), event, notification));
    }
    PARLEY_RETURN_IF_ERROR(Notifications(tx).Insert(notifications));
    PARLEY_RETURN_IF_ERROR(data::LogEntries(tx).Append(entries));
    return Show(tx, event, notifications);
  };
  PARLEY_ASSIGN_OR_RETURN(const auto made, data::Transact(pool_, call.deadline, notify));
  notified_();
  for (const v1::Notification& notification : made) *response.add_notifications() = notification;
  return absl::OkStatus();
}

absl::Status NotificationHandlers::GetNotification(const rpc::Call& call, const v1::GetNotificationRequest& request,
                                                   v1::Notification& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto ids = rpc::ParseName(request.name(), "events", "notifications");
  if (!ids) fields.Add("name", "must be events/{event}/notifications/{notification} with their ids");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  auto get = [&, &event_id = ids->first, &id = ids->second](data::Transaction& tx) -> absl::StatusOr<v1::Notification> {
    PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, event_id));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, event_id, event ? &*event : nullptr));
    PARLEY_ASSIGN_OR_RETURN(auto found, Notifications(tx).Find(event_id, id));
    if (!found) return NotFound(kNotificationType, request.name());
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, *event, {*std::move(found)}));
    return std::move(shown.front());
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(pool_, call.deadline, get));
  return absl::OkStatus();
}

absl::Status NotificationHandlers::ListNotifications(const rpc::Call& call, const v1::ListNotificationsRequest& request,
                                                     v1::ListNotificationsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto event_id = rpc::ParseName(request.parent(), "events");
  if (!event_id) fields.Add("parent", kEventNameViolation);
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = "ListNotifications " + request.parent();
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(signer_, list, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<v1::ListNotificationsResponse> {
    PARLEY_ASSIGN_OR_RETURN(const auto event, FindEvent(tx, *event_id));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, *event_id, event ? &*event : nullptr));
    // One more than is shown tells whether there is a next page.
    PARLEY_ASSIGN_OR_RETURN(auto found, Notifications(tx).List(*event_id, before, page_size + 1));
    const bool more = found.size() > static_cast<size_t>(page_size);
    if (more) found.pop_back();
    PARLEY_ASSIGN_OR_RETURN(const auto shown, Show(tx, *event, found));
    v1::ListNotificationsResponse page;
    for (const v1::Notification& notification : shown) *page.add_notifications() = notification;
    if (more) page.set_next_page_token(rpc::MakePageToken(signer_, list, found.back().id.ToBytes()));
    return page;
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(pool_, call.deadline, read));
  return absl::OkStatus();
}

}  // namespace parley::notification
