#include <iostream>

#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/rpc/channel.h"
#include "common/rpc/limiter.h"
#include "common/rpc/server.h"
#include "services/gateway/authenticator.h"
#include "services/gateway/credentials.h"
#include "services/gateway/forwarding.h"
#include "services/gateway/http/cors.h"
#include "services/gateway/http/http_gateway.h"
#include "services/gateway/routes.h"
#include "services/gateway/upstreams.h"

int main(int argc, char** argv) {
  using namespace parley;

  rpc::ServerSettings settings;
  // Its clients are not ours to send about.
  settings.connection_age = absl::InfiniteDuration();
  std::string routes_text, token_address, secrets;
  int calls_per_second = 1000;
  int burst = 2000;
  int bad_keys_per_second = 20;
  int bad_keys_burst = 100;
  // Longer than a service takes to send such a reader away with an error.
  absl::Duration slow_reader = absl::Seconds(30);
  std::string http_listen, cors_origins;
  int http_connections = 10000;
  Config config("parley-gateway", "The door: who are you, how much may you send, and which service takes it?");
  settings.AddTo(config);
  config.Add(
      "routes", routes_text,
      "Which service takes which calls: parley.event.=ADDRESS,parley.token.=ADDRESS and so on, where an address is "
      "unix:/path, host:port, or dns:///name:port where the name leads to several replicas, which take calls in turn.");
  config.Required();
  config.Add("token-address", token_address,
             "Where the token service is, which knows all keys; an address as in routes.");
  config.Required();
  config.AddSecret("principal-secrets", secrets, "One or two secrets that Parley's processes share, a line each.");
  config.Add("calls-per-second", calls_per_second, "How often a caller may call in the long run.", 1, 1000000);
  config.Add("burst", burst, "How many calls a caller may make at once.", 1, 1000000);
  config.Add("bad-keys-per-second", bad_keys_per_second,
             "How many bad keys an address may try in the long run. Beyond it only keys that were good in the last ten "
             "minutes are let in from there.",
             1, 1000000);
  config.Add("bad-keys-burst", bad_keys_burst, "How many bad keys an address may try at once.", 1, 1000000);
  config.Add("slow-reader", slow_reader,
             "A stream whose reader takes nothing for as long is given up, and a call whose request does not come.");
  config.Add(
      "http-listen", http_listen,
      "Where to serve HTTP, host:port: calls by Connect and gRPC-Web, and the page for guests. Without it there is "
      "no HTTP.");
  config.Add("http-connections", http_connections, "How many connections of HTTP may be open; more are closed.", 1,
             1000000);
  config.Add(
      "cors-origins", cors_origins,
      "Whose pages may call by HTTP besides the gateway's own: https://app.example,https://other.example, or * for "
      "all.");
  if (auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(secrets);
  const auto routes = gateway::ParseRoutes(routes_text);
  const auto cors = gateway::http::Cors::Parse(cors_origins);
  for (const absl::Status& status : {signer.status(), routes.status(), cors.status()}) {
    if (status.ok()) continue;
    std::cerr << "parley-gateway: " << status.message() << "\n";
    return 2;
  }

  rpc::StartProcess("gateway", settings);
  gateway::Upstreams upstreams(*routes);
  rpc::Limiter bad_keys(absl::Seconds(1) / bad_keys_per_second, bad_keys_burst);
  gateway::Authenticator authenticator(gateway::CheckWith(rpc::MakeChannel(token_address), *signer), bad_keys);
  rpc::Limiter limiter(absl::Seconds(1) / calls_per_second, burst);
  gateway::Forwarding forwarding(upstreams, *signer, authenticator, limiter, settings.default_deadline, slow_reader);
  gateway::http::HttpGateway http(upstreams, limiter, *cors,
                                  {.max_connections = static_cast<size_t>(http_connections), .patience = slow_reader});
  return rpc::Serve(settings, {.names = upstreams.services(),
                               .services = {},
                               .generic = &forwarding,
                               .start =
                                   [&](grpc::Server& server) {
                                     return http_listen.empty() ? absl::OkStatus() : http.Start(http_listen, server);
                                   },
                               .ready = [&upstreams] { return upstreams.AskHealth(); },
                               .serves = [&upstreams](const std::string& name) { return upstreams.Serves(name); },
                               .drain =
                                   [&](absl::Time deadline) {
                                     http.Drain();
                                     forwarding.Drain();
                                     // Calls that come by gRPC meanwhile need the rest of the time.
                                     const absl::Time now = absl::Now();
                                     http.Stop(now + (deadline - now) / 2);
                                   }});
}
