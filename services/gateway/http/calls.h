// Calls that come by HTTP: each becomes a call of gRPC within this process, which the same Forwarding takes as those
// from outside, with its keys, limits, deadlines and log. What the contracts know can be called. Thread-safe.
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <memory>

#include "common/rpc/limiter.h"
#include "services/gateway/http/message.h"
#include "services/gateway/upstreams.h"

namespace parley::gateway::http {

class Calls {
 public:
  // `channel` leads to Forwarding, whose limiter counts what does not get that far, too. All must outlive it.
  Calls(const Upstreams& upstreams, rpc::Limiter& limiter, const std::shared_ptr<grpc::Channel>& channel)
      : upstreams_(upstreams), limiter_(limiter), stub_(channel) {}

  // Whether it is the path of a call, of whatever method.
  static bool IsCall(std::string_view path);
  // Answers it, with these headers besides.
  void Take(const Request& request, std::shared_ptr<Exchange> exchange, const Headers& headers);

 private:
  const Upstreams& upstreams_;
  rpc::Limiter& limiter_;
  grpc::GenericStub stub_;
};

}  // namespace parley::gateway::http
