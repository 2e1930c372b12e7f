#include "services/notification/transport/smtp_transport.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/address/address.h"

namespace parley::notification {
namespace {

using Outcomes = v1::Notification::Attempt;

constexpr size_t kMaxDetailBytes = 200;
// The least that curl takes, more than most mails have. It makes one of twice the size for each mail.
constexpr long kUploadBytes = 16384;
constexpr size_t kMaxRefusalBytes = 1000;
constexpr size_t kCommandBytes = 4;
// By how much curl's own clock is behind ours, so that ours counts.
constexpr absl::Duration kCurlDelay = absl::Seconds(3);

// One mail on its way.
struct Sending {
  std::string_view left;
  const std::stop_token& stop;
  const std::set<int>& sockets;
  absl::Time deadline;
  bool reply_ended = true;   // what comes is another one
  bool handed_over = false;  // the end of the mail was given to curl: from now on the server may have taken it
  std::string refusal = "";  // the server's last reply that was one, as many of its lines as may be kept
  std::string refused = "";  // the command that it was the reply to: MAIL, RCPT, DATA ...
  std::string command = "";  // the last one that the server was given
};

// Without this curl says QUIT at the end, and waits two minutes for the answer of a server that hangs.
void Disconnect(const std::set<int>& sockets) {
  for (const int socket : sockets) shutdown(socket, SHUT_RDWR);
}

curl_socket_t OpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  const int made = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (made < 0) return CURL_SOCKET_BAD;
  static_cast<std::set<int>*>(user)->insert(made);
  return made;
}

int CloseSocket(void* user, curl_socket_t socket) {
  static_cast<std::set<int>*>(user)->erase(socket);
  return close(socket);
}

size_t ReadMail(char* buffer, size_t size, size_t count, void* user) {
  auto& sending = *static_cast<Sending*>(user);
  const size_t bytes = std::min(size * count, sending.left.size());
  std::memcpy(buffer, sending.left.data(), bytes);
  sending.left.remove_prefix(bytes);
  if (sending.left.empty()) sending.handed_over = true;
  return bytes;
}

// Called for whatever happens; nothing of it is written anywhere.
int KeepCommand(CURL*, curl_infotype type, char* bytes, size_t size, void* user) {
  if (type != CURLINFO_HEADER_OUT) return 0;
  static_cast<Sending*>(user)->command = std::string(bytes, std::min(size, kCommandBytes));
  return 0;
}

// Called for each line that the server says: `550-no`, and `550 at all` as the last one of its reply.
size_t KeepRefusal(char* bytes, size_t size, size_t count, void* user) {
  const std::string_view line(bytes, size * count);
  auto& sending = *static_cast<Sending*>(user);
  if (line.starts_with('4') || line.starts_with('5')) {
    if (sending.reply_ended) {
      sending.refusal.clear();
      sending.refused = sending.command;
    }
    sending.refusal += line.substr(0, kMaxRefusalBytes - sending.refusal.size());
  }
  sending.reply_ended = line.size() < 4 || line[3] != '-';
  return line.size();
}

// Asked about once a second, also while curl waits; anything but 0 ends the transfer.
int IsOver(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& sending = *static_cast<Sending*>(user);
  if (!sending.stop.stop_requested() && absl::Now() < sending.deadline) return 0;
  Disconnect(sending.sockets);
  return 1;
}

long ReplyOf(CURL* curl) {
  long reply = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
  return reply;
}

// Whether a connection that was kept had been closed by the server, which curl noticed too late.
bool WasClosedBefore(CURL* curl, CURLcode code, const Sending& sending) {
  const bool broken = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
  if (!broken || sending.handed_over || ReplyOf(curl) >= 400) return false;
  long connections_made = 0;
  curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections_made);
  return connections_made == 0;
}

// RFC 4954: what is wrong is our login, not the mail.
bool IsAboutLogin(long reply) { return reply == 530 || reply == 534 || reply == 535 || reply == 538; }

// Of the codes of addresses (RFC 3463, 3.2; RFC 7505 has 10) those that are about the recipient's. With 5.1.0, 5.1.7
// and 5.1.8 servers refuse the sender's, also in reply to RCPT.
bool IsNoSuchAddress(const Sending& sending) {
  static const std::regex status("5[0-9][0-9][ -]5\\.1\\.([12346]|10)[ \r\n]");
  return sending.refused == "RCPT" &&
         std::regex_search(sending.refusal, status, std::regex_constants::match_continuous);
}

// Whether the name stands in the word by itself, in letters of either case, not as a part of a longer one.
bool HasName(std::string_view word, std::string_view name) {
  const std::string in = absl::AsciiStrToLower(absl::string_view(word.data(), word.size()));
  const std::string what = absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  const auto ends = [&in](size_t i) {
    return i >= in.size() || !absl::ascii_isalnum(static_cast<unsigned char>(in[i]));
  };
  for (size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) {
    if ((at == 0 || ends(at - 1)) && ends(at + what.size())) return true;
  }
  return false;
}

// As the wire wants it: every line ends in CRLF, and there is no NUL.
bool IsWellFormed(std::string_view message) {
  for (size_t i = 0; i < message.size(); ++i) {
    if (message[i] == '\0') return false;
    if (message[i] == '\r' && (i + 1 == message.size() || message[i + 1] != '\n')) return false;
    if (message[i] == '\n' && (i == 0 || message[i - 1] != '\r')) return false;
  }
  return true;
}

long Milliseconds(absl::Duration duration) { return static_cast<long>(absl::ToInt64Milliseconds(duration)); }

SendResult ResultOf(CURLcode code, long reply, const Sending& sending, const std::string& to) {
  if (code == CURLE_OK) return {Outcomes::ACCEPTED, ""};
  const std::string what = reply >= 400                   ? Reduced(sending.refusal, to)
                           : code == CURLE_USE_SSL_FAILED ? "the mail server offers no STARTTLS"
                                                          : std::string(curl_easy_strerror(code));
  // CURLE_SEND_ERROR is how curl tells that MAIL, RCPT or DATA was refused. Other refusals (the greeting, EHLO, AUTH)
  // are not about this mail.
  const bool about_mail = code == CURLE_SEND_ERROR || sending.handed_over;
  if (reply >= 500 && about_mail && !IsAboutLogin(reply)) return {Outcomes::REFUSED, what, IsNoSuchAddress(sending)};
  if (reply < 400 && sending.handed_over) return {Outcomes::UNKNOWN, what};
  return {Outcomes::DEFERRED, what};
}

}  // namespace

std::string SmtpUrlViolation(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  char* path = nullptr;
  const bool bare = code == CURLUE_OK && curl_url_get(parsed.get(), CURLUPART_PATH, &path, 0) == CURLUE_OK &&
                    std::string_view(path) == "/";
  curl_free(path);
  if (!bare || (!url.starts_with("smtp://") && !url.starts_with("smtps://"))) {
    return "must be smtp://host:port or smtps://host:port";
  }
  if (url.find('@') != std::string::npos)
    return "must have no login: that is given by --smtp-username and its password";
  return "";
}

std::string Reduced(std::string_view reply, const std::string& recipient) {
  const std::string local_part = recipient.substr(0, recipient.find('@'));
  std::string text(reply.substr(0, kMaxRefusalBytes));
  for (char& c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = ' ';
  }
  std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  for (std::string& word : words) {
    if (word.find('@') != std::string::npos || HasName(word, local_part)) word = "<address>";
    if (word.find("parley_") != std::string::npos) word = "<key>";
  }
  return absl::StrJoin(words, " ").substr(0, kMaxDetailBytes);
}

SmtpTransport::SmtpTransport(SmtpSettings settings)
    : settings_(std::move(settings)), curl_(curl_easy_init(), &curl_easy_cleanup) {}

SmtpTransport::~SmtpTransport() { Disconnect(sockets_); }

SendResult SmtpTransport::Send(const std::string& from, const std::string& to, const std::string& message,
                               const std::stop_token& stop) {
  if (!ParseAddress(from).ok() || !ParseAddress(to).ok()) return {Outcomes::REFUSED, "not a valid address"};
  if (!IsWellFormed(message)) return {Outcomes::REFUSED, "the mail is not well formed"};
  CURL* curl = curl_.get();
  if (curl == nullptr) return {Outcomes::DEFERRED, "curl cannot be started"};
  Sending sending{message, stop, sockets_, absl::Now() + settings_.timeout};
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> recipients(curl_slist_append(nullptr, to.c_str()),
                                                                      &curl_slist_free_all);
  // Keeps the connection.
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, settings_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(settings_.connect_timeout));
  // In whole seconds.
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                   static_cast<long>(absl::ToInt64Seconds(absl::Ceil(settings_.reply_timeout, absl::Seconds(1)))));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, Milliseconds(settings_.timeout + kCurlDelay));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &sockets_);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, &CloseSocket);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, &sockets_);
  // A name server that hangs holds nobody up at the end.
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  if (!settings_.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, settings_.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, settings_.password.c_str());
  }
  // A password never goes out in the clear.
  if (settings_.starttls || !settings_.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  }
  if (!settings_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (!settings_.verify_certificate) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBytes);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &ReadMail);
  curl_easy_setopt(curl, CURLOPT_READDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &KeepRefusal);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, &KeepCommand);
  curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &IsOver);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &sending);
  CURLcode code = curl_easy_perform(curl);
  if (WasClosedBefore(curl, code, sending)) {
    sending.left = message;
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    code = curl_easy_perform(curl);
  }
  // QUIT, at the end of the connection, comes when the sending is no more.
  curl_easy_setopt(curl, CURLOPT_VERBOSE, 0L);
  return ResultOf(code, ReplyOf(curl), sending, to);
}

}  // namespace parley::notification
