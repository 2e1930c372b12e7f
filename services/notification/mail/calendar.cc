#include "services/notification/mail/calendar.h"

#include <libical/ical.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace parley::notification {
namespace {

using Method = CalendarEntry::Method;

// Whole seconds, which is what iCalendar has.
icaltimetype TimeOf(absl::Time time) {
  return icaltime_from_timet_with_zone(absl::ToTimeT(time), 0, icaltimezone_get_utc_timezone());
}

absl::Time RoundedUp(absl::Time time) {
  const absl::Time second = absl::FromTimeT(absl::ToTimeT(time));
  return second == time ? time : second + absl::Seconds(1);
}

// RFC 6068: what has a meaning in a URI stands as a %.. in the local part.
std::string MailtoOf(const Address& address) {
  std::string uri = "mailto:";
  for (const char c : address.local_part) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || absl::StrContains("-._~!$'*+", c)) {
      uri.push_back(c);
    } else {
      absl::StrAppendFormat(&uri, "%%%02X", byte);
    }
  }
  return absl::StrCat(uri, "@", address.domain);
}

icalproperty* Organizer(const Address& address) {
  icalproperty* organizer = icalproperty_new_organizer(MailtoOf(address).c_str());
  icalproperty_add_parameter(organizer, icalparameter_new_cn("Parley"));
  return organizer;
}

icalproperty* Attendee(const Address& address) {
  icalproperty* attendee = icalproperty_new_attendee(MailtoOf(address).c_str());
  icalproperty_add_parameter(attendee, icalparameter_new_role(ICAL_ROLE_REQPARTICIPANT));
  icalproperty_add_parameter(attendee, icalparameter_new_partstat(ICAL_PARTSTAT_NEEDSACTION));
  icalproperty_add_parameter(attendee, icalparameter_new_rsvp(ICAL_RSVP_FALSE));
  return attendee;
}

icalproperty_status StatusOf(Method method) {
  switch (method) {
    case Method::kTentative:
      return ICAL_STATUS_TENTATIVE;
    case Method::kAgreed:
      return ICAL_STATUS_CONFIRMED;
    case Method::kCancel:
      break;
  }
  return ICAL_STATUS_CANCELLED;
}

}  // namespace

bool IsEnded(const data::Event& event) {
  return event.delete_time || event.successor_id || event.state == event::v1::Event::ABANDONED ||
         event.state == event::v1::Event::SUPERSEDED;
}

Method CalendarMethodOf(const data::Event& event) {
  if (IsEnded(event)) return Method::kCancel;
  if (event.state == event::v1::Event::AGREED) return Method::kAgreed;
  return event.slots.size() == 1 ? Method::kTentative : Method::kCancel;
}

int64_t CalendarSequenceOf(const data::Event& event) {
  return 2 * event.revision + (CalendarMethodOf(event) == Method::kCancel ? 1 : 0);
}

std::string ComposeCalendar(const CalendarEntry& entry) {
  icalcomponent* vevent = icalcomponent_new_vevent();
  icalcomponent_add_property(vevent, icalproperty_new_uid(entry.event_id.ToString().c_str()));
  icalcomponent_add_property(vevent, icalproperty_new_dtstamp(TimeOf(entry.stamp)));
  icalcomponent_add_property(vevent, icalproperty_new_sequence(static_cast<int>(entry.sequence)));
  icalcomponent_add_property(vevent, icalproperty_new_status(StatusOf(entry.method)));
  icalcomponent_add_property(vevent, icalproperty_new_summary(entry.title.c_str()));
  if (entry.slot) {
    icalcomponent_add_property(vevent, icalproperty_new_dtstart(TimeOf(entry.slot->start)));
    icalcomponent_add_property(vevent, icalproperty_new_dtend(TimeOf(RoundedUp(entry.slot->end()))));
  }
  icalcomponent_add_property(vevent, Organizer(entry.organizer));
  icalcomponent_add_property(vevent, Attendee(entry.attendee));

  const std::unique_ptr<icalcomponent, void (*)(icalcomponent*)> calendar(icalcomponent_new_vcalendar(),
                                                                          &icalcomponent_free);
  icalcomponent_add_property(calendar.get(), icalproperty_new_prodid("-//Parley//Parley//EN"));
  icalcomponent_add_property(calendar.get(), icalproperty_new_version("2.0"));
  icalcomponent_add_property(
      calendar.get(),
      icalproperty_new_method(entry.method == Method::kCancel ? ICAL_METHOD_CANCEL : ICAL_METHOD_REQUEST));
  icalcomponent_add_component(calendar.get(), vevent);
  const std::unique_ptr<char, void (*)(void*)> text(icalcomponent_as_ical_string_r(calendar.get()),
                                                    &icalmemory_free_buffer);
  return text.get();
}

}  // namespace parley::notification
