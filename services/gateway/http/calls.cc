#include "services/gateway/http/calls.h"

#include <google/protobuf/descriptor.pb.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/rpc/call.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "services/gateway/call_id.h"
#include "services/gateway/http/json.h"
#include "services/gateway/http/wire.h"
#include "services/gateway/metadata.h"

namespace parley::gateway::http {
namespace {

using google::protobuf::MethodDescriptor;

constexpr char kContentTypes[] =
    "application/json, application/proto, application/connect+json, application/connect+proto, "
    "application/grpc-web+proto, application/grpc-web+json, application/grpc-web-text";

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return "";
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

Headers HeadersOf(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  Headers headers;
  for (const auto& [key, value] : metadata) {
    std::string name(key.data(), key.size());
    if (name.starts_with("grpc-") || name == "content-type") continue;
    headers.emplace(std::move(name), std::string(value.data(), value.size()));
  }
  return headers;
}

// What a call needs, however it is made.
struct Parts {
  const MethodDescriptor* method;
  std::string path;
  Wire wire;
  Headers headers;  // of the answer
  std::shared_ptr<Exchange> exchange;
};

Response WithHeaders(Response response, const Headers& headers) {
  response.headers.insert(headers.begin(), headers.end());
  return response;
}

absl::StatusOr<std::string> Encoded(const Parts& parts, const grpc::ByteBuffer& message) {
  std::string bytes = BytesOf(message);
  if (!parts.wire.is_json) return bytes;
  return ToJson(*parts.method->output_type(), bytes);
}

// The end of a call whose answer cannot be encoded, under the id that its initial metadata tell.
grpc::Status Unencoded(const absl::Status& status, const Headers& initial) {
  const auto call_id = initial.find(rpc::kCallIdMetadata);
  return rpc::ToGrpc(status, call_id == initial.end() ? "" : call_id->second);
}

// Answers a call that was not made: its sender has got HTTP, the protocol or JSON wrong.
void Refuse(const Parts& parts, const absl::Status& status) {
  const std::string call_id = MakeCallId();
  Log(LogLevel::kInfo, "call",
      {{"call_id", call_id},
       {"method", parts.method == nullptr ? std::string_view() : std::string_view(parts.path)},
       {"code", absl::StatusCodeToString(status.code())},
       {"duration_us", int64_t{0}},
       {"user", std::string_view()}});
  const End end{rpc::ToGrpc(status, call_id), {{rpc::kCallIdMetadata, call_id}}, {}};
  parts.exchange->Send(WithHeaders(UnaryAnswer(parts.wire, end, ""), parts.headers));
}

void Prepare(grpc::ClientContext& context, const Headers& metadata, const std::string& client, absl::Duration timeout) {
  for (const auto& [name, value] : metadata) {
    if (name != kClientMetadata) context.AddMetadata(name, value);
  }
  context.AddMetadata(kClientMetadata, client);
  if (timeout != absl::InfiniteDuration()) context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  UnaryCall(Parts parts, const std::string& message) : parts_(std::move(parts)), request_(ToBuffer(message)) {}

  grpc::ClientContext& context() { return context_; }

  void Start(grpc::GenericStub& stub) {
    const auto self = shared_from_this();
    parts_.exchange->OnGone([self] { self->context_.TryCancel(); });
    stub.UnaryCall(&context_, parts_.path, {}, &request_, &response_, [self](const grpc::Status& status) {
      // JSON takes its time, which gRPC's threads have not.
      self->parts_.exchange->Post([self, status] { self->Answer(status); });
    });
  }

 private:
  void Answer(const grpc::Status& status) {
    End end{status, HeadersOf(context_.GetServerInitialMetadata()), HeadersOf(context_.GetServerTrailingMetadata())};
    std::string message;
    if (status.ok()) {
      auto encoded = Encoded(parts_, response_);
      if (encoded.ok()) {
        message = *std::move(encoded);
      } else {
        end.status = Unencoded(encoded.status(), end.initial);
      }
    }
    parts_.exchange->Send(WithHeaders(UnaryAnswer(parts_.wire, end, message), parts_.headers));
  }

  const Parts parts_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

// A stream of answers to one request. The next message is read only after the one before was taken by the client.
class StreamCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  StreamCall(Parts parts, const std::string& message) : parts_(std::move(parts)), request_(ToBuffer(message)) {}

  grpc::ClientContext& context() { return *context_; }

  void Start(grpc::GenericStub& stub, std::shared_ptr<StreamCall> self) {
    self_ = std::move(self);
    parts_.exchange->OnGone([context = context_] { context->TryCancel(); });
    stub.PrepareBidiStreamingCall(context_.get(), parts_.path, {}, this);
    // One until the last read: reads are started by the client's taking.
    AddHold();
    StartWriteLast(&request_, {});
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return RemoveHold();
    parts_.exchange->Post([self = self_] { self->Pass(); });
  }

  void OnDone(const grpc::Status& status) override {
    // What it posts may be done, and we be gone, before Post returns.
    const auto exchange = parts_.exchange;
    exchange->Post([self = std::move(self_), status] { self->Finish(status); });
  }

 private:
  void Pass() {
    const auto message = Encoded(parts_, response_);
    if (!message.ok()) {
      unencoded_ = message.status();
      context_->TryCancel();
      return RemoveHold();
    }
    Begin();
    parts_.exchange->Write(StreamMessage(parts_.wire, *message), [self = self_](bool is_taken) {
      if (is_taken) return self->StartRead(&self->response_);
      self->context_->TryCancel();
      self->RemoveHold();
    });
  }

  void Begin() {
    if (std::exchange(has_begun_, true)) return;
    parts_.exchange->Begin(
        WithHeaders(StreamHead(parts_.wire, HeadersOf(context_->GetServerInitialMetadata())), parts_.headers));
  }

  void Finish(const grpc::Status& status) {
    Begin();
    const Headers initial = HeadersOf(context_->GetServerInitialMetadata());
    const End end{unencoded_.ok() ? status : Unencoded(unencoded_, initial),
                  {},
                  HeadersOf(context_->GetServerTrailingMetadata())};
    parts_.exchange->Write(StreamEnd(parts_.wire, end), [](bool) {});
    parts_.exchange->End();
  }

  const Parts parts_;
  // Held by whoever may cancel it as well.
  const std::shared_ptr<grpc::ClientContext> context_ = std::make_shared<grpc::ClientContext>();
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::shared_ptr<StreamCall> self_;  // until gRPC is done with it
  bool has_begun_ = false;
  absl::Status unencoded_;
};

Response PlainText(int status, Headers headers, const std::string& text) {
  headers.emplace("content-type", "text/plain");
  return {status, std::move(headers), text + "\n"};
}

// The answer to a request that is no call of the method, as HTTP has it; nothing where it is one.
std::optional<Response> RefuseHttp(const MethodDescriptor& method, const Request& request,
                                   const std::optional<Wire>& wire) {
  using google::protobuf::MethodOptions;
  const bool is_stream = method.server_streaming();
  const bool may_get = !is_stream && method.options().idempotency_level() == MethodOptions::NO_SIDE_EFFECTS;
  if (request.method == "GET" && may_get) return std::nullopt;
  if (request.method != "POST") {
    return PlainText(405, {{"allow", may_get ? "GET, POST" : "POST"}},
                     absl::StrCat(method.name(), " is called by ", may_get ? "GET or POST" : "POST"));
  }
  const bool fits = wire && (wire->protocol == Wire::Protocol::kGrpcWeb ||
                             is_stream == (wire->protocol == Wire::Protocol::kConnectStream));
  if (!fits) {
    return PlainText(
        415, {{"accept-post", kContentTypes}},
        absl::StrCat(method.name(), is_stream ? " answers with a stream" : " answers with one message",
                     ": the content-type must be ", is_stream ? "application/connect+json" : "application/json",
                     ", or another one that fits of those that the header accept-post names"));
  }
  if (is_stream && !request.takes_chunks) return PlainText(505, {}, "streams need HTTP/1.1");
  return std::nullopt;
}

}  // namespace

bool Calls::IsCall(std::string_view path) {
  // `/package.Service/Method`
  const size_t slash = path.find('/', 1);
  return slash != std::string_view::npos && path.substr(0, slash).find('.') != std::string_view::npos;
}

void Calls::Take(const Request& request, std::shared_ptr<Exchange> exchange, const Headers& headers) {
  Parts parts{upstreams_.Contract(request.path), request.path, {}, headers, std::move(exchange)};
  // Answers tell of persons, and each is for one caller.
  parts.headers.emplace("cache-control", "no-store");
  parts.headers.emplace("x-content-type-options", "nosniff");
  const auto wire = WireOf(request.Header("content-type"));
  if (wire) parts.wire = *wire;
  // Counted as calls that Forwarding refuses.
  const auto refuse = [&](const absl::Status& status) {
    const absl::Status limit = limiter_.Take(CallerAt(request.client));
    Refuse(parts, limit.ok() ? status : limit);
  };
  const MethodDescriptor* const method = parts.method;
  if (method == nullptr || method->client_streaming()) {
    return refuse(absl::UnimplementedError("there is no such method, or none that can be called by HTTP"));
  }
  if (auto response = RefuseHttp(*method, request, wire)) {
    return parts.exchange->Send(WithHeaders(*std::move(response), parts.headers));
  }
  if (request.is_too_large) return refuse(absl::ResourceExhaustedError("the request is too large"));

  const bool is_get = request.method == "GET";
  if (is_get) parts.wire = Wire{};
  auto message = is_get ? MessageInQuery(ParseQuery(request.query), parts.wire) : MessageIn(parts.wire, request);
  if (message.ok() && parts.wire.is_json) {
    message = ToBinary(*method->input_type(), *message);
  } else if (message.ok()) {
    const absl::Status readable = CheckBinary(*method->input_type(), *message);
    if (!readable.ok()) message = readable;
  }
  const auto timeout = TimeoutOf(parts.wire, request);
  const auto metadata = MetadataIn(request);
  for (const absl::Status& status : {message.status(), timeout.status(), metadata.status()}) {
    if (!status.ok()) return refuse(status);
  }
  if (method->server_streaming()) {
    const auto call = std::make_shared<StreamCall>(std::move(parts), *message);
    Prepare(call->context(), *metadata, request.client, *timeout);
    call->Start(stub_, call);
  } else {
    const auto call = std::make_shared<UnaryCall>(std::move(parts), *message);
    Prepare(call->context(), *metadata, request.client, *timeout);
    call->Start(stub_);
  }
}

}  // namespace parley::gateway::http
