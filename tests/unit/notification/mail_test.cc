#include "services/notification/mail/mail.h"

#include <gmime/gmime.h>
#include <gmock/gmock.h>

#include <functional>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace parley::notification {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using Event = event::v1::Event;
using Method = CalendarEntry::Method;
using Notification = v1::Notification;

constexpr char kKey[] = "parley_guest_0123456789abcdef0123456789abcdef01234567";

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

constexpr char kToken[] = "parley_unsubscribe_0123456789abcdef";
constexpr char kPublic[] = "https://parley.example";

Mail SomeMail() {
  Mail mail;
  mail.notification_id = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91");
  mail.from = {"parley", "parley.example"};
  mail.to = {"Bob.Smith", "example.com"};
  mail.sender = {"ann", "example.org"};
  mail.event.id = *Uuid::Parse("01901644-0000-7000-8000-000000000001");
  mail.event.title = "Picnic";
  mail.event.slots = {{At("2026-11-23T09:00:00Z"), absl::Hours(1)}};
  mail.event.time_zone = "Europe/Berlin";
  mail.date = At("2026-11-22T13:00:00Z");
  mail.key = Mail::Key{kKey, At("2026-11-27T13:00:59.5Z")};
  mail.unsubscribe_token = kToken;
  mail.public_address = kPublic;
  return mail;
}

Mail WithoutAddress() {
  Mail mail = SomeMail();
  mail.public_address = "";
  return mail;
}

Mail Cancelling() {
  Mail mail = SomeMail();
  mail.cause = Notification::CANCEL_CALENDAR_ENTRY;
  mail.key.reset();
  mail.event.delete_time = mail.date;
  return mail;
}

std::string Compose(const Mail& mail) {
  const auto message = ComposeMail(mail);
  EXPECT_TRUE(message.ok()) << message.status();
  return message.value_or("");
}

// The mail as its reader's program sees it.
struct ReadMail {
  std::map<std::string, std::string> headers;  // decoded
  std::vector<std::string> types;              // of the parts
  std::string text;
  std::string html;
  std::vector<std::string> lines;  // of the text
};

std::string TextOf(GMimeObject* part) {
  char* text = g_mime_text_part_get_text(GMIME_TEXT_PART(part));
  std::string copy = text;
  g_free(text);
  return copy;
}

ReadMail Read(const std::string& message) {
  g_mime_init();
  GMimeStream* stream = g_mime_stream_mem_new_with_buffer(message.data(), message.size());
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  GMimeMessage* parsed = g_mime_parser_construct_message(parser, nullptr);
  ReadMail read;
  GMimeHeaderList* headers = g_mime_object_get_header_list(GMIME_OBJECT(parsed));
  for (int i = 0; i < g_mime_header_list_get_count(headers); ++i) {
    GMimeHeader* header = g_mime_header_list_get_header_at(headers, i);
    const std::string name = g_mime_header_get_name(header);
    EXPECT_FALSE(read.headers.contains(name)) << name << " is there twice";
    read.headers[name] = g_mime_header_get_value(header);
  }
  auto* alternatives = GMIME_MULTIPART(g_mime_message_get_mime_part(parsed));
  for (int i = 0; i < g_mime_multipart_get_count(alternatives); ++i) {
    GMimeContentType* type = g_mime_object_get_content_type(g_mime_multipart_get_part(alternatives, i));
    char* name = g_mime_content_type_get_mime_type(type);
    read.types.emplace_back(name);
    g_free(name);
  }
  read.text = TextOf(g_mime_multipart_get_part(alternatives, 0));
  read.html = TextOf(g_mime_multipart_get_part(alternatives, 1));
  g_object_unref(parsed);
  g_object_unref(parser);
  g_object_unref(stream);
  for (auto line : absl::StrSplit(read.text, '\n')) read.lines.emplace_back(absl::StripSuffix(line, "\r"));
  return read;
}

ReadMail ComposeAndRead(const Mail& mail) { return Read(Compose(mail)); }

TEST(ComposeMail, N7_HasTheHeadersOfAnAutomaticMail) {
  const auto headers = ComposeAndRead(SomeMail()).headers;
  EXPECT_EQ(headers.at("From"), "parley@parley.example");
  EXPECT_EQ(headers.at("To"), "Bob.Smith@example.com");
  EXPECT_EQ(headers.at("Subject"), "Appointment: Picnic");
  EXPECT_EQ(headers.at("Date"), "Sun, 22 Nov 2026 13:00:00 +0000");
  EXPECT_EQ(headers.at("Message-ID"), "<0190163d-8694-739b-aea5-966c26f8ad91@parley.internal>");
  EXPECT_EQ(headers.at("Auto-Submitted"), "auto-generated");
  EXPECT_FALSE(headers.contains("Reply-To"));
}

TEST(ComposeMail, N6_EveryAttemptHasTheSameMessageId) {
  Mail again = SomeMail();
  again.date += absl::Hours(1);
  again.key->key.back() = '0';
  again.event.title = "Another";
  again.from = {"appointments", "other.example"};
  EXPECT_EQ(ComposeAndRead(SomeMail()).headers.at("Message-ID"), ComposeAndRead(again).headers.at("Message-ID"));
}

TEST(ComposeMail, N7_TextAndHtmlAndTheCalendarAreAlternatives) {
  EXPECT_THAT(ComposeAndRead(SomeMail()).types, ElementsAre("text/plain", "text/html"));
  Mail mail = SomeMail();
  mail.calendar =
      CalendarEntry{Method::kTentative, mail.event.id, 2, "Picnic", mail.event.slots[0], mail.from, mail.to, mail.date};
  EXPECT_THAT(ComposeAndRead(mail).types, ElementsAre("text/plain", "text/html", "text/calendar"));
}

TEST(ComposeMail, N7_SaysWhoWhatWhenAndNotToForward) {
  const ReadMail mail = ComposeAndRead(SomeMail());
  EXPECT_THAT(mail.lines, IsSupersetOf(std::vector<std::string>{
                              "ann@example.org asks you about: Picnic", "Proposed times (time zone Europe/Berlin):",
                              "  Mon 23 Nov 2026 10:00 to 11:00 (UTC+01:00)",
                              "https://parley.example/events/01901644-0000-7000-8000-000000000001#" + std::string(kKey),
                              "This link is good until Fri 27 Nov 2026 14:00 (UTC+01:00), for 5 days.",
                              "Do not forward this mail: whoever has the link can act in your name."}));
  for (const char* said : {"ann@example.org asks you about:", ">Picnic</h1>", "(time zone Europe/Berlin)",
                           "<li>Mon 23 Nov 2026 10:00 to 11:00 (UTC+01:00)</li>",
                           "<a href=\"https://parley.example/events/01901644-0000-7000-8000-000000000001#parley_guest_",
                           "until Fri 27 Nov 2026 14:00 (UTC+01:00), for 5 days", "Do not forward this mail"}) {
    EXPECT_THAT(mail.html, HasSubstr(said));
  }
}

TEST(ComposeMail, N7_TheKeyStandsInTheFragmentOfTheLinkAlone) {
  const ReadMail mail = ComposeAndRead(SomeMail());
  const std::string link = "#" + std::string(kKey);
  for (const std::string& part : {mail.text, mail.html}) {
    EXPECT_THAT(absl::StrReplaceAll(part, {{link, ""}}), Not(HasSubstr("parley_guest_")));
  }
  for (const auto& [name, value] : mail.headers) EXPECT_THAT(value, Not(HasSubstr("parley_guest_"))) << name;
}

TEST(ComposeMail, N7_WithoutAPublicAddressTheKeyStandsAloneOnALine) {
  const ReadMail mail = ComposeAndRead(WithoutAddress());
  EXPECT_THAT(mail.lines, Contains(kKey).Times(1));
  EXPECT_THAT(mail.lines, Contains(kToken).Times(1));
  EXPECT_THAT(mail.lines,
              Contains("Your key, for this event alone, is good until Fri 27 Nov 2026 14:00 (UTC+01:00), for 5 days:"));
  // Whoever has nothing else can call with it.
  EXPECT_THAT(mail.lines, Contains("To view, change and confirm events/01901644-0000-7000-8000-000000000001:"));
  EXPECT_THAT(mail.html, HasSubstr("<code>events/01901644-0000-7000-8000-000000000001</code>"));
  EXPECT_THAT(mail.text, Not(HasSubstr("http")));
  EXPECT_FALSE(mail.headers.contains("List-Unsubscribe"));
  Mail mean = WithoutAddress();
  mean.event.title = "parley_guest_ffffffffffffffffffffffffffffffffffffffff";
  int lines_of_keys = 0;
  for (const std::string& line : ComposeAndRead(mean).lines) {
    lines_of_keys += absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "parley_guest_") ? 1 : 0;
  }
  EXPECT_EQ(lines_of_keys, 1);
}

TEST(ComposeMail, CanBeUnsubscribed) {
  Mail mail = SomeMail();
  const std::string link = "https://parley.example/unsubscribe/" + std::string(kToken);
  for (const char* address : {"https://parley.example", "https://parley.example/"}) {
    mail.public_address = address;
    const ReadMail read = ComposeAndRead(mail);
    EXPECT_EQ(read.headers.at("List-Unsubscribe"), "<" + link + ">");
    EXPECT_EQ(read.headers.at("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    EXPECT_THAT(read.lines, Contains("To get no more mails from Parley: " + link));
    EXPECT_THAT(read.html, HasSubstr("<a href=\"" + link + "\">"));
    EXPECT_THAT(read.text, HasSubstr("https://parley.example/events/"));
  }
  // One click is for https alone (RFC 8058, 3.1).
  mail.public_address = "http://parley.example";
  const ReadMail read = ComposeAndRead(mail);
  EXPECT_TRUE(read.headers.contains("List-Unsubscribe"));
  EXPECT_FALSE(read.headers.contains("List-Unsubscribe-Post"));
}

TEST(ComposeMail, N7_SaysWhenItExpiresInWords) {
  const auto said = [](absl::Duration after) {
    Mail mail = SomeMail();
    mail.key->expire_time = mail.date + after;
    const auto lines = ComposeAndRead(mail).lines;
    const auto found = std::ranges::find_if(lines, [](const auto& line) { return line.starts_with("This link is"); });
    return found == lines.end() ? "" : found->substr(found->find("), ") + 3);
  };
  EXPECT_EQ(said(absl::Hours(120) - absl::Seconds(1)), "for 5 days.");
  EXPECT_EQ(said(absl::Hours(48)), "for 2 days.");
  EXPECT_EQ(said(absl::Hours(47)), "for 47 hours.");
  EXPECT_EQ(said(absl::Hours(2)), "for 2 hours.");
  EXPECT_EQ(said(absl::Minutes(30)), "for less than two hours.");
}

TEST(ComposeMail, N7_ShowsEverySlotWithItsOwnOffset) {
  Mail mail = SomeMail();
  mail.event.slots = {{At("2026-10-24T22:00:00Z"), absl::Hours(4)},  // the clocks go back at 01:00Z
                      {At("2026-11-23T22:30:00Z"), absl::Hours(2)},  // over midnight
                      {At("2026-11-24T10:00:30.5Z"), absl::Minutes(1)},
                      {At("2027-03-28T00:30:00Z"), absl::Hours(1)}};  // the clocks go forward at 01:00Z
  EXPECT_THAT(ComposeAndRead(mail).lines, IsSupersetOf({"  Sun 25 Oct 2026 00:00 (UTC+02:00) to 03:00 (UTC+01:00)",
                                                        "  Mon 23 Nov 2026 23:30 to Tue 24 Nov 2026 01:30 (UTC+01:00)",
                                                        "  Tue 24 Nov 2026 11:00:30.5 to 11:01:30.5 (UTC+01:00)",
                                                        "  Sun 28 Mar 2027 01:30 (UTC+01:00) to 03:30 (UTC+02:00)"}));
  mail.event.time_zone = "America/New_York";
  mail.event.slots = {{At("2026-11-01T05:30:00Z"), absl::Hours(1)}};
  EXPECT_THAT(ComposeAndRead(mail).lines, Contains("  Sun 01 Nov 2026 01:30 (UTC-04:00) to 01:30 (UTC-05:00)"));
  // Of every month and weekday.
  mail.event.time_zone = "UTC";
  mail.event.slots.clear();
  for (int month = 1; month <= 12; ++month) {
    mail.event.slots.push_back(
        {absl::FromCivil(absl::CivilHour(2027, month, 10, 12), absl::UTCTimeZone()), absl::Hours(1)});
  }
  for (const Slot& slot : mail.event.slots) {
    EXPECT_THAT(ComposeAndRead(mail).lines, Contains(absl::FormatTime("  %a %d %b %Y 12:00 to 13:00 (UTC+00:00)",
                                                                      slot.start, absl::UTCTimeZone())));
  }
}

TEST(ComposeMail, AnUnknownTimeZoneIsShownAsUtc) {
  Mail mail = SomeMail();
  mail.event.time_zone = "Mars/Olympus\r\nBcc: eve@example.net";
  const ReadMail read = ComposeAndRead(mail);
  EXPECT_THAT(read.lines, Contains("Proposed times (time zone UTC):"));
  EXPECT_THAT(read.text, Not(HasSubstr("Mars")));
}

TEST(ComposeMail, SaysHowTheEventStands) {
  Mail mail = SomeMail();
  mail.event.state = Event::AGREED;
  EXPECT_THAT(ComposeAndRead(mail).text, HasSubstr("Agreed time (time zone Europe/Berlin):"));
  // Nothing is invited that would be refused (A4).
  EXPECT_THAT(ComposeAndRead(mail).lines, Contains("To view:"));
  for (const std::string& part : {ComposeAndRead(mail).text, ComposeAndRead(mail).html}) {
    EXPECT_THAT(part, Not(HasSubstr("confirm")));
  }
  mail.event.slots.clear();
  mail.event.state = Event::OPEN;
  EXPECT_THAT(ComposeAndRead(mail).text, HasSubstr("No times are proposed at the moment."));
  mail.event.state = Event::ABANDONED;
  EXPECT_THAT(ComposeAndRead(mail).text, HasSubstr("No time was found; it was given up."));
}

TEST(ComposeMail, SaysThatANewEventReplacesASupersededOne) {
  Mail mail = SomeMail();
  mail.event.state = Event::SUPERSEDED;
  EXPECT_THAT(ComposeAndRead(mail).lines, IsSupersetOf({"This event was replaced by a new one.",
                                                        "Times that were proposed (time zone Europe/Berlin):"}));
  mail.event.slots.clear();
  EXPECT_THAT(ComposeAndRead(mail).text, HasSubstr("This event was replaced by a new one."));
  EXPECT_THAT(ComposeAndRead(mail).text, Not(HasSubstr("proposed")));
}

TEST(ComposeMail, T7_AKeyThatWasAskedForSaysSo) {
  Mail mail = SomeMail();
  mail.cause = Notification::REQUEST_EMAIL_TOKEN;
  mail.sender = mail.to;
  const ReadMail read = ComposeAndRead(mail);
  EXPECT_EQ(read.lines[0], "You asked for a new key for: Picnic");
  EXPECT_THAT(read.text, Not(HasSubstr("asks you")));
  EXPECT_THAT(read.text, HasSubstr("#" + std::string(kKey)));
}

TEST(ComposeMail, N7_ThatACalendarEntryIsTakenBackIsSaidWithoutALink) {
  const ReadMail deleted = ComposeAndRead(Cancelling());
  EXPECT_EQ(deleted.headers.at("Subject"), "Cancelled: Picnic");
  EXPECT_EQ(deleted.lines[0], "ann@example.org has cancelled: Picnic");
  for (const std::string& part : {deleted.text, deleted.html}) {
    EXPECT_THAT(part, Not(HasSubstr("parley_guest_")));
    EXPECT_THAT(part, Not(HasSubstr("/events/")));
    EXPECT_THAT(part, Not(HasSubstr("forward")));
    EXPECT_THAT(part, HasSubstr("/unsubscribe/"));
  }
  Mail mail = Cancelling();
  mail.event.delete_time.reset();
  mail.event.state = Event::ABANDONED;
  EXPECT_EQ(ComposeAndRead(mail).lines[0], "ann@example.org has given up: Picnic");
  mail.event.state = Event::AGREED;
  mail.event.successor_id = mail.notification_id;
  EXPECT_EQ(ComposeAndRead(mail).lines[0], "ann@example.org has reopened as a new event: Picnic");
  EXPECT_THAT(ComposeAndRead(mail).lines, Contains("Time that was agreed (time zone Europe/Berlin):"));
}

TEST(ComposeMail, HasNoTwoEmptyLinesInARow) {
  for (const Mail& mail : {SomeMail(), WithoutAddress(), Cancelling()}) {
    const std::string text = absl::StrReplaceAll(ComposeAndRead(mail).text, {{"\r\n", "\n"}});
    EXPECT_THAT(text, Not(HasSubstr("\n\n\n"))) << text;
    EXPECT_FALSE(text.starts_with("\n"));
  }
}

TEST(ComposeMail, CarriesTitlesOfAnyScript) {
  Mail mail = SomeMail();
  mail.event.title = "Grüße, 会議 — 🎉";
  const std::string message = Compose(mail);
  for (const char c : message) ASSERT_LT(static_cast<unsigned char>(c), 128);
  const ReadMail read = Read(message);
  EXPECT_EQ(read.headers.at("Subject"), "Appointment: Grüße, 会議 — 🎉");
  EXPECT_THAT(read.text, HasSubstr("ann@example.org asks you about: Grüße, 会議 — 🎉"));
  EXPECT_THAT(read.html, HasSubstr("Grüße, 会議 — 🎉"));
}

TEST(ComposeMail, OfATitleHtmlMakesNothingElse) {
  Mail mail = SomeMail();
  mail.event.title = "<script>alert('x')</script> & \"y\" {{key}}";
  const ReadMail read = ComposeAndRead(mail);
  EXPECT_EQ(read.headers.at("Subject"), "Appointment: " + mail.event.title);
  EXPECT_THAT(read.lines, Contains("ann@example.org asks you about: " + mail.event.title));
  EXPECT_THAT(read.html, Not(HasSubstr("<script")));
  EXPECT_THAT(read.html, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(read.html, HasSubstr("{{key}}"));
}

TEST(ComposeMail, ALongTitleMakesNoLongLine) {
  Mail mail = SomeMail();
  for (const char* character : {"🎉", "x", "x "}) {
    std::string title;
    for (int i = 0; i < 100; ++i) title += character;
    mail.event.title = title;
    mail.calendar =
        CalendarEntry{Method::kAgreed, mail.event.id, 2, title, mail.event.slots[0], mail.from, mail.to, mail.date};
    const std::string message = Compose(mail);
    for (auto line : absl::StrSplit(message, "\r\n")) {
      // The one link of a header cannot be broken.
      if (!absl::StartsWith(line, "List-Unsubscribe: <https://")) {
        EXPECT_LE(line.size(), 76u) << line;
      }
    }
    EXPECT_EQ(Read(message).headers.at("Subject"), "Appointment: " + title);
  }
}

TEST(ComposeMail, RefusesWhatTheContractsWouldNotHaveTaken) {
  const auto refuses = [](const std::function<void(Mail&)>& poison) {
    Mail mail = SomeMail();
    poison(mail);
    return ComposeMail(mail).status().code() == absl::StatusCode::kInvalidArgument;
  };
  for (const std::string title :
       {"x\r\nBcc: eve@example.net", "x\ny", "x\ry", "x\u202ey", "x\u2028y", "\xff\xfe", "", "x\x01"}) {
    EXPECT_TRUE(refuses([&](Mail& mail) { mail.event.title = title; })) << title;
  }
  EXPECT_TRUE(refuses([](Mail& mail) { mail.event.title = std::string("x\0y", 3); }));
  for (const std::string local_part :
       {"bob\r\nBcc: eve@example.net\r\n", "bob@example.net, eve", "bob>", "bob smith", "", "b\u00f6b", "\"bob\""}) {
    EXPECT_TRUE(refuses([&](Mail& mail) { mail.to.local_part = local_part; })) << local_part;
    // An erased person has none, and what he sent is sent.
    EXPECT_EQ(refuses([&](Mail& mail) { mail.sender.local_part = local_part; }), !local_part.empty()) << local_part;
    EXPECT_TRUE(refuses([&](Mail& mail) { mail.from.local_part = local_part; })) << local_part;
  }
  for (const std::string domain : {"example.com\r\n", "EXAMPLE.com", "example.com>", "", "m\u00fcnchen.example"}) {
    EXPECT_TRUE(refuses([&](Mail& mail) { mail.to.domain = domain; })) << domain;
  }
  const absl::Time time = SomeMail().event.slots[0].start;
  for (const Slot& slot :
       std::vector<Slot>{{time, absl::ZeroDuration()},
                         {time, absl::Hours(24 * 366) + absl::Microseconds(1)},
                         {time, absl::InfiniteDuration()},
                         {absl::InfinitePast(), absl::InfiniteDuration()},
                         {absl::InfinitePast(), absl::Hours(1)},
                         {absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone()), absl::Hours(1)},
                         {}}) {
    EXPECT_TRUE(refuses([&](Mail& mail) { mail.event.slots.push_back(slot); })) << slot.start << " " << slot.duration;
  }
  EXPECT_FALSE(refuses([](Mail&) {}));
}

TEST(ComposeMail, ATitleThatLooksEncodedIsNot) {
  Mail mail = SomeMail();
  mail.event.title = "=?utf-8?q?x=0D=0ABcc:_eve@example.net?=";
  EXPECT_EQ(ComposeAndRead(mail).headers.at("Subject"), "Appointment: " + mail.event.title);
}

TEST(ComposeMail, EveryLineEndsWithCrlf) {
  for (const Mail& mail : {SomeMail(), Cancelling()}) {
    const std::string message = Compose(mail);
    for (size_t i = 0; i < message.size(); ++i) {
      if (message[i] == '\n') {
        ASSERT_GT(i, 0u);
        ASSERT_EQ(message[i - 1], '\r') << i;
      }
      if (message[i] == '\r') {
        ASSERT_EQ(message[i + 1], '\n') << i;
      }
    }
    EXPECT_TRUE(absl::EndsWith(message, "\r\n"));
  }
}

}  // namespace
}  // namespace parley::notification
