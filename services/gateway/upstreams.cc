#include "services/gateway/upstreams.h"

#include <algorithm>
#include <list>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "common/status/status.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace parley::gateway {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr absl::Duration kHealthTime = absl::Milliseconds(500);

// An answer may be late. And of replicas it is enough that one serves: another one may just have begun to end, or hang.
// The next question goes to the next of them.
constexpr int kTimesAsked = 3;

// Whether a service serves, as it says over a channel.
struct Question {
  Question(const std::string& name, const std::shared_ptr<grpc::Channel>& channel)
      : service(name), stub(grpc::health::v1::Health::NewStub(channel)) {}
  bool Serves() const { return status.ok() && response.status() == HealthCheckResponse::SERVING; }

  const std::string& service;
  const std::unique_ptr<grpc::health::v1::Health::Stub> stub;
  HealthCheckRequest request;
  HealthCheckResponse response;
  grpc::Status status = grpc::Status::CANCELLED;
};

// Asks again what was not answered by SERVING, all of it at once, and waits for the answers.
void Ask(std::vector<std::unique_ptr<Question>>& questions) {
  std::list<grpc::ClientContext> contexts;
  const auto deadline = absl::ToChronoTime(absl::Now() + kHealthTime);
  absl::BlockingCounter unanswered(
      static_cast<int>(std::ranges::count_if(questions, [](const auto& question) { return !question->Serves(); })));
  for (const auto& question : questions) {
    if (question->Serves()) continue;
    grpc::ClientContext& context = contexts.emplace_back();
    context.set_deadline(deadline);
    question->request.set_service(question->service);
    question->stub->async()->Check(&context, &question->request, &question->response, [&](const grpc::Status& status) {
      question->status = status;
      unanswered.DecrementCount();
    });
  }
  unanswered.Wait();
}

// `the event service` for `parley.event.`.
std::string NameOf(std::string_view prefix) {
  const std::string service = rpc::AudienceOf(absl::StrCat("/", std::string(prefix)));
  return service.empty() ? absl::StrCat("the service of ", std::string(prefix))
                         : absl::StrCat("the ", service, " service");
}

}  // namespace

Upstream::Upstream(const Route& route) : name_(NameOf(route.prefix)) {
  for (size_t i = 0; i < kChannels; ++i) {
    channels_[i] = rpc::MakeChannel(route.address);
    stubs_[i] = std::make_unique<grpc::GenericStub>(channels_[i]);
  }
}

Upstreams::Upstreams(std::vector<Route> routes) : routes_(std::move(routes)), contracts_(ContractsOf(routes_)) {
  for (const Route& route : routes_) upstreams_.push_back(std::make_unique<Upstream>(route));
}

const Upstream* Upstreams::Find(std::string_view method) const {
  const Route* route = FindRoute(routes_, ServiceOf(method));
  return route == nullptr ? nullptr : upstreams_[route - routes_.data()].get();
}

const google::protobuf::MethodDescriptor* Upstreams::Contract(std::string_view method) const {
  const auto found = contracts_.methods.find(absl::string_view(method.data(), method.size()));
  return found == contracts_.methods.end() ? nullptr : found->second;
}

bool Upstreams::IsStream(std::string_view method) const {
  const auto* contract = Contract(method);
  return contract != nullptr && (contract->client_streaming() || contract->server_streaming());
}

bool Upstreams::IsUnary(std::string_view method) const { return Contract(method) != nullptr && !IsStream(method); }

absl::Status Upstreams::AskHealth() {
  // Each channel finds the replicas for itself, and calls over one that has not yet would fail.
  std::vector<std::unique_ptr<Question>> questions;
  for (const std::string& service : contracts_.services) {
    const Route* const route = FindRoute(routes_, service);
    for (const auto& channel : upstreams_[route - routes_.data()]->channels()) {
      questions.push_back(std::make_unique<Question>(service, channel));
    }
  }
  for (int times = 0; times < kTimesAsked; ++times) Ask(questions);
  for (const std::string& service : contracts_.services) serves_[service] = true;
  for (const auto& question : questions) serves_[question->service] &= question->Serves();
  std::vector<std::string> away;
  for (const auto& [service, serves] : serves_) {
    if (!serves) away.push_back(service);
  }
  return away.empty() ? absl::OkStatus() : Unavailable(absl::StrJoin(away, ", "));
}

bool Upstreams::Serves(const std::string& service) const {
  const auto found = serves_.find(service);
  return found != serves_.end() && found->second;
}

}  // namespace parley::gateway
