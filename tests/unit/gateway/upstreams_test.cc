#include "services/gateway/upstreams.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace parley::gateway {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// A service that serves only those who came over the connections that it has seen first.
class Health final : public grpc::health::v1::Health::CallbackService {
 public:
  void ServeOnly(size_t connections) {
    absl::MutexLock lock(&mutex_);
    served_ = connections;
  }

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const HealthCheckRequest*,
                                  HealthCheckResponse* response) override {
    absl::MutexLock lock(&mutex_);
    if (peers_.size() < served_) peers_.insert(context->peer());
    response->set_status(peers_.contains(context->peer()) ? HealthCheckResponse::SERVING
                                                          : HealthCheckResponse::NOT_SERVING);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  absl::Mutex mutex_;
  size_t served_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> peers_ ABSL_GUARDED_BY(mutex_);
};

// Calls go by all connections in turn, so it is not enough that one of them leads to a service that serves.
class UpstreamsTest : public testing::TestWithParam<const char*> {};

TEST_P(UpstreamsTest, AServiceServesWhereItDoesForEachConnection) {
  Health health;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&health);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Upstreams upstreams(std::vector<Route>{{"parley.event.", absl::StrCat(GetParam(), port)}});
  for (const size_t connections : {0, 1, 2}) {
    health.ServeOnly(connections);
    EXPECT_EQ(upstreams.AskHealth().ok(), connections == 2);
    EXPECT_EQ(upstreams.Serves("parley.event.v1.EventService"), connections == 2);
  }
}

INSTANTIATE_TEST_SUITE_P(OneOrReplicas, UpstreamsTest, testing::Values("127.0.0.1:", "dns:///localhost:"));

}  // namespace
}  // namespace parley::gateway
