#include "services/notification/transport/smtp_transport.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/data/key.h"

namespace parley::notification {
namespace {

using Outcomes = v1::Notification::Attempt;

constexpr size_t kMaxDetailBytes = 200;
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
// By how much curl's own clock is behind ours, so that ours counts.
constexpr absl::Duration kCurlDelay = absl::Seconds(3);

// One mail on its way.
struct Sending {
  std::string_view left;
  const std::stop_token& stop;
  const std::set<int>& sockets;
  absl::Time deadline;
  bool handed_over = false;  // the end of the mail was given to curl: from now on the server may have taken it
  std::string refusal = "";  // the server's last line that was one
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

size_t KeepRefusal(char* line, size_t size, size_t count, void* user) {
  const std::string_view reply(line, size * count);
  if (reply.starts_with('4') || reply.starts_with('5')) static_cast<Sending*>(user)->refusal = reply;
  return reply.size();
}

// Asked about once a second, also while curl waits; anything but 0 ends the transfer.
int IsOver(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& sending = *static_cast<Sending*>(user);
  if (!sending.stop.stop_requested() && absl::Now() < sending.deadline) return 0;
  Disconnect(sending.sockets);
  return 1;
}

// RFC 4954: what is wrong is our login, not the mail.
bool IsAboutLogin(long reply) { return reply == 530 || reply == 534 || reply == 535 || reply == 538; }

SendResult ResultOf(CURLcode code, long reply, const Sending& sending) {
  if (code == CURLE_OK) return {Outcomes::ACCEPTED, ""};
  const std::string what = reply >= 400 ? Reduced(sending.refusal) : std::string(curl_easy_strerror(code));
  // CURLE_SEND_ERROR is how curl tells that MAIL, RCPT or DATA was refused. Other refusals (the greeting, EHLO, AUTH)
  // are not about this mail.
  const bool about_mail = code == CURLE_SEND_ERROR || sending.handed_over;
  if (reply >= 500 && about_mail && !IsAboutLogin(reply)) return {Outcomes::REFUSED, what};
  if (reply < 400 && sending.handed_over) return {Outcomes::UNKNOWN, what};
  return {Outcomes::DEFERRED, what};
}

}  // namespace

std::string Reduced(std::string_view reply) {
  std::string text(reply.substr(0, 1000));
  for (char& c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = ' ';
  }
  std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  for (std::string& word : words) {
    if (word.find('@') != std::string::npos) word = "<address>";
    if (word.find(data::kGuestKeyPrefix) != std::string::npos) word = "<key>";
  }
  return absl::StrJoin(words, " ").substr(0, kMaxDetailBytes);
}

SmtpTransport::SmtpTransport(SmtpSettings settings)
    : settings_(std::move(settings)), curl_(curl_easy_init(), &curl_easy_cleanup) {}

SmtpTransport::~SmtpTransport() { Disconnect(sockets_); }

SendResult SmtpTransport::Send(const std::string& from, const std::string& to, const std::string& message,
                               const std::stop_token& stop) {
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
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(std::min(settings_.timeout, kConnectTimeout))));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(settings_.timeout + kCurlDelay)));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &sockets_);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, &CloseSocket);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, &sockets_);
  // A name server that hangs holds nobody up at the end.
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  if (!settings_.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, settings_.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, settings_.password.c_str());
    // A password never goes out in the clear.
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  }
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &ReadMail);
  curl_easy_setopt(curl, CURLOPT_READDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &KeepRefusal);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &IsOver);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &sending);
  const CURLcode code = curl_easy_perform(curl);
  long reply = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
  return ResultOf(code, reply, sending);
}

}  // namespace parley::notification
