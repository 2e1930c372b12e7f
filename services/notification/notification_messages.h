// Notifications as callers see them, and the log's entry of one. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "parley/notification/v1/notification.pb.h"
#include "services/notification/notifications.h"

namespace parley::notification {

inline constexpr char kNotificationType[] = "parley.notification.v1.Notification";
inline constexpr char kEventNameViolation[] = "must be events/{event} with the event's id";
inline constexpr char kNameViolation[] = "must be events/{event}/notifications/{notification} with their ids";

// Addresses as spelled for the event, of a sender who is no party (staff) as he is known. `events` are those of the
// notifications.
absl::StatusOr<std::vector<v1::Notification>> Show(data::Transaction& tx, absl::Span<const data::Event> events,
                                                   const std::vector<Notification>& notifications);

// L1: appends the NOTIFY entry of each of these new notifications to the log of their event, whose row is locked.
absl::Status AppendEntries(data::Transaction& tx, data::Event event, const data::Effector& effector,
                           const std::vector<Notification>& notifications);

// Null where nobody of this address is a party.
const data::Party* FindParty(const data::Event& event, const Address& address);

// Nothing where there is no such event.
absl::StatusOr<std::optional<data::Event>> FindEvent(data::Transaction& tx, const Uuid& id);

}  // namespace parley::notification
