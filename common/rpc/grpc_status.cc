#include "common/rpc/grpc_status.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace parley::rpc {

namespace {
constexpr std::string_view kTypePrefix = "type.googleapis.com/";

// Maps have no order of their own: equal errors must be equal bytes, so that a hidden resource and a missing one are.
std::string SerializeInOrder(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status, std::string_view call_id) {
  if (status.ok()) return grpc::Status::OK;
  absl::Status shown = status;
  if (status.code() == absl::StatusCode::kInternal) {
    Log(LogLevel::kError, "internal error", {{"call_id", call_id}, {"error", std::string(status.message())}});
    shown = Internal(absl::StrCat("something unforeseen happened; the service's log tells more under call id ",
                                  std::string(call_id)));
  }
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(shown.code()));
  proto.set_message(std::string(shown.message()));
  shown.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    // Payloads of other types are notes for ourselves.
    if (!absl::StartsWith(type, {kTypePrefix.data(), kTypePrefix.size()})) return;
    auto* detail = proto.add_details();
    detail->set_type_url(std::string(type));
    detail->set_value(std::string(payload));
    google::rpc::ErrorInfo info;
    if (detail->Is<google::rpc::ErrorInfo>() && detail->UnpackTo(&info)) {
      (*info.mutable_metadata())["call_id"] = std::string(call_id);
      detail->set_value(SerializeInOrder(info));
      // First, where a reader looks.
      proto.mutable_details()->SwapElements(0, proto.details_size() - 1);
    }
  });
  const std::string details = proto.details_size() == 0 ? "" : proto.SerializeAsString();
  return {static_cast<grpc::StatusCode>(shown.code()), proto.message(), details};
}

absl::Status FromGrpc(const grpc::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    Log(LogLevel::kWarning, "a service is away", {{"away", what}, {"error", status.error_message()}});
    return Unavailable(what);
  }
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status proto;
  if (proto.ParseFromString(status.error_details())) {
    for (const auto& detail : proto.details()) result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

}  // namespace parley::rpc
