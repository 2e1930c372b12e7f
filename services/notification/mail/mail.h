// The mail by which a party is told of an event (domain rule N7). Its texts stand in texts/. Pure functions.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/address/address.h"
#include "common/data/events.h"
#include "common/data/uuid.h"
#include "common/slot/slot.h"
#include "parley/notification/v1/notification.pb.h"
#include "services/notification/mail/calendar.h"

namespace parley::notification {

struct Mail {
  // What lets the recipient act on the event.
  struct Key {
    std::string key;  // of the recipient's e-mail token
    absl::Time expire_time;
  };

  v1::Notification::Cause cause = v1::Notification::NOTIFY_PARTIES;
  Uuid notification_id;
  Address from;    // Parley's own
  Address to;      // the recipient, as spelled for this event
  Address sender;  // who asks; who undid it, where the cause is CANCEL_CALENDAR_ENTRY
  data::Event event;
  absl::Time date;
  std::optional<Key> key;  // not where the cause is CANCEL_CALENDAR_ENTRY
  std::optional<CalendarEntry> calendar;
  std::string unsubscribe_token;  // parley_unsubscribe_...
  std::string public_address;     // https://host[:port], under which links are; empty: there is no page
};

// `{public}/unsubscribe/{token}`
std::string UnsubscribeLink(const Mail& mail);

// The message as RFC 5322 has it, with CRLF line ends: text, HTML and the calendar as alternatives. Its Message-ID
// is the notification's id, whatever else changes between attempts. With a public address it has the link
// `{public}/events/{event}#{key}`, and List-Unsubscribe (RFC 2369; by one click, RFC 8058, where it is https) with
// `{public}/unsubscribe/{token}`; without one the key and the token stand alone on lines of their own.
//
// INVALID_ARGUMENT where an address, the title or a slot is not what the contracts would have taken: nothing that was
// put into the database by hand reaches a mail. Where the time zone is not known, times are shown in UTC.
absl::StatusOr<std::string> ComposeMail(const Mail& mail);

}  // namespace parley::notification
