// Takes back the calendar entries of events that were deleted, reopened or abandoned (domain rule N7): finds such
// events from the log, and makes a notification, with its entry, for each party that has one.
#pragma once

#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "services/notification/notifications.h"

namespace parley::notification {

struct CancelledEntries {
  int due = 0;                      // how many events were looked at
  std::vector<Notification> made;   // due at once
  std::vector<std::string> broken;  // what is wrong with those of which there is no event or no entry in the log
};

// Looks at some events, in one transaction. One of which a mail with a REQUEST is under way is looked at again later:
// only then it is known who has an entry. One that is broken is looked at again after an hour.
absl::StatusOr<CancelledEntries> CancelCalendarEntries(data::Transaction& tx);

}  // namespace parley::notification
