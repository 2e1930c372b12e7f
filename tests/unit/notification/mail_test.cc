#include "services/notification/mail/mail.h"

#include <gmime/gmime.h>
#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace parley::notification {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr char kKey[] = "parley_guest_0123456789abcdef0123456789abcdef01234567";

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

Mail SomeMail() {
  Mail mail;
  mail.notification_id = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91");
  mail.from = {"parley", "parley.example"};
  mail.to = {"Bob.Smith", "example.com"};
  mail.sender = {"ann", "example.org"};
  mail.title = "Picnic";
  mail.slots = {{At("2026-11-23T09:00:00Z"), absl::Hours(1)}};
  mail.time_zone = "Europe/Berlin";
  mail.date = At("2026-11-22T13:00:00Z");
  mail.key = kKey;
  mail.expire_time = At("2026-11-27T13:00:59.5Z");
  mail.public_address = "parley.example:7070";
  return mail;
}

// The mail as its reader sees it.
struct ReadMail {
  std::map<std::string, std::string> headers;  // decoded
  std::string text;
  std::vector<std::string> lines;
};

ReadMail Read(const std::string& message) {
  GMimeStream* stream = g_mime_stream_mem_new_with_buffer(message.data(), message.size());
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  GMimeMessage* parsed = g_mime_parser_construct_message(parser, nullptr);
  ReadMail read;
  GMimeHeaderList* headers = g_mime_object_get_header_list(GMIME_OBJECT(parsed));
  for (int i = 0; i < g_mime_header_list_get_count(headers); ++i) {
    GMimeHeader* header = g_mime_header_list_get_header_at(headers, i);
    read.headers[g_mime_header_get_name(header)] = g_mime_header_get_value(header);
  }
  char* text = g_mime_text_part_get_text(GMIME_TEXT_PART(g_mime_message_get_mime_part(parsed)));
  read.text = text;
  g_free(text);
  g_object_unref(parsed);
  g_object_unref(parser);
  g_object_unref(stream);
  for (auto line : absl::StrSplit(read.text, '\n')) read.lines.emplace_back(absl::StripSuffix(line, "\r"));
  return read;
}

TEST(ComposeMail, HasTheHeadersOfAnAutomaticMail) {
  const auto headers = Read(ComposeMail(SomeMail())).headers;
  EXPECT_EQ(headers.at("From"), "parley@parley.example");
  EXPECT_EQ(headers.at("To"), "Bob.Smith@example.com");
  EXPECT_EQ(headers.at("Subject"), "Appointment: Picnic");
  EXPECT_EQ(headers.at("Date"), "Sun, 22 Nov 2026 13:00:00 +0000");
  EXPECT_EQ(headers.at("Message-Id"), "<0190163d-8694-739b-aea5-966c26f8ad91@parley.example>");
  EXPECT_EQ(headers.at("Auto-Submitted"), "auto-generated");
  EXPECT_THAT(ComposeMail(SomeMail()), HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_FALSE(headers.contains("Reply-To"));
}

TEST(ComposeMail, N6_EveryAttemptHasTheSameMessageId) {
  Mail again = SomeMail();
  again.date += absl::Hours(1);
  again.key.back() = '0';
  again.title = "Another";
  EXPECT_EQ(Read(ComposeMail(SomeMail())).headers.at("Message-Id"), Read(ComposeMail(again)).headers.at("Message-Id"));
}

TEST(ComposeMail, N7_SaysWhoWhatWhenAndNotToForward) {
  const ReadMail mail = Read(ComposeMail(SomeMail()));
  EXPECT_THAT(mail.lines,
              IsSupersetOf({"ann@example.org asks you about: Picnic",
                            "Proposed times (time zone Europe/Berlin):", "  Mon 23 Nov 2026 10:00 to 11:00 (UTC+01:00)",
                            "Your key, for this event alone, is good until Fri 27 Nov 2026 14:00 (UTC+01:00):",
                            "To view, change and confirm: call Parley at parley.example:7070 with authorization: "
                            "Bearer KEY"}));
  EXPECT_THAT(mail.text, HasSubstr("Do not forward this mail"));
}

TEST(ComposeMail, TheKeyStandsAloneOnALine) {
  const ReadMail mail = Read(ComposeMail(SomeMail()));
  EXPECT_THAT(mail.lines, Contains(kKey).Times(1));
  Mail mean = SomeMail();
  mean.title = "parley_guest_ffffffffffffffffffffffffffffffffffffffff";
  int lines_of_keys = 0;
  for (const std::string& line : Read(ComposeMail(mean)).lines) {
    lines_of_keys += absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "parley_guest_") ? 1 : 0;
  }
  EXPECT_EQ(lines_of_keys, 1);
}

TEST(ComposeMail, ShowsEverySlotWithItsOwnOffset) {
  Mail mail = SomeMail();
  mail.slots = {{At("2026-10-24T22:00:00Z"), absl::Hours(4)},  // the clocks go back at 01:00Z
                {At("2026-11-23T22:30:00Z"), absl::Hours(2)},  // over midnight
                {At("2026-11-24T10:00:30.5Z"), absl::Minutes(1)}};
  EXPECT_THAT(Read(ComposeMail(mail)).lines,
              IsSupersetOf({"  Sun 25 Oct 2026 00:00 (UTC+02:00) to 03:00 (UTC+01:00)",
                            "  Mon 23 Nov 2026 23:30 to Tue 24 Nov 2026 01:30 (UTC+01:00)",
                            "  Tue 24 Nov 2026 11:00:30.5 to 11:01:30.5 (UTC+01:00)"}));
}

TEST(ComposeMail, SaysHowTheEventStands) {
  Mail mail = SomeMail();
  mail.state = event::v1::Event::AGREED;
  EXPECT_THAT(Read(ComposeMail(mail)).text, HasSubstr("Agreed time (time zone Europe/Berlin):"));
  mail.slots.clear();
  mail.state = event::v1::Event::OPEN;
  EXPECT_THAT(Read(ComposeMail(mail)).text, HasSubstr("No times are proposed at the moment."));
  mail.state = event::v1::Event::ABANDONED;
  EXPECT_THAT(Read(ComposeMail(mail)).text, HasSubstr("No time was found; it was given up."));
}

TEST(ComposeMail, SaysThatANewEventReplacesASupersededOne) {
  Mail mail = SomeMail();
  mail.state = event::v1::Event::SUPERSEDED;
  EXPECT_THAT(Read(ComposeMail(mail)).lines, IsSupersetOf({"This event was replaced by a new one.",
                                                           "Times that were proposed (time zone Europe/Berlin):"}));
  mail.slots.clear();
  EXPECT_THAT(Read(ComposeMail(mail)).text, HasSubstr("This event was replaced by a new one.\r\n\r\nYour key"));
  EXPECT_THAT(Read(ComposeMail(mail)).text, Not(HasSubstr("proposed")));
}

TEST(ComposeMail, T7_AKeyThatWasAskedForSaysSo) {
  Mail mail = SomeMail();
  mail.requested = true;
  mail.sender = mail.to;
  const ReadMail read = Read(ComposeMail(mail));
  EXPECT_EQ(read.lines[0], "You asked for a new key for: Picnic");
  EXPECT_THAT(read.text, Not(HasSubstr("asks you")));
  EXPECT_THAT(read.lines, Contains(kKey).Times(1));
}

TEST(ComposeMail, CarriesTitlesOfAnyScript) {
  Mail mail = SomeMail();
  mail.title = "Grüße, 会議 — 🎉";
  const std::string message = ComposeMail(mail);
  for (const char c : message) ASSERT_LT(static_cast<unsigned char>(c), 128);
  const ReadMail read = Read(message);
  EXPECT_EQ(read.headers.at("Subject"), "Appointment: Grüße, 会議 — 🎉");
  EXPECT_THAT(read.text, HasSubstr("ann@example.org asks you about: Grüße, 会議 — 🎉"));
}

TEST(ComposeMail, ALongTitleMakesNoLongLine) {
  Mail mail = SomeMail();
  for (mail.title = ""; mail.title.size() < 256 * 4;) mail.title += "🎉";
  const std::string message = ComposeMail(mail);
  for (auto line : absl::StrSplit(message, "\r\n")) EXPECT_LE(line.size(), 76u) << line;
  EXPECT_EQ(Read(message).headers.at("Subject"), "Appointment: " + mail.title);
}

TEST(ComposeMail, NoTitleAddsAHeaderOrALine) {
  Mail mail = SomeMail();
  mail.title = "x\r\nBcc: eve@example.net\r\n\r\nparley_guest_ffff\n\rnext";
  const ReadMail read = Read(ComposeMail(mail));
  EXPECT_FALSE(read.headers.contains("Bcc"));
  EXPECT_EQ(read.headers.size(), Read(ComposeMail(SomeMail())).headers.size());
  EXPECT_EQ(read.lines.size(), Read(ComposeMail(SomeMail())).lines.size());
  mail.title = "=?utf-8?q?x=0D=0ABcc:_eve@example.net?=";
  EXPECT_EQ(Read(ComposeMail(mail)).headers.at("Subject"), "Appointment: " + mail.title);
}

TEST(ComposeMail, EveryLineEndsWithCrlf) {
  const std::string message = ComposeMail(SomeMail());
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

}  // namespace
}  // namespace parley::notification
