// NotifyParties: rules N1 to N4, N8.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/data/users.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "services/notification/notification_messages.h"
#include "services/notification/notification_server.h"

namespace parley::notification {
namespace {

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
  std::optional<rpc::RequestId> request_id;
};

// Who is told, in the order of the request, and in whose name.
struct Users {
  Uuid sender_id;
  std::vector<Uuid> recipient_ids;
};

std::vector<Named> ParseRecipients(const v1::NotifyPartiesRequest& request, int max_parties, FieldViolations& fields) {
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
  if (recipients.size() > static_cast<size_t>(max_parties)) {
    fields.Add("recipients", absl::StrCat("must name at most ", max_parties, " parties"));
  }
  return recipients;
}

absl::StatusOr<NotifyCommand> ParseNotify(const rpc::Call& call, const v1::NotifyPartiesRequest& request,
                                          const Limits& limits) {
  FieldViolations fields;
  NotifyCommand command;
  const auto event_id = rpc::ParseName(request.event(), "events");
  if (!event_id) fields.Add("event", kEventNameViolation);
  command.recipients = ParseRecipients(request, limits.max_parties, fields);
  switch (request.based_on_case()) {
    case v1::NotifyPartiesRequest::kSlots:
      command.slots = ParseSlots(request.slots().slots(), "slots.slots", limits.max_slots, fields);
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
  command.request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  command.event_id = *event_id;
  return command;
}

// N3: the caller; staff may name a party instead.
absl::Status CheckSender(const rpc::Call& call, const data::Event& event, const std::optional<Address>& sender) {
  if (!sender || IsStaff(call)) return absl::OkStatus();
  const data::Party* named = FindParty(event, *sender);
  if (named != nullptr && named->user_id == call.principal.user_id) return absl::OkStatus();
  return OfResource(Forbidden("only staff may name another sender than themselves"), kEventType, event.name());
}

// N1: nobody is told of anything but what the caller believes current.
absl::Status CheckBasedOn(const NotifyCommand& command, const data::Event& event) {
  if (!command.slots && command.etag != event.etag()) return EtagMismatch(event.etag());
  if (command.slots && *command.slots != event.slots) {
    return Precondition(error::v1::SLOTS_MISMATCH, event.name(), "the slots are not exactly the present ones");
  }
  return absl::OkStatus();
}

// N2.
absl::StatusOr<Users> UsersOf(const rpc::Call& call, const data::Event& event, const NotifyCommand& command) {
  FieldViolations fields;
  Users users{call.principal.user_id, {}};
  if (command.sender) {
    const data::Party* sender = FindParty(event, *command.sender);
    if (sender == nullptr) fields.Add("sender", "must be a party of the event");
    if (sender != nullptr) users.sender_id = sender->user_id;
  }
  for (const Named& recipient : command.recipients) {
    const data::Party* party = FindParty(event, recipient.address);
    if (party == nullptr) {
      fields.Add(recipient.path, "must be a party of the event");
    } else {
      users.recipient_ids.push_back(party->user_id);
    }
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return users;
}

// N8. From here on nobody else notifies in this sender's name until the transaction ends.
absl::Status CheckLimits(data::Transaction& tx, const Limits& limits, const Uuid& event_id, const Users& users) {
  Notifications notifications(tx);
  PARLEY_ASSIGN_OR_RETURN(
      const auto recipients_limited,
      notifications.RecipientsLimitedUntil(event_id, users.recipient_ids, limits.max_daily_notifications));
  if (recipients_limited) {
    return RateLimited("a recipient would be notified of this event too often within 24 hours",
                       *recipients_limited - tx.now());
  }
  PARLEY_ASSIGN_OR_RETURN(
      const auto sender_limited,
      notifications.SenderLimitedUntil(users.sender_id, users.recipient_ids, limits.max_daily_recipients));
  if (sender_limited) {
    return RateLimited("the sender would notify too many recipients within 24 hours", *sender_limited - tx.now());
  }
  return absl::OkStatus();
}

// N4: one for each recipient. U4: those to the deactivated are never sent.
absl::StatusOr<std::vector<Notification>> Make(data::Transaction& tx, const Uuid& event_id, const Users& users) {
  PARLEY_ASSIGN_OR_RETURN(const auto recipients, data::Users(tx).FindByIds(users.recipient_ids));
  std::set<Uuid> deactivated;
  for (const data::User& recipient : recipients) {
    if (recipient.state == token::v1::User::DEACTIVATED) deactivated.insert(recipient.id);
  }
  std::vector<Notification> notifications;
  for (const Uuid& recipient_id : users.recipient_ids) {
    Notification& notification = notifications.emplace_back();
    notification.id = Uuid::TimeOrdered();
    notification.event_id = event_id;
    notification.recipient_id = recipient_id;
    notification.sender_id = users.sender_id;
    if (deactivated.contains(recipient_id)) notification.state = v1::Notification::SUPPRESSED;
    notification.create_time = tx.now();
  }
  PARLEY_RETURN_IF_ERROR(Notifications(tx).Insert(notifications));
  return notifications;
}

}  // namespace

absl::Status NotifyParties(const Context& context, const rpc::Call& call, const v1::NotifyPartiesRequest& request,
                           v1::NotifyPartiesResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const NotifyCommand command, ParseNotify(call, request, context.limits));
  struct Told {
    std::vector<v1::Notification> shown;
    bool again;
  };
  auto notify = [&](data::Transaction& tx) -> absl::StatusOr<Told> {
    PARLEY_ASSIGN_OR_RETURN(const auto locked, data::Events(tx).Lock({command.event_id}));
    PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, command.event_id, locked.empty() ? nullptr : &locked.front()));
    const data::Event& event = locked.front();
    PARLEY_RETURN_IF_ERROR(CheckSender(call, event, command.sender));
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, command.request_id));
    if (answered) {
      PARLEY_ASSIGN_OR_RETURN(const auto notifications, Notifications(tx).FindAll(answered->ids));
      PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, {event}, notifications));
      return Told{std::move(shown), true};
    }
    PARLEY_RETURN_IF_ERROR(CheckNotDeleted(event));
    PARLEY_RETURN_IF_ERROR(CheckBasedOn(command, event));
    PARLEY_ASSIGN_OR_RETURN(const Users users, UsersOf(call, event, command));
    PARLEY_RETURN_IF_ERROR(CheckLimits(tx, context.limits, event.id, users));

    PARLEY_ASSIGN_OR_RETURN(const auto notifications, Make(tx, event.id, users));
    PARLEY_RETURN_IF_ERROR(AppendEntries(tx, event, EffectorOf(call.principal), notifications));
    data::RequestResult result;
    for (const Notification& notification : notifications) result.ids.push_back(notification.id);
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, context.signer, command.request_id, std::move(result)));
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, {event}, notifications));
    return Told{std::move(shown), false};
  };
  PARLEY_ASSIGN_OR_RETURN(const Told told, data::Transact(context.pool, call.deadline, notify));
  if (!told.again) context.wake();
  for (const v1::Notification& notification : told.shown) *response.add_notifications() = notification;
  return absl::OkStatus();
}

}  // namespace parley::notification
