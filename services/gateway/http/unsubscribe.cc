#include "services/gateway/http/unsubscribe.h"

#include <kainjow/mustache.hpp>

#include "services/gateway/http/page.h"
#include "services/gateway/metadata.h"

namespace parley::gateway::http {
namespace {

constexpr std::string_view kPath = "/unsubscribe/";

// Shows this section of the page.
Response Page(int status, const std::string& section) {
  kainjow::mustache::mustache page{std::string(PageFile("unsubscribe.html"))};
  return HtmlPage(status, page.render(kainjow::mustache::data{section, true}));
}

Response PageFor(const grpc::Status& status) {
  if (status.ok()) return Page(200, "done");
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) return Page(404, "invalid");
  return Page(503, "unavailable");
}

}  // namespace

bool Unsubscribing::IsUnder(std::string_view path) { return path.starts_with(kPath); }

void Unsubscribing::Take(const Request& request, std::shared_ptr<Exchange> exchange) {
  if (request.method == "GET" || request.method == "HEAD") return exchange->Send(Page(200, "ask"));
  if (request.method != "POST") return exchange->Send({405, {{"allow", "GET, HEAD, POST"}}, ""});
  struct Call {
    grpc::ClientContext context;
    notification::v1::UnsubscribeRequest request;
    google::protobuf::Empty response;
  };
  const auto call = std::make_shared<Call>();
  call->context.AddMetadata(kClientMetadata, request.client);
  call->request.set_token(request.path.substr(kPath.size()));
  stub_->async()->Unsubscribe(&call->context, &call->request, &call->response,
                              [call, exchange = std::move(exchange)](const grpc::Status& status) {
                                exchange->Post([exchange, status] { exchange->Send(PageFor(status)); });
                              });
}

}  // namespace parley::gateway::http
