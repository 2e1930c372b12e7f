// Takes back the calendar entries of events that were deleted, reopened or abandoned (domain rule N7): finds such
// events from the log, and makes a notification, with its entry, for each party that has one.
#pragma once

#include "common/data/transaction.h"
#include "services/notification/notifications.h"

namespace parley::notification {

// Looks at some events, in one transaction. Answers with the notifications that it made, due at once. An event of which
// a mail with a REQUEST is under way is looked at again later: only then it is known who has an entry.
absl::StatusOr<std::vector<Notification>> CancelCalendarEntries(data::Transaction& tx);

}  // namespace parley::notification
