#include "services/gateway/http/http_gateway.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/page.h"

namespace parley::gateway::http {

HttpGateway::HttpGateway(const Upstreams& upstreams, rpc::Limiter& limiter, Cors cors, const Limits& limits)
    : upstreams_(upstreams),
      limiter_(limiter),
      cors_(std::move(cors)),
      server_(limits, [this](const Request& request, std::shared_ptr<Exchange> exchange) {
        Take(request, std::move(exchange));
      }) {}

absl::Status HttpGateway::Start(const std::string& listen, grpc::Server& server) {
  grpc::ChannelArguments arguments;
  // Services send what they like: what they may send is bounded there.
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = server.InProcessChannel(arguments);
  calls_.emplace(upstreams_, limiter_, channel);
  unsubscribing_.emplace(channel);
  absl::Status started = server_.Start(listen);
  if (started.ok()) return started;
  Stop(absl::InfinitePast());
  return {started.code(), absl::StrCat("cannot serve HTTP on ", listen, " (PARLEY_HTTP_LISTEN): ", started.message())};
}

void HttpGateway::Stop(absl::Time deadline) {
  server_.Stop(deadline);
  // They hold the channel, which must be gone before its server.
  calls_.reset();
  unsubscribing_.reset();
}

void HttpGateway::Take(const Request& request, std::shared_ptr<Exchange> exchange) {
  if (Calls::IsCall(request.path)) {
    if (request.method == "OPTIONS") return exchange->Send(cors_.AnswerPreflight(request));
    return calls_->Take(request, std::move(exchange), cors_.HeadersFor(request));
  }
  if (Unsubscribing::IsUnder(request.path)) return unsubscribing_->Take(request, std::move(exchange));
  auto page = PageUnder(request);
  if (!page) return exchange->Send({404, {{"content-type", "text/plain"}}, "there is nothing here\n"});
  if (request.method != "GET" && request.method != "HEAD") {
    return exchange->Send(
        {405, {{"allow", "GET, HEAD"}, {"content-type", "text/plain"}}, "a page is fetched by GET\n"});
  }
  exchange->Send(*std::move(page));
}

}  // namespace parley::gateway::http
