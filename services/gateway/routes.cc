#include "services/gateway/routes.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor_database.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace parley::gateway {
namespace {

constexpr std::string_view kInternal = "parley.internal.";

bool IsName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.'; });
}

absl::Status BadRoute(std::string_view route, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("routes (PARLEY_ROUTES): `", std::string(route), "` ", std::string(why)));
}

}  // namespace

absl::StatusOr<std::vector<Route>> ParseRoutes(std::string_view text) {
  std::vector<Route> routes;
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    const std::string route(absl::StripAsciiWhitespace(part));
    const size_t equals = route.find('=');
    const std::string prefix = route.substr(0, equals);
    if (equals == std::string::npos || equals + 1 == route.size()) {
      return BadRoute(route, "is not PREFIX=ADDRESS, such as parley.event.=unix:/run/event.sock");
    }
    if (!IsName(prefix) || prefix.size() < 2 || prefix.back() != '.') {
      return BadRoute(route, "must begin with a package and a dot, such as parley.event.");
    }
    if (prefix.starts_with(kInternal) || kInternal.starts_with(prefix)) {
      return BadRoute(route, "would open parley.internal, which has no route");
    }
    for (const Route& other : routes) {
      if (prefix.starts_with(other.prefix) || other.prefix.starts_with(prefix)) {
        return BadRoute(route, absl::StrCat("and ", other.prefix, " are for the same calls"));
      }
    }
    routes.push_back({prefix, route.substr(equals + 1)});
  }
  return routes;
}

std::string_view ServiceOf(std::string_view method) {
  if (!method.starts_with('/')) return {};
  method.remove_prefix(1);
  const size_t slash = method.find('/');
  if (slash == std::string_view::npos || !IsName(method.substr(slash + 1))) return {};
  const std::string_view service = method.substr(0, slash);
  return IsName(service) ? service : std::string_view();
}

const Route* FindRoute(const std::vector<Route>& routes, std::string_view service) {
  const auto found =
      std::find_if(routes.begin(), routes.end(), [&](const Route& route) { return service.starts_with(route.prefix); });
  return found == routes.end() ? nullptr : &*found;
}

Contracts ContractsOf(const std::vector<Route>& routes) {
  using google::protobuf::DescriptorPool;
  // The only list of what is linked: a service that is added to the contracts is here without being named by anybody.
  std::vector<std::string> files;
  DescriptorPool::internal_generated_database()->FindAllFileNames(&files);
  Contracts contracts;
  for (const std::string& name : files) {
    const auto* file = DescriptorPool::generated_pool()->FindFileByName(name);
    for (int i = 0; i < file->service_count(); ++i) {
      const auto* service = file->service(i);
      if (FindRoute(routes, service->full_name()) == nullptr) continue;
      contracts.services.push_back(service->full_name());
      for (int j = 0; j < service->method_count(); ++j) {
        const auto* method = service->method(j);
        contracts.methods[absl::StrCat("/", service->full_name(), "/", method->name())] = method;
      }
    }
  }
  std::sort(contracts.services.begin(), contracts.services.end());
  return contracts;
}

}  // namespace parley::gateway
