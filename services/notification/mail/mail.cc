#include "services/notification/mail/mail.h"

#include <gmime/gmime.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/title/title.h"
#include "services/notification/mail/texts.h"

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

absl::Status Check(const Mail& mail) {
  for (const absl::Status& status : {CheckAddress(mail.from, "Parley"), CheckAddress(mail.to, "the recipient"),
                                     CheckAddress(mail.sender, "the sender"), CheckTitle(mail.event.title)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// `text` must outlive the part. Made of bytes: as a text GMime would look for a charset first.
Owned<GMimePart> Part(const char* subtype, const std::string& text, GMimeContentEncoding encoding) {
  auto part = Own(g_mime_part_new_with_type("text", subtype));
  const auto stream = Own(g_mime_stream_mem_new_with_buffer(text.data(), text.size()));
  const auto content = Own(g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
  g_mime_part_set_content(part.get(), content.get());
  g_mime_part_set_content_encoding(part.get(), encoding);
  g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", kCharset);
  return part;
}

// RFC 2369. That one click is enough (RFC 8058) is for a page to keep.
void SetUnsubscribe(GMimeObject* message, const Mail& mail) {
  if (mail.public_address.empty()) return;
  g_mime_object_set_header(message, "List-Unsubscribe", "", nullptr);
  GMimeHeader* header = g_mime_header_list_get_header(g_mime_object_get_header_list(message), "List-Unsubscribe");
  g_mime_header_set_raw_value(header, absl::StrCat(" <", UnsubscribeLink(mail), ">\n").c_str());
}

}  // namespace

std::string UnsubscribeLink(const Mail& mail) {
  return absl::StrCat(absl::StripSuffix(mail.public_address, "/"), "/unsubscribe/", mail.unsubscribe_token);
}

absl::StatusOr<std::string> ComposeMail(const Mail& mail) {
  if (const absl::Status status = Check(mail); !status.ok()) return status;
  StartGmime();
  const MailTexts texts = WriteTexts(mail);
  const auto message = Own(g_mime_message_new(TRUE));
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, nullptr, mail.from.ToString().c_str());
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, nullptr, mail.to.ToString().c_str());
  SetSubject(GMIME_OBJECT(message.get()), texts.subject);
  const std::string id = absl::StrCat(mail.notification_id.ToString(), "@", mail.from.domain);
  g_mime_message_set_message_id(message.get(), id.c_str());
  GDateTime* date = g_date_time_new_from_unix_utc(absl::ToUnixSeconds(mail.date));
  g_mime_message_set_date(message.get(), date);
  g_date_time_unref(date);
  g_mime_object_set_header(GMIME_OBJECT(message.get()), "Auto-Submitted", "auto-generated", nullptr);
  SetUnsubscribe(GMIME_OBJECT(message.get()), mail);

  const auto alternatives = Own(g_mime_multipart_new_with_subtype("alternative"));
  const auto add = [&](const Owned<GMimePart>& part) {
    g_mime_multipart_add(alternatives.get(), GMIME_OBJECT(part.get()));
  };
  add(Part("plain", texts.text, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE));
  add(Part("html", texts.html, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE));
  std::string calendar;
  if (mail.calendar) {
    calendar = ComposeCalendar(*mail.calendar);
    // Its lines end in CRLF already.
    const auto part = Part("calendar", calendar, GMIME_CONTENT_ENCODING_BASE64);
    const bool cancel = mail.calendar->method == CalendarEntry::Method::kCancel;
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "method", cancel ? "CANCEL" : "REQUEST");
    add(part);
  }
  g_mime_message_set_mime_part(message.get(), GMIME_OBJECT(alternatives.get()));

  const std::unique_ptr<GMimeFormatOptions, void (*)(GMimeFormatOptions*)> format(g_mime_format_options_new(),
                                                                                  &g_mime_format_options_free);
  g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
  const std::unique_ptr<char, void (*)(gpointer)> text(
      g_mime_object_to_string(GMIME_OBJECT(message.get()), format.get()), &g_free);
  return text.get();
}

}  // namespace parley::notification
