#include "common/rpc/channel.h"

#include "absl/time/clock.h"
#include "common/rpc/call.h"

namespace parley::rpc {

namespace {

// Calls go to all servers in turn, but for those that say that they do not serve.
constexpr char kSpread[] =
    R"({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})";

// Whether it is a name that stands for several servers.
bool HasReplicas(std::string_view address) { return address.starts_with("dns:"); }

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  if (HasReplicas(address)) {
    arguments.SetServiceConfigJSON(kSpread);
    // Where one of them is away the name is asked again: at once, but not more often than this.
    arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 5000);
  }
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Despite its name the time that an attempt to connect may take: on a busy machine a tenth of a second is too short.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  // Replicas are sought more often: as long as one that has come back is not known, another one that ends is missed.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, HasReplicas(address) ? 200 : 1000);
  // A server that has vanished without a word is noticed, and streams from it end.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // What costs each call something and is of no use here: retries by policy (nobody sets one), guesses at the bandwidth
  // of a local connection, statistics that nobody asks for.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // A proxy that the environment names is meant for other traffic.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

void SignAsService(grpc::ClientContext& context, const Signer& signer, std::string_view service,
                   std::string_view method, std::string_view call_id, absl::Time deadline) {
  context.AddMetadata(kPrincipalMetadata, signer.Sign(Principal::Service(service), method, absl::Now()));
  context.AddMetadata(kCallIdMetadata, std::string(call_id));
  context.set_deadline(absl::ToChronoTime(deadline));
}

}  // namespace parley::rpc
