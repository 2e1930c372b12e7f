#include "tests/bench/load_call.h"

#include <nghttp2/nghttp2.h>

#include "absl/strings/str_cat.h"

namespace parley::bench {
namespace {

// A byte that says whether the message is compressed, and its length in four.
constexpr size_t kPrefix = 5;

uint32_t LengthIn(const std::string& framed) {
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefix; ++i) length = length << 8 | static_cast<uint8_t>(framed[i]);
  return length;
}

}  // namespace

void SetRequest(const google::protobuf::Message& message, Call& call) {
  const size_t length = message.ByteSizeLong();
  call.request.resize(kPrefix + length);
  call.request[0] = 0;
  for (size_t i = 1; i < kPrefix; ++i) call.request[i] = static_cast<char>(length >> 8 * (kPrefix - 1 - i));
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(call.request.data() + kPrefix));
  call.sent = 0;
  call.http_status = 0;
  call.grpc_status = -1;
  call.grpc_message.clear();
  call.reset = NGHTTP2_NO_ERROR;
  call.reply.clear();
}

absl::Status GetAnswer(const Call& call, google::protobuf::Message& message) {
  if (call.grpc_status > 0) return {static_cast<absl::StatusCode>(call.grpc_status), call.grpc_message};
  if (call.http_status != 0 && call.http_status != 200) {
    return absl::UnknownError(absl::StrCat("HTTP status ", call.http_status));
  }
  if (call.grpc_status < 0) {
    return absl::UnknownError(
        absl::StrCat("the stream has ended without a status: HTTP/2 says ", nghttp2_http2_strerror(call.reset)));
  }
  const std::string& reply = call.reply;
  if (reply.size() < kPrefix || reply[0] != 0 || LengthIn(reply) != reply.size() - kPrefix ||
      !message.ParseFromArray(reply.data() + kPrefix, static_cast<int>(reply.size() - kPrefix))) {
    return absl::UnknownError(absl::StrCat("no message in ", reply.size(), " bytes of answer"));
  }
  return absl::OkStatus();
}

absl::Status Wrong(const google::protobuf::Message& answer) {
  std::string text = answer.ShortDebugString();
  if (text.size() > 1000) text.replace(1000, std::string::npos, " ...");
  return absl::DataLossError("not what was asked for: " + text);
}

}  // namespace parley::bench
