// What follows for notifications from the end of an event, which the log tells: those of a deleted one that are unsent
// are cancelled (domain rule E10), and the entries that a deleted, reopened or abandoned one has in calendars are taken
// back (N7), by a notification, with its entry in the log, for each party that has one.
#pragma once

#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "services/notification/notifications.h"

namespace parley::notification {

struct EndedEventsWork {
  int due = 0;                      // how many events were looked at
  int64_t cancelled = 0;            // notifications
  std::vector<Notification> made;   // those that take back an entry, due at once
  std::vector<std::string> broken;  // what is wrong with those of which there is no event or no entry in the log
};

// Looks at some events, in one transaction. One of which a mail is under way is looked at again later: only then it is
// known what is unsent, and who has an entry. One that is broken is looked at again after an hour.
absl::StatusOr<EndedEventsWork> WorkOffEndedEvents(data::Transaction& tx);

}  // namespace parley::notification
