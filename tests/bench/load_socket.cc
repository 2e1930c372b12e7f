#include "tests/bench/load_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace parley::bench {
namespace {

absl::StatusOr<int> ConnectTo(int family, const sockaddr* to, socklen_t size) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  const timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int yes = 1;
  if (family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  if (connect(fd, to, size) == 0) return fd;
  const int error = errno;
  close(fd);
  return absl::UnavailableError(error == EINPROGRESS ? "nobody answers" : strerror(error));
}

absl::StatusOr<int> ConnectToPath(const std::string& path) {
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof(to.sun_path)) return absl::InvalidArgumentError("the path is too long");
  path.copy(to.sun_path, path.size());
  return ConnectTo(AF_UNIX, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

absl::StatusOr<int> ConnectToHost(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("is neither host:port nor unix:/path");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, &freeaddrinfo);
  absl::StatusOr<int> fd;
  for (const addrinfo* each = found; each != nullptr && !fd.ok(); each = each->ai_next) {
    fd = ConnectTo(each->ai_family, each->ai_addr, each->ai_addrlen);
  }
  return fd;
}

}  // namespace

absl::StatusOr<int> ConnectTo(const std::string& address) {
  auto fd = address.starts_with("unix:") ? ConnectToPath(address.substr(5)) : ConnectToHost(address);
  if (fd.ok()) return fd;
  return absl::Status(fd.status().code(), absl::StrCat(address, ": ", std::string(fd.status().message())));
}

}  // namespace parley::bench
