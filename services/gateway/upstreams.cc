#include "services/gateway/upstreams.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "common/status/status.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace parley::gateway {
namespace {

constexpr absl::Duration kHealthTime = absl::Milliseconds(500);

// Of replicas it is enough that one serves: another one may just have begun to end, or hang. The next question goes to
// the next of them.
constexpr int kReplicasAsked = 3;

bool AskHealth(const std::string& service, const std::shared_ptr<grpc::Channel>& channel) {
  using grpc::health::v1::HealthCheckResponse;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kHealthTime));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  return stub->Check(&context, request, &response).ok() && response.status() == HealthCheckResponse::SERVING;
}

// `the event service` for `parley.event.`.
std::string NameOf(std::string_view prefix) {
  const std::string service = rpc::AudienceOf(absl::StrCat("/", std::string(prefix)));
  return service.empty() ? absl::StrCat("the service of ", std::string(prefix))
                         : absl::StrCat("the ", service, " service");
}

}  // namespace

Upstream::Upstream(const Route& route)
    : name_(NameOf(route.prefix)), asked_(rpc::HasReplicas(route.address) ? kReplicasAsked : 1) {
  for (size_t i = 0; i < kChannels; ++i) {
    channels_[i] = rpc::MakeChannel(route.address);
    stubs_[i] = std::make_unique<grpc::GenericStub>(channels_[i]);
  }
}

// Each channel finds the replicas for itself: calls over one that has not yet would fail.
bool Upstream::Serves(const std::string& service) const {
  return std::ranges::all_of(channels_, [&](const std::shared_ptr<grpc::Channel>& channel) {
    for (int left = asked_; left > 0; --left) {
      if (AskHealth(service, channel)) return true;
    }
    return false;
  });
}

Upstreams::Upstreams(std::vector<Route> routes) : routes_(std::move(routes)), contracts_(ContractsOf(routes_)) {
  for (const Route& route : routes_) upstreams_.push_back(std::make_unique<Upstream>(route));
}

const Upstream* Upstreams::Find(std::string_view method) const {
  const Route* route = FindRoute(routes_, ServiceOf(method));
  return route == nullptr ? nullptr : upstreams_[route - routes_.data()].get();
}

bool Upstreams::IsStream(std::string_view method) const {
  const auto found = contracts_.is_stream.find(absl::string_view(method.data(), method.size()));
  return found != contracts_.is_stream.end() && found->second;
}

bool Upstreams::IsUnary(std::string_view method) const {
  const auto found = contracts_.is_stream.find(absl::string_view(method.data(), method.size()));
  return found != contracts_.is_stream.end() && !found->second;
}

absl::Status Upstreams::AskHealth() {
  std::vector<std::string> away;
  for (const std::string& service : contracts_.services) {
    const bool serves = upstreams_[FindRoute(routes_, service) - routes_.data()]->Serves(service);
    serves_[service] = serves;
    if (!serves) away.push_back(service);
  }
  return away.empty() ? absl::OkStatus() : Unavailable(absl::StrJoin(away, ", "));
}

bool Upstreams::Serves(const std::string& service) const {
  const auto found = serves_.find(service);
  return found != serves_.end() && found->second;
}

}  // namespace parley::gateway
