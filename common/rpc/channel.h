// Calls from one of Parley's services to another: the channel, and the context that is signed as the service's own.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/rpc/principal.h"

namespace parley::rpc {

// `address`: `unix:/path` or `host:port`, one server; or `dns:///name:port`, all those to which the name leads, which
// take calls in turn. Connects again by itself, within a second. Each channel has connections of its own. Thread-safe.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

// Prepares a call of `method` (`/package.Service/Method`) by `service`.
void SignAsService(grpc::ClientContext& context, const Signer& signer, std::string_view service,
                   std::string_view method, std::string_view call_id, absl::Time deadline);

}  // namespace parley::rpc
