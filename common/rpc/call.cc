#include "common/rpc/call.h"

#include "common/log/log.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"

namespace parley::rpc {
namespace {

// Longer ones are cut: no caller keeps a worker for longer than this.
constexpr absl::Duration kLongestCall = absl::Seconds(30);
// Far beyond what anybody means is how gRPC says none.
constexpr absl::Duration kLongestDeadline = absl::Hours(24);

// The one value of a metadata key; empty where there is none, or several.
std::string_view MetadataOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto& metadata = context.client_metadata();
  if (metadata.count(key) != 1) return {};
  const grpc::string_ref value = metadata.find(key)->second;
  return {value.data(), value.size()};
}

std::string_view CodeName(absl::StatusCode code) {
  static const auto* names = [] {
    auto* made = new std::vector<std::string>;
    for (int i = 0; i <= 16; ++i) made->push_back(absl::StatusCodeToString(static_cast<absl::StatusCode>(i)));
    return made;
  }();
  return (*names)[static_cast<size_t>(code) < names->size() ? static_cast<size_t>(code) : 2];
}

}  // namespace

absl::StatusOr<Call> CallOf(const grpc::CallbackServerContext& context, std::string_view method,
                            const CallQueue& queue) {
  const absl::Time now = absl::Now();
  PARLEY_ASSIGN_OR_RETURN(auto principal, queue.signer.Verify(MetadataOf(context, kPrincipalMetadata), method, now));
  absl::Time deadline = absl::FromChrono(context.deadline());
  if (deadline > now + kLongestDeadline) deadline = now + queue.default_deadline;
  deadline = std::min(deadline, now + kLongestCall);
  return Call{std::move(principal), std::string(MetadataOf(context, kCallIdMetadata)), now, deadline};
}

grpc::Status EndOf(std::string_view method, const Call& call, const absl::Status& status) {
  if (LogEnabled(LogLevel::kInfo)) {
    const std::string user = call.principal.kind == Principal::Kind::kUser ? call.principal.user_id.ToString() : "";
    Log(LogLevel::kInfo, "call",
        {{"call_id", call.call_id},
         {"method", method},
         {"code", CodeName(status.code())},
         {"duration_us", absl::ToInt64Microseconds(absl::Now() - call.start)},
         {"user", call.principal.kind == Principal::Kind::kService ? call.principal.service : user}});
  }
  return ToGrpc(status, call.call_id);
}

}  // namespace parley::rpc
