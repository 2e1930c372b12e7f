#include "services/notification/mail.h"

#include <gmime/gmime.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace parley::notification {
namespace {

constexpr char kCharset[] = "utf-8";

template <class Object>
using Owned = std::unique_ptr<Object, void (*)(gpointer)>;
template <class Object>
Owned<Object> Own(Object* object) {
  return {object, &g_object_unref};
}

void StartGmime() {
  static const bool started = [] {
    g_mime_init();
    return true;
  }();
  static_cast<void>(started);
}

// Nothing that is put into a line can begin another one.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return text;
}

// A header's value as it travels: what is not plain text becomes encoded words (RFC 2047, `Q`), each of whole
// characters and short enough for its line. GMime makes words that are too long of what has no spaces.
std::string EncodeHeader(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](unsigned char c) { return absl::ascii_isascii(c); });
  if (plain && !absl::StrContains(text, "=?")) return text;
  constexpr size_t kMaxWord = 55;
  std::string encoded;
  std::string word;
  for (size_t i = 0; i < text.size();) {
    std::string character;
    do {
      const auto c = static_cast<unsigned char>(text[i++]);
      if (absl::ascii_isalnum(c)) {
        character.push_back(static_cast<char>(c));
      } else {
        absl::StrAppend(&character, "=", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(c, absl::kZeroPad2))));
      }
    } while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80);
    if (word.size() + character.size() > kMaxWord) {
      absl::StrAppend(&encoded, "=?UTF-8?Q?", word, "?=\n ");
      word.clear();
    }
    word += character;
  }
  return absl::StrCat(encoded, "=?UTF-8?Q?", word, "?=");
}

void SetSubject(GMimeObject* message, const std::string& subject) {
  g_mime_object_set_header(message, "Subject", "", nullptr);
  GMimeHeader* header = g_mime_header_list_get_header(g_mime_object_get_header_list(message), "Subject");
  g_mime_header_set_raw_value(header, absl::StrCat(" ", EncodeHeader(subject), "\n").c_str());
}

std::string Offset(absl::Time time, const absl::TimeZone& time_zone) {
  return "UTC" + absl::FormatTime("%Ez", time, time_zone);
}

// `Mon 23 Nov 2026 10:00`; seconds only where there are some.
std::string DayAndTime(absl::Time time, const absl::TimeZone& time_zone) {
  const bool whole = absl::ToUnixMicros(time) % 60'000'000 == 0;
  return absl::FormatTime(whole ? "%a %d %b %Y %H:%M" : "%a %d %b %Y %H:%M:%E*S", time, time_zone);
}

std::string Describe(const Slot& slot, const absl::TimeZone& time_zone) {
  const std::string begin = DayAndTime(slot.start, time_zone);
  std::string end = DayAndTime(slot.end(), time_zone);
  // The day is the same: `Mon 23 Nov 2026 `.
  constexpr size_t kDay = 16;
  if (begin.compare(0, kDay, end, 0, kDay) == 0) end.erase(0, kDay);
  const std::string begin_offset = Offset(slot.start, time_zone);
  const std::string end_offset = Offset(slot.end(), time_zone);
  const std::string note = begin_offset == end_offset ? "" : absl::StrCat(" (", begin_offset, ")");
  return absl::StrCat(begin, note, " to ", end, " (", end_offset, ")");
}

// What stands above the slots.
std::string_view Heading(data::Event::State state) {
  if (state == event::v1::Event::AGREED) return "Agreed time";
  if (state == event::v1::Event::SUPERSEDED) return "Times that were proposed";
  return "Proposed times";
}

std::string SlotsText(const Mail& mail, const absl::TimeZone& time_zone) {
  std::string text;
  if (mail.state == event::v1::Event::SUPERSEDED) text = "This event was replaced by a new one.\n";
  if (mail.slots.empty()) {
    if (mail.state == event::v1::Event::SUPERSEDED) return text;
    return mail.state == event::v1::Event::ABANDONED ? "No time was found; it was given up.\n"
                                                     : "No times are proposed at the moment.\n";
  }
  const std::string heading(Heading(mail.state));
  absl::StrAppend(&text, heading, " (time zone ", OneLine(mail.time_zone), "):\n");
  for (const Slot& slot : mail.slots) absl::StrAppend(&text, "  ", Describe(slot, time_zone), "\n");
  return text;
}

// Why the recipient gets this mail.
std::string Occasion(const Mail& mail) {
  const std::string title = OneLine(mail.title);
  if (!mail.requested) return absl::StrCat(mail.sender.ToString(), " asks you about: ", title, "\n\n");
  return absl::StrCat("You asked for a new key for: ", title, "\n",
                      "If you did not, somebody else named your address, and has got nothing by it.\n\n");
}

std::string BodyOf(const Mail& mail) {
  absl::TimeZone time_zone;
  if (!absl::LoadTimeZone(mail.time_zone, &time_zone)) time_zone = absl::UTCTimeZone();
  const std::string where = mail.public_address.empty() ? "" : " at " + mail.public_address;
  // The minute that has begun is the last one that is sure.
  const absl::Time good_until = absl::FromUnixSeconds(absl::ToUnixSeconds(mail.expire_time) / 60 * 60);
  // Lines of what others wrote begin with words of ours, so that none can pass for the line of the key.
  return absl::StrCat(Occasion(mail), SlotsText(mail, time_zone),
                      "\n"
                      "Your key, for this event alone, is good until ",
                      DayAndTime(good_until, time_zone), " (", Offset(good_until, time_zone), "):\n\n", mail.key,
                      "\n\n"
                      "To view, change and confirm: call Parley",
                      where, " with authorization: Bearer KEY\n\n",
                      "Do not forward this mail: whoever has the key can act in your name.\n");
}

}  // namespace

std::string ComposeMail(const Mail& mail) {
  StartGmime();
  const auto message = Own(g_mime_message_new(TRUE));
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, nullptr, mail.from.ToString().c_str());
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, nullptr, mail.to.ToString().c_str());
  SetSubject(GMIME_OBJECT(message.get()), absl::StrCat("Appointment: ", OneLine(mail.title)));
  const std::string id = absl::StrCat(mail.notification_id.ToString(), "@", mail.from.domain);
  g_mime_message_set_message_id(message.get(), id.c_str());
  GDateTime* date = g_date_time_new_from_unix_utc(absl::ToUnixSeconds(mail.date));
  g_mime_message_set_date(message.get(), date);
  g_date_time_unref(date);
  g_mime_object_set_header(GMIME_OBJECT(message.get()), "Auto-Submitted", "auto-generated", nullptr);

  const auto body = Own(g_mime_text_part_new_with_subtype("plain"));
  g_mime_text_part_set_text(body.get(), BodyOf(mail).c_str());
  g_mime_text_part_set_charset(body.get(), kCharset);
  g_mime_part_set_content_encoding(GMIME_PART(body.get()), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
  g_mime_message_set_mime_part(message.get(), GMIME_OBJECT(body.get()));

  const std::unique_ptr<GMimeFormatOptions, void (*)(GMimeFormatOptions*)> format(g_mime_format_options_new(),
                                                                                  &g_mime_format_options_free);
  g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
  const std::unique_ptr<char, void (*)(gpointer)> text(
      g_mime_object_to_string(GMIME_OBJECT(message.get()), format.get()), &g_free);
  return text.get();
}

}  // namespace parley::notification
