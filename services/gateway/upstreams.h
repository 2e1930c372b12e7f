// The services behind the gateway: connections to them, and whether they serve.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/gateway/routes.h"

namespace parley::gateway {

// Thread-safe.
class Upstream {
 public:
  explicit Upstream(const Route& route);

  // For errors: `the event service`.
  const std::string& name() const { return name_; }
  // Over one of the channels, in turn.
  grpc::GenericStub& Stub() const { return *stubs_[next_.fetch_add(1, std::memory_order_relaxed) % kChannels]; }
  // As many connections (to each replica): gRPC reads and writes each of them with one thread at a time.
  static constexpr size_t kChannels = 2;
  const std::array<std::shared_ptr<grpc::Channel>, kChannels>& channels() const { return channels_; }

 private:
  const std::string name_;
  std::array<std::shared_ptr<grpc::Channel>, kChannels> channels_;
  std::array<std::unique_ptr<grpc::GenericStub>, kChannels> stubs_;
  mutable std::atomic<size_t> next_ = 0;
};

class Upstreams {
 public:
  explicit Upstreams(std::vector<Route> routes);

  // Null where no route leads. Thread-safe.
  const Upstream* Find(std::string_view method) const;
  // What the contracts say of a method that is served; null of one that they do not know.
  const google::protobuf::MethodDescriptor* Contract(std::string_view method) const;
  bool IsStream(std::string_view method) const;  // false for one that no contract knows
  bool IsUnary(std::string_view method) const;   // the same
  // Full names of what is served.
  const std::vector<std::string>& services() const { return contracts_.services; }

  // Asks each service for its health over each channel, all at once, and waits for the answers, 1.5 s at the
  // most: not for gRPC's threads. OK, or UNAVAILABLE that names those that do not serve. Not thread-safe, nor is
  // Serves.
  absl::Status AskHealth();
  // As it was when last asked.
  bool Serves(const std::string& service) const;

 private:
  const std::vector<Route> routes_;
  const Contracts contracts_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;  // one for each route
  std::map<std::string, bool> serves_;
};

}  // namespace parley::gateway
