// Which service takes a call: by the package of its method, as the setting `routes` says.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace parley::gateway {

struct Route {
  std::string prefix;   // `parley.event.`
  std::string address;  // as rpc::MakeChannel takes it
};

// From `parley.event.=unix:/path,parley.token.=host:port`. INVALID_ARGUMENT, with a message for the administrator,
// where that is not what it is, a prefix lies within another one, or one opens parley.internal.
absl::StatusOr<std::vector<Route>> ParseRoutes(std::string_view text);

// The package and service of `/parley.event.v1.EventService/GetEvent`; empty where it is no such path.
std::string_view ServiceOf(std::string_view method);

// The route of a service; null where it has none, as all in parley.internal have.
const Route* FindRoute(const std::vector<Route>& routes, std::string_view service);

// What the contracts that are linked into this program say of the services that have a route.
struct Contracts {
  std::vector<std::string> services;  // full names
  // By their paths: `/parley.event.v1.EventService/GetEvent`.
  absl::flat_hash_map<std::string, const google::protobuf::MethodDescriptor*> methods;
};
Contracts ContractsOf(const std::vector<Route>& routes);

}  // namespace parley::gateway
