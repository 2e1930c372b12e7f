// The one bridge between our statuses and gRPC's: details travel as google.rpc.Status in `grpc-status-details-bin`.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace parley::rpc {

// As a caller sees it: the ErrorInfo bears the call id, an INTERNAL error has a generic text (its story is logged
// here), a status without details that Parley made gets none.
grpc::Status ToGrpc(const absl::Status& status, std::string_view call_id);

// What another service of ours answered, its details with it. An UNAVAILABLE that gRPC itself made becomes ours:
// `what` is away.
absl::Status FromGrpc(const grpc::Status& status, std::string_view what);

}  // namespace parley::rpc
