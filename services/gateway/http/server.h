// HTTP/1.1 (RFC 9112) over TCP: connections, their limits and their end. What is asked, and what the answer is, it does
// not know. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/gateway/http/message.h"

namespace parley::gateway::http {

struct Limits {
  size_t max_connections = 10000;  // further ones are closed at once
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = 1 << 20;
  // For how long a connection may say nothing between two requests.
  absl::Duration idle = absl::Seconds(75);
  // Within which a request that has begun must be there, and what is sent be taken.
  absl::Duration patience = absl::Seconds(30);
};

class Server {
 public:
  // Called for each request, on one of the server's two threads, for which it must not wait: answers through the
  // exchange then or later.
  using Handler = std::function<void(const Request& request, std::shared_ptr<Exchange> exchange)>;

  Server(const Limits& limits, Handler handler);
  ~Server();  // as Stop without any time
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves on `host:port` from now on. INVALID_ARGUMENT, with a message for the administrator, where that is no
  // address, UNAVAILABLE where nothing can listen there.
  absl::Status Start(const std::string& listen);
  // Takes no more connections, and closes each as soon as it has no request to answer.
  void Drain();
  // Waits for the answers that are under way, until the deadline at the most, and ends. Calls nothing from then on.
  void Stop(absl::Time deadline);

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace parley::gateway::http
