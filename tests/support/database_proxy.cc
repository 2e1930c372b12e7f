#include "tests/support/database_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace parley::test {
namespace {

constexpr char kSocketName[] = "/.s.PGSQL.5432";
constexpr char kHost[] = "?host=";
constexpr size_t kLengthBytes = 4;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Die("the path of a socket is too long: " + path);
  path.copy(static_cast<char*>(address.sun_path), path.size());
  return address;
}

int MakeSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

bool SendAll(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Empty where the other side has gone.
std::string Received(int from) {
  std::array<char, 65536> bytes;
  const ssize_t size = recv(from, bytes.data(), bytes.size(), 0);
  return size <= 0 ? "" : std::string(bytes.data(), static_cast<size_t>(size));
}

// The size of the first message in the bytes, as far as they tell: a type, but for the very first, and a length that
// counts itself.
size_t MessageSize(std::string_view bytes, bool has_type) {
  const size_t type_bytes = has_type ? 1 : 0;
  if (bytes.size() < type_bytes + kLengthBytes) return type_bytes + kLengthBytes;
  size_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length = length << 8 | static_cast<unsigned char>(bytes[type_bytes + i]);
  return type_bytes + length;
}

bool IsQuery(const std::string& message, const char* text) {
  return message[0] == 'Q' && message.compare(1 + kLengthBytes, std::string::npos, text, std::strlen(text) + 1) == 0;
}

}  // namespace

DatabaseProxy::DatabaseProxy(const std::string& database_url) {
  const size_t host = database_url.find(kHost);
  if (host == std::string::npos) Die("no folder of a socket in " + database_url);
  server_path_ = database_url.substr(host + std::strlen(kHost)) + kSocketName;
  url_ = absl::StrCat(database_url.substr(0, host), kHost, folder_.path());
  const sockaddr_un address = AddressOf(folder_.path() + kSocketName);
  listener_ = MakeSocket();
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, SOMAXCONN) != 0 || pipe2(stop_, O_CLOEXEC) != 0) {
    Die(absl::StrCat("cannot listen: ", std::strerror(errno)));
  }
  thread_ = std::thread([this] { Run(); });
}

DatabaseProxy::~DatabaseProxy() {
  close(stop_[1]);
  thread_.join();
  for (const Connection& connection : connections_) {
    close(connection.client);
    close(connection.server);
  }
  close(stop_[0]);
  close(listener_);
}

void DatabaseProxy::CutAtCommit(Cut cut, std::string statement, std::function<void()> on_cut) {
  absl::MutexLock lock(&mutex_);
  is_armed_ = true;
  cut_ = cut;
  statement_ = std::move(statement);
  on_cut_ = std::move(on_cut);
}

bool DatabaseProxy::HasCut() {
  absl::MutexLock lock(&mutex_);
  return !is_armed_;
}

void DatabaseProxy::Run() {
  for (;;) {
    std::vector<pollfd> files = {{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Connection& connection : connections_) {
      files.push_back({connection.client, POLLIN, 0});
      files.push_back({connection.server, POLLIN, 0});
    }
    if (poll(files.data(), files.size(), -1) < 0) continue;
    if (files[0].revents != 0) return;
    size_t i = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); i += 2) {
      bool goes_on = true;
      if (files[i].revents != 0) goes_on = FromClient(*connection);
      if (goes_on && files[i + 1].revents != 0) goes_on = FromServer(*connection);
      if (!goes_on) {
        close(connection->client);
        close(connection->server);
      }
      connection = goes_on ? std::next(connection) : connections_.erase(connection);
    }
    if (files[1].revents != 0) Accept();
  }
}

void DatabaseProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int server = MakeSocket();
  const sockaddr_un address = AddressOf(server_path_);
  if (client >= 0 && connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    connections_.push_back({client, server});
    return;
  }
  close(server);
  if (client >= 0) close(client);
}

bool DatabaseProxy::FromClient(Connection& connection) {
  const std::string bytes = Received(connection.client);
  if (bytes.empty()) return false;
  connection.unread += bytes;
  for (;;) {
    const size_t size = MessageSize(connection.unread, connection.has_started);
    if (connection.unread.size() < size) return true;
    const std::string message = connection.unread.substr(0, size);
    connection.unread.erase(0, size);
    if (!Forward(connection, message)) return false;
    connection.has_started = true;
  }
}

bool DatabaseProxy::Forward(Connection& connection, const std::string& message) {
  if (!connection.has_started) return SendAll(connection.server, message);
  if (IsQuery(message, "commit")) {
    absl::MutexLock lock(&mutex_);
    if (is_armed_ && absl::StrContains(connection.transaction, statement_)) {
      is_armed_ = false;
      if (cut_ == Cut::kBeforeCommit) {
        on_cut_();
        return false;
      }
      connection.ends_with_answer = true;
    }
  }
  connection.transaction += message;
  if (IsQuery(message, "commit") || IsQuery(message, "rollback")) connection.transaction.clear();
  return SendAll(connection.server, message);
}

bool DatabaseProxy::FromServer(Connection& connection) {
  const std::string bytes = Received(connection.server);
  if (connection.ends_with_answer) {
    absl::MutexLock lock(&mutex_);
    on_cut_();
    return false;
  }
  return !bytes.empty() && SendAll(connection.client, bytes);
}

}  // namespace parley::test
