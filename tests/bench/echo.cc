// A service that answers at once with what it is given, whoever calls: direct, and through the gateway of the
// benchmarks, whose cost it shows.
#include "common/config/config.h"
#include "common/rpc/server.h"
#include "tests/bench/echo.grpc.pb.h"

namespace parley::bench {
namespace {

class EchoServer final : public v1::EchoService::CallbackService {
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const v1::EchoMessage* request,
                                 v1::EchoMessage* response) override {
    *response = *request;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  parley::rpc::ServerSettings settings;
  parley::Config config("parley-bench-echo", "Answers with what it is given.");
  settings.AddTo(config);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  parley::rpc::StartProcess("bench-echo", settings);
  parley::bench::EchoServer server;
  return parley::rpc::Serve(settings, {.names = {parley::bench::v1::EchoService::service_full_name()},
                                       .services = {&server},
                                       .ready = [] { return absl::OkStatus(); }});
}
