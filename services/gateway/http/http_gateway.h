// The gateway's door for HTTP: calls by Connect and gRPC-Web, the guest's page, and unsubscribing.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/gateway/http/calls.h"
#include "services/gateway/http/cors.h"
#include "services/gateway/http/server.h"
#include "services/gateway/http/unsubscribe.h"
#include "services/gateway/upstreams.h"

namespace parley::gateway::http {

class HttpGateway {
 public:
  // `upstreams` and `limiter` must outlive it.
  HttpGateway(const Upstreams& upstreams, rpc::Limiter& limiter, Cors cors, const Limits& limits);

  // Serves on `host:port`, with calls of `server`, which Forwarding stands behind. As Server::Start.
  absl::Status Start(const std::string& listen, grpc::Server& server);
  // As those of Server.
  void Drain() { server_.Drain(); }
  void Stop(absl::Time deadline);

 private:
  void Take(const Request& request, std::shared_ptr<Exchange> exchange);

  const Upstreams& upstreams_;
  rpc::Limiter& limiter_;
  const Cors cors_;
  std::optional<Calls> calls_;
  std::optional<Unsubscribing> unsubscribing_;
  // Last: what it calls must be there until it has stopped.
  Server server_;
};

}  // namespace parley::gateway::http
