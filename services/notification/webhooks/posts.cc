#include "services/notification/webhooks/posts.h"

#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "services/notification/webhooks/targets.h"

namespace parley::notification {
namespace {

// Nobody wants to know what a receiver answers, beside its status.
constexpr size_t kMaxResponseBytes = size_t{64} << 10;
constexpr size_t kMaxDetailBytes = 200;
constexpr long kMaxIdleConnections = 64;

long Milliseconds(absl::Duration duration) { return static_cast<long>(absl::ToInt64Milliseconds(duration)); }

// To curl 0 means for ever.
long Timeout(absl::Duration duration) { return std::max(Milliseconds(duration), 1L); }

long StatusOf(CURL* easy) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

}  // namespace

struct Posts::Transfer {
  Transfer(int64_t given_id, const Post& post, bool may_be_private)
      : id(given_id), body(post.body), private_targets(may_be_private) {
    // Otherwise curl asks before it sends what is large.
    headers = curl_slist_append(headers, "expect:");
    for (const std::string& header : post.headers) headers = curl_slist_append(headers, header.c_str());
  }
  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  static curl_socket_t OpenSocket(void* user, curlsocktype, curl_sockaddr* address);
  static size_t DropHeader(char* bytes, size_t size, size_t count, void* user);
  static size_t DropBody(char* bytes, size_t size, size_t count, void* user);
  PostResult ResultOf(CURLcode code, absl::Duration timeout) const;
  std::string WrongWith(CURLcode code, absl::Duration timeout) const;

  const int64_t id;
  const std::string body;
  const bool private_targets;
  curl_slist* headers = nullptr;
  CURL* easy = curl_easy_init();
  std::string refused;        // the last address that was not dialled
  size_t response_bytes = 0;  // read so far
  long answered = 0;          // the status, once the headers have come that belong to it
};

curl_socket_t Posts::Transfer::OpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.private_targets && !IsPublic(address->addr)) {
    transfer.refused = ToText(address->addr);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t Posts::Transfer::DropHeader(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(bytes, size * count);
  // What stands before it (100, 103) is no answer.
  if (line == "\r\n" && StatusOf(transfer.easy) >= 200) transfer.answered = StatusOf(transfer.easy);
  transfer.response_bytes += line.size();
  return transfer.response_bytes <= kMaxResponseBytes ? line.size() : 0;
}

size_t Posts::Transfer::DropBody(char*, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.response_bytes += size * count;
  return transfer.response_bytes <= kMaxResponseBytes ? size * count : 0;
}

std::string Posts::Transfer::WrongWith(CURLcode code, absl::Duration timeout) const {
  if (!refused.empty() && code == CURLE_COULDNT_CONNECT) {
    return absl::StrCat("not sent: ", refused, " is not a public address (--webhook-private-targets allows it)");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return absl::StrCat("no answer within ", absl::FormatDuration(timeout));
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    long verified = X509_V_OK;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    // A good one of another host gives curl, but not OpenSSL, a reason.
    const bool good = verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED;
    return absl::StrCat("the certificate is refused: ",
                        good ? "it is not of this host" : X509_verify_cert_error_string(verified));
  }
  return curl_easy_strerror(code);
}

PostResult Posts::Transfer::ResultOf(CURLcode code, absl::Duration timeout) const {
  // Whoever has answered has answered, whatever becomes of the rest of the response.
  const long status = code == CURLE_OK ? StatusOf(easy) : answered;
  if (status == 0) return {0, WrongWith(code, timeout).substr(0, kMaxDetailBytes)};
  PostResult result{static_cast<int>(status), ""};
  if (status >= 300) result.detail = absl::StrCat("the answer was ", status);
  if (status >= 300 && status < 400) result.detail += ": redirects are not followed";
  return result;
}

Posts::Posts(PostSettings settings) : settings_(std::move(settings)), multi_(curl_multi_init(), &curl_multi_cleanup) {
  // Like a failed allocation.
  if (multi_ == nullptr) std::abort();
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
}

Posts::~Posts() { Abandon(); }

void Posts::Begin(int64_t id, const Post& post) {
  auto transfer = std::make_unique<Transfer>(id, post, settings_.private_targets);
  CURL* easy = transfer->easy;
  curl_easy_setopt(easy, CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A name server that hangs holds nobody up.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, Timeout(settings_.timeout));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!settings_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, settings_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    // Else libcurl keeps for a day what it has read: a certificate that is renewed holds soon.
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 30L);
  }
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::OpenSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "parley");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer->body.size()));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::DropHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::DropBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  if (easy != nullptr && curl_multi_add_handle(multi_.get(), easy) == CURLM_OK) {
    under_way_[easy] = std::move(transfer);
  } else {
    never_begun_.emplace_back(id, PostResult{0, "not sent: curl cannot be started"});
  }
}

std::vector<std::pair<int64_t, PostResult>> Posts::TakeEnded() {
  int running = 0;
  curl_multi_perform(multi_.get(), &running);
  auto ended = std::exchange(never_begun_, {});
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto found = under_way_.find(message->easy_handle);
    const CURLcode code = message->data.result;
    ended.emplace_back(found->second->id, found->second->ResultOf(code, settings_.timeout));
    curl_multi_remove_handle(multi_.get(), found->first);
    under_way_.erase(found);
  }
  return ended;
}

std::vector<std::pair<int64_t, PostResult>> Posts::Run(absl::Duration timeout) {
  auto ended = TakeEnded();
  if (!ended.empty()) return ended;
  curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(Milliseconds(timeout)), nullptr);
  return TakeEnded();
}

std::vector<int64_t> Posts::Abandon() {
  std::vector<int64_t> ids;
  for (const auto& [easy, transfer] : under_way_) {
    curl_multi_remove_handle(multi_.get(), easy);
    ids.push_back(transfer->id);
  }
  under_way_.clear();
  return ids;
}

void Posts::Wake() { curl_multi_wakeup(multi_.get()); }

}  // namespace parley::notification
