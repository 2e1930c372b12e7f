// What follows for notifications from the end of an event, which the log tells: those of a deleted one that are unsent
// are cancelled (domain rule E10), and the entries that a deleted, reopened or abandoned one has in calendars are taken
// back (N7), by a notification, with its entry in the log, for each party that has one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "services/notification/notifications.h"

namespace parley::notification {

struct EndedEventWork {
  int64_t cancelled = 0;           // notifications
  std::vector<Notification> made;  // those that take back an entry, due at once
  absl::Status failed;             // why it is to be looked at again, where it could not be worked off
};

// Works off the event that is due longest, by itself, so that one that is broken keeps no other waiting; nothing where
// none is due. One of which a mail is under way is looked at again after a second: only then it is known what is
// unsent, and who has an entry. `step_timeout` is the time of each statement; what fails is tried again after three of
// them, and where there is no such event, or no such entry in the log, after an hour.
absl::StatusOr<std::optional<EndedEventWork>> WorkOffEndedEvent(data::Pool& pool, absl::Duration step_timeout);

}  // namespace parley::notification
