#include "services/notification/notification_messages.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "common/data/users.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"

namespace parley::notification {

absl::StatusOr<std::vector<v1::Notification>> Show(data::Transaction& tx, absl::Span<const data::Event> events,
                                                   const std::vector<Notification>& notifications) {
  // By event and user, and by user those who are no parties.
  absl::flat_hash_map<std::pair<Uuid, Uuid>, std::string> spelled;
  absl::flat_hash_map<Uuid, std::string> known;
  for (const data::Event& event : events) {
    for (const data::Party& party : event.parties) spelled[{event.id, party.user_id}] = party.address.Shown();
  }
  std::vector<Uuid> others;
  for (const Notification& notification : notifications) {
    if (!spelled.contains({notification.event_id, notification.sender_id})) others.push_back(notification.sender_id);
  }
  if (!others.empty()) {
    PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(others));
    for (const data::User& user : users) known[user.id] = user.address.Shown();
  }
  auto address_of = [&](const Uuid& event_id, const Uuid& user_id) {
    const auto found = spelled.find({event_id, user_id});
    if (found != spelled.end()) return found->second;
    const auto other = known.find(user_id);
    return other == known.end() ? Address().Shown() : other->second;
  };
  std::vector<v1::Notification> shown;
  for (const Notification& notification : notifications) {
    v1::Notification& proto = shown.emplace_back();
    proto.set_name(notification.name());
    proto.set_recipient(address_of(notification.event_id, notification.recipient_id));
    proto.set_sender(address_of(notification.event_id, notification.sender_id));
    proto.set_state(notification.state);
    proto.set_cause(notification.cause);
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

absl::Status AppendEntries(data::Transaction& tx, data::Event event, const data::Effector& effector,
                           const std::vector<Notification>& notifications) {
  std::vector<data::LogEntry> entries;
  for (const Notification& notification : notifications) {
    ++event.last_sequence;
    data::LogEntry& entry =
        entries.emplace_back(data::EntryOf(event, event::v1::LogEntry::NOTIFY, effector, notification.create_time));
    entry.data.set_recipient_id(notification.recipient_id.ToBytes());
    entry.data.set_sender_id(notification.sender_id.ToBytes());
    entry.data.set_notification_id(notification.id.ToBytes());
  }
  return data::LogEntries(tx).Append(entries).status();
}

const data::Party* FindParty(const data::Event& event, const Address& address) {
  const auto found = std::ranges::find(event.parties, address, &data::Party::address);
  return found == event.parties.end() ? nullptr : &*found;
}

absl::StatusOr<std::optional<data::Event>> FindEvent(data::Transaction& tx, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(auto found, data::Events(tx).Find({id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace parley::notification
