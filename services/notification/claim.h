// What becomes of the notifications that are due: most are to be sent, some are not any more (domain rules E10, U4, N5,
// N7).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/events.h"
#include "services/notification/deliveries.h"
#include "services/notification/suppressions.h"

namespace parley::notification {

// An attempt that was begun, and what its mail needs.
struct Delivery {
  Notification notification;
  data::Event event;
  Address sender;
  std::optional<CalendarEntry::Method> calendar;
};

struct Claimed {
  int due = 0;  // how many were looked at
  std::vector<Delivery> deliveries;
  std::vector<Notification> ended;  // in their new states, without an attempt
};

struct ClaimSettings {
  absl::Duration lease = absl::Seconds(90);    // of an attempt
  absl::Duration retry_for = absl::Hours(24);  // from then on nothing is tried again
  int max_daily_mails = 200;                   // to one recipient, within 24 hours
};

// Looks at no more than `limit` notifications that are due, and begins an attempt of each that is to be sent. Of
// deleted events they become CANCELLED; to recipients who are deactivated, or whose addresses are suppressed,
// SUPPRESSED; where attempts were lost until it was too late, FAILED; and those to recipients who were sent enough for
// a day wait. (Of two that claim at the same moment neither counts what the other begins.)
absl::StatusOr<Claimed> Claim(data::Transaction& tx, const ClaimSettings& settings,
                              const SuppressionKey& suppression_key, int limit);

}  // namespace parley::notification
