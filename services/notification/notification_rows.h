// How a row of the table notifications is read: for the statements on it.
#pragma once

#include "common/data/statement.h"
#include "services/notification/notifications.h"

namespace parley::notification {

// What NotificationOf reads, of `notifications n`, as the first columns.
#define PARLEY_NOTIFICATION                                                                                           \
  "n.notification_id, n.event_id, n.recipient_id, n.sender_id, n.state, n.create_time, n.attempts, n.retried_after, " \
  "n.cause, n.next_attempt_time, n.pending_since, n.lease_end_time"
inline constexpr int kNotificationColumns = 12;

// For attempts without an outcome, once the lease is up: nobody will say any more how they ended.
#define PARLEY_SET_UNRECORDED \
  "update delivery_attempts a set outcome = 'UNKNOWN', detail = 'its end was never recorded' "

// Without its attempts.
Notification NotificationOf(const data::Row& row);

}  // namespace parley::notification
