#include "services/gateway/http/cors.h"

#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace parley::gateway::http {
namespace {

constexpr char kOrigin[] = "access-control-allow-origin";
// What clients of Connect and of gRPC-Web may send. A wildcard would not let `authorization` through.
constexpr char kRequestHeaders[] =
    "accept-encoding, authorization, connect-accept-encoding, connect-content-encoding, connect-protocol-version, "
    "connect-timeout-ms, content-encoding, content-type, grpc-message-type, grpc-timeout, parley-act-for, x-grpc-web, "
    "x-user-agent";
constexpr char kAnswerHeaders[] =
    "connect-content-encoding, content-encoding, grpc-message, grpc-status, grpc-status-details-bin, parley-call-id";
// How long the answer to a preflight holds; browsers cut it to what they like.
constexpr char kSeconds[] = "7200";

}  // namespace

absl::StatusOr<Cors> Cors::Parse(std::string_view origins) {
  static const std::regex origin(R"(https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?)");
  Cors cors;
  const absl::string_view text(origins.data(), origins.size());
  for (const absl::string_view each : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::string name(each);
    if (name == "*") {
      cors.is_open_ = true;
    } else if (std::regex_match(name, origin)) {
      cors.origins_.insert(name);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is no origin: https://host or https://host:port, in lower case"));
    }
  }
  return cors;
}

Headers Cors::HeadersFor(const Request& request) const {
  if (is_open_) return {{kOrigin, "*"}, {"access-control-expose-headers", kAnswerHeaders}};
  if (origins_.empty()) return {};
  const std::string origin(request.Header("origin"));
  Headers headers{{"vary", "origin"}};
  if (origins_.contains(origin)) {
    headers.emplace(kOrigin, origin);
    headers.emplace("access-control-expose-headers", kAnswerHeaders);
  }
  return headers;
}

Response Cors::AnswerPreflight(const Request& request) const {
  Response response{204, HeadersFor(request), ""};
  if (response.headers.contains(kOrigin)) {
    response.headers.emplace("access-control-allow-methods", "GET, POST");
    response.headers.emplace("access-control-allow-headers", kRequestHeaders);
    response.headers.emplace("access-control-max-age", kSeconds);
  }
  return response;
}

}  // namespace parley::gateway::http
