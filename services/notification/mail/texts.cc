#include "services/notification/mail/texts.h"

#include <kainjow/mustache.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"
#include "services/notification/mail/texts_en.h"

namespace parley::notification {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;
using Event = event::v1::Event;
using v1::Notification;

// Rendering changes a template: each thread has its own.
struct Templates {
  Templates() {
    for (mustache* plain : {&subject_template, &text_template, &slot_template, &day_template}) {
      plain->set_custom_escape([](const std::string& as_it_is) { return as_it_is; });
    }
  }
  mustache subject_template{texts_en::k_subject_mustache};
  mustache text_template{texts_en::k_text_mustache};
  mustache html_template{texts_en::k_html_mustache};
  mustache slot_template{texts_en::k_slot_mustache};
  mustache day_template{texts_en::k_day_mustache};
};

std::string Offset(absl::Time time, const absl::TimeZone& time_zone) {
  return "UTC" + absl::FormatTime("%Ez", time, time_zone);
}

// Seconds only where there are some.
std::string Clock(absl::Time time, const absl::TimeZone& time_zone) {
  const bool whole = absl::ToUnixMicros(time) % 60'000'000 == 0;
  return absl::FormatTime(whole ? "%H:%M" : "%H:%M:%E*S", time, time_zone);
}

std::string Day(Templates& templates, absl::Time time, const absl::TimeZone& time_zone) {
  const absl::CivilDay day(time_zone.At(time).cs);
  data values;
  // Monday is 1 (ISO 8601).
  values.set(absl::StrCat("weekday_", static_cast<int>(absl::GetWeekday(day)) + 1), true);
  values.set(absl::StrCat("month_", day.month()), true);
  values.set("day", absl::FormatTime("%d", time, time_zone));
  values.set("year", absl::StrCat(day.year()));
  return templates.day_template.render(values);
}

std::string Describe(Templates& templates, const Slot& slot, const absl::TimeZone& time_zone) {
  data values;
  const std::string begin_offset = Offset(slot.start, time_zone);
  const std::string end_offset = Offset(slot.end(), time_zone);
  values.set("begin_day", Day(templates, slot.start, time_zone));
  values.set("begin_clock", Clock(slot.start, time_zone));
  values.set("end_clock", Clock(slot.end(), time_zone));
  values.set("end_offset", end_offset);
  const bool same_day = absl::ToCivilDay(slot.start, time_zone) == absl::ToCivilDay(slot.end(), time_zone);
  if (!same_day) values.set("end_day", Day(templates, slot.end(), time_zone));
  if (end_offset != begin_offset) values.set("begin_offset", begin_offset);
  return templates.slot_template.render(values);
}

// What a section of a template leaves that is not shown: several empty lines become one, and none is first.
std::string WithoutGaps(const std::string& text) {
  std::string without;
  for (const char c : text) {
    const bool gap = c == '\n' && (without.empty() || absl::EndsWith(without, "\n\n"));
    if (!gap) without.push_back(c);
  }
  return without;
}

absl::TimeZone TimeZoneOf(const std::string& name, std::string& shown) {
  absl::TimeZone time_zone;
  const bool known = absl::LoadTimeZone(name, &time_zone);
  shown = known ? name : "UTC";
  return known ? time_zone : absl::UTCTimeZone();
}

void SetSlots(Templates& templates, const Mail& mail, const absl::TimeZone& time_zone, data& values) {
  if (mail.event.slots.empty()) return;
  data slots{data::type::list};
  for (const Slot& slot : mail.event.slots) slots.push_back(data{"slot", Describe(templates, slot, time_zone)});
  values.set("slots", slots);
  values.set("has_slots", true);
}

// How the event stands. One that was replaced is told so, with the times that it had.
void SetState(const Mail& mail, data& values) {
  const ::parley::data::Event& event = mail.event;
  const bool has_slots = !event.slots.empty();
  const bool cancel = mail.cause == Notification::CANCEL_CALENDAR_ENTRY;
  const bool deleted = event.delete_time.has_value();
  const bool replaced = !deleted && (event.successor_id || event.state == Event::SUPERSEDED);
  const bool abandoned = !deleted && !replaced && event.state == Event::ABANDONED;
  values.set("deleted", deleted);
  values.set("replaced", replaced);
  values.set("abandoned", abandoned);
  const bool former = has_slots && (cancel || replaced);
  values.set("was_agreed", former && event.state == Event::AGREED);
  values.set("former", former && event.state != Event::AGREED);
  values.set("agreed", !cancel && !replaced && event.state == Event::AGREED);
  values.set("proposed", !cancel && !replaced && event.state == Event::OPEN);
  values.set("no_times", !has_slots && !cancel && event.state == Event::OPEN);
}

void SetLinks(Templates& templates, const Mail& mail, const absl::TimeZone& time_zone, data& values) {
  const std::string address(absl::StripSuffix(mail.public_address, "/"));
  if (mail.key) {
    if (address.empty()) {
      values.set("key", mail.key->key);
    } else {
      values.set("link", absl::StrCat(address, "/", mail.event.name(), "#", mail.key->key));
    }
    // The minute that has begun is the last one that is sure.
    const absl::Time good_until = absl::FromUnixSeconds(absl::ToUnixSeconds(mail.key->expire_time) / 60 * 60);
    values.set("good_until_day", Day(templates, good_until, time_zone));
    values.set("good_until_clock", Clock(good_until, time_zone));
    values.set("good_until_offset", Offset(good_until, time_zone));
    // About how long: days from two on, else hours. A token is some moments older than its mail.
    const int64_t hours = absl::ToInt64Hours(mail.key->expire_time - mail.date + absl::Minutes(1));
    if (hours >= 48) values.set("days", absl::StrCat(hours / 24));
    if (hours >= 2 && hours < 48) values.set("hours", absl::StrCat(hours));
    if (hours < 2) values.set("soon", true);
  }
  if (address.empty()) {
    values.set("unsubscribe_token", mail.unsubscribe_token);
  } else {
    values.set("unsubscribe_link", UnsubscribeLink(mail));
  }
}

}  // namespace

MailTexts WriteTexts(const Mail& mail) {
  std::string time_zone_name;
  const absl::TimeZone time_zone = TimeZoneOf(mail.event.time_zone, time_zone_name);
  data values;
  values.set("notify", mail.cause == Notification::NOTIFY_PARTIES);
  values.set("requested", mail.cause == Notification::REQUEST_EMAIL_TOKEN);
  values.set("cancel", mail.cause == Notification::CANCEL_CALENDAR_ENTRY);
  values.set("sender", mail.sender.Shown());
  values.set("title", mail.event.title);
  values.set("event", mail.event.name());
  values.set("open", mail.event.state == Event::OPEN);
  values.set("time_zone", time_zone_name);
  thread_local Templates templates;
  SetSlots(templates, mail, time_zone, values);
  SetState(mail, values);
  SetLinks(templates, mail, time_zone, values);
  return {templates.subject_template.render(values), WithoutGaps(templates.text_template.render(values)),
          WithoutGaps(templates.html_template.render(values))};
}

}  // namespace parley::notification
