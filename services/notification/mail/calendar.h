// The iCalendar part of a mail (domain rule N7; RFC 5545, RFC 5546): what a recipient's calendar shows of an event.
// Pure functions. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "common/address/address.h"
#include "common/data/events.h"
#include "common/slot/slot.h"

namespace parley::notification {

struct CalendarEntry {
  enum class Method { kTentative, kAgreed, kCancel };  // REQUEST with STATUS:TENTATIVE, REQUEST, CANCEL

  Method method;
  Uuid event_id;
  int64_t sequence;  // rises with each change
  std::string title;
  std::optional<Slot> slot;  // always there but for kCancel, which may have none
  Address organizer;         // Parley's own address: answers of calendars reach nobody else
  Address attendee;          // the recipient
  absl::Time stamp;          // when it was made
};

// Deleted, abandoned or reopened: its calendar entries are to be taken back, by a mail of their own.
bool IsEnded(const data::Event& event);
// What a calendar should show of the event: kTentative at exactly one slot, kAgreed; kCancel where it should show
// nothing (any more).
CalendarEntry::Method CalendarMethodOf(const data::Event& event);
// The SEQUENCE of that: twice the revision, and one more for a CANCEL, since reopening a closed event undoes it without
// a new revision.
int64_t CalendarSequenceOf(const data::Event& event);

// A VCALENDAR with METHOD, lines folded and ended as RFC 5545 has it; times in UTC, in whole seconds, the start rounded
// down and the end rounded up. The UID is the event's id alone (RFC 7986), so that it stays whatever Parley's address
// is. It holds neither a link nor a key: calendars are shared.
std::string ComposeCalendar(const CalendarEntry& entry);

}  // namespace parley::notification
