#include "services/notification/mail/mail.h"

#include <gmime/gmime.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/title/title.h"
#include "services/notification/mail/texts.h"

namespace parley::notification {
namespace {

// Of the Message-ID, whose other part is the notification's id: the same whatever Parley's addresses are when the next
// attempt is made. (.internal is nobody's domain.)
constexpr char kMessageIdDomain[] = "parley.internal";
// `=_` stands in no part: neither quoted-printable nor base64 can have it (RFC 2045, 6.7).
constexpr char kBoundary[] = "=_parley";

// A header's value as it travels: what is not short plain text becomes encoded words (RFC 2047, `Q`), each of whole
// characters and short enough for its line. (GMime makes words that are too long of what has no spaces.)
std::string EncodeHeader(const std::string& text) {
  constexpr size_t kMaxPlain = 60;
  const bool plain = std::ranges::all_of(text, [](unsigned char c) { return absl::ascii_isascii(c); });
  if (plain && text.size() <= kMaxPlain && !absl::StrContains(text, "=?")) return text;
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
      absl::StrAppend(&encoded, "=?UTF-8?Q?", word, "?=\r\n ");
      word.clear();
    }
    word += character;
  }
  return absl::StrCat(encoded, "=?UTF-8?Q?", word, "?=");
}

// That of the contract, whatever the database says.
absl::Status CheckAddress(const Address& address, std::string_view whose) {
  const auto parsed = ParseAddress(address.ToString());
  if (parsed.ok() && parsed->local_part == address.local_part && parsed->domain == address.domain) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(std::string(whose), " has no valid address"));
}

absl::Status CheckTitle(const std::string& title) {
  const bool valid = g_utf8_validate(title.data(), static_cast<gssize>(title.size()), nullptr) != 0;
  const std::string violation = valid ? TitleViolation(title) : "must be UTF-8";
  return violation.empty() ? absl::OkStatus() : absl::InvalidArgumentError("the title " + violation);
}

absl::Status CheckSlots(const std::vector<Slot>& slots) {
  return std::ranges::all_of(slots, &IsValid) ? absl::OkStatus() : absl::InvalidArgumentError("a slot is not valid");
}

absl::Status Check(const Mail& mail) {
  for (const absl::Status& status : {CheckAddress(mail.from, "Parley"), CheckAddress(mail.to, "the recipient"),
                                     mail.sender.erased() ? absl::OkStatus() : CheckAddress(mail.sender, "the sender"),
                                     CheckTitle(mail.event.title), CheckSlots(mail.event.slots)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// As it travels, in lines that end in CRLF. GMime's encoders alone: its objects for messages and parts take longer than
// all else that a mail needs here.
std::string Encode(const std::string& text, GMimeContentEncoding encoding) {
  GMimeEncoding state;
  g_mime_encoding_init_encode(&state, encoding);
  std::string encoded(g_mime_encoding_outlen(&state, text.size()), '\0');
  encoded.resize(g_mime_encoding_flush(&state, text.data(), text.size(), encoded.data()));
  return absl::StrReplaceAll(encoded, {{"\n", "\r\n"}});
}

// A part of the mail; `type` with its parameters. The line end before a boundary belongs to it (RFC 2046, 5.1.1).
std::string Part(const std::string& type, const std::string& text, GMimeContentEncoding encoding) {
  return absl::StrCat("\r\n--", kBoundary, "\r\nContent-Type: text/", type, "; charset=utf-8\r\n",
                      "Content-Transfer-Encoding: ", g_mime_content_encoding_to_string(encoding), "\r\n\r\n",
                      Encode(text, encoding));
}

std::string HeadersOf(const Mail& mail, const std::string& subject) {
  std::string headers = absl::StrCat(
      "From: ", mail.from.ToString(), "\r\nTo: ", mail.to.ToString(), "\r\nSubject: ", EncodeHeader(subject),
      "\r\nDate: ", absl::FormatTime("%a, %d %b %E4Y %H:%M:%S +0000", mail.date, absl::UTCTimeZone()),
      "\r\nMessage-ID: <", mail.notification_id.ToString(), "@", kMessageIdDomain,
      ">\r\nAuto-Submitted: auto-generated\r\n");
  // RFC 2369, and RFC 8058, which wants https: one click is enough.
  if (!mail.public_address.empty()) absl::StrAppend(&headers, "List-Unsubscribe: <", UnsubscribeLink(mail), ">\r\n");
  if (mail.public_address.starts_with("https://")) {
    absl::StrAppend(&headers, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
  }
  absl::StrAppend(&headers, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"", kBoundary,
                  "\"\r\n");
  return headers;
}

}  // namespace

std::string UnsubscribeLink(const Mail& mail) {
  return absl::StrCat(absl::StripSuffix(mail.public_address, "/"), "/unsubscribe/", mail.unsubscribe_token);
}

absl::StatusOr<std::string> ComposeMail(const Mail& mail) {
  if (const absl::Status status = Check(mail); !status.ok()) return status;
  const MailTexts texts = WriteTexts(mail);
  std::string message =
      absl::StrCat(HeadersOf(mail, texts.subject), Part("plain", texts.text, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE),
                   Part("html", texts.html, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE));
  if (mail.calendar) {
    const bool cancel = mail.calendar->method == CalendarEntry::Method::kCancel;
    message += Part(cancel ? "calendar; method=CANCEL" : "calendar; method=REQUEST", ComposeCalendar(*mail.calendar),
                    GMIME_CONTENT_ENCODING_BASE64);
  }
  return absl::StrCat(message, "\r\n--", kBoundary, "--\r\n");
}

}  // namespace parley::notification
