// How calls look in HTTP: the Connect protocol (connectrpc.com/docs/protocol, version 1) and gRPC-Web
// (grpc/doc/PROTOCOL-WEB.md), requests in and answers out. Messages are bytes here, in whatever codec. Functions of
// their arguments alone.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/gateway/http/message.h"

namespace parley::gateway::http {

struct Wire {
  enum class Protocol {
    kConnect,        // a message is a body
    kConnectStream,  // messages in envelopes, the end in one of its own
    kGrpcWeb,        // the same, for unary calls too
  };
  Protocol protocol = Protocol::kConnect;
  bool is_json = true;
  bool is_text = false;  // gRPC-Web in base64
};

// By its content type; nothing where it names none of these.
std::optional<Wire> WireOf(std::string_view content_type);

// The values of a query, by their names, with what was escaped.
Headers ParseQuery(std::string_view query);

// The one message of a call. INVALID_ARGUMENT where it is not there exactly once, or not well formed; UNIMPLEMENTED
// where it is compressed.
absl::StatusOr<std::string> MessageIn(const Wire& wire, const Request& request);
// The same of a GET of Connect, whose parameters the query has; `wire` takes up its codec.
absl::StatusOr<std::string> MessageInQuery(const Headers& query, Wire& wire);

// How long the caller waits; for ever where it does not say. INVALID_ARGUMENT.
absl::StatusOr<absl::Duration> TimeoutOf(const Wire& wire, const Request& request);

// What a client says with a call for the service: its headers but those that concern HTTP and the protocol. Values of
// `...-bin` are decoded. INVALID_ARGUMENT where they are no base64.
absl::StatusOr<Headers> MetadataIn(const Request& request);

// What a call ended with.
struct End {
  grpc::Status status;
  Headers initial;   // metadata; values of `...-bin` are bytes
  Headers trailing;  // the same
};

// The answer to a unary call; `message` counts where the status is OK.
Response UnaryAnswer(const Wire& wire, const End& end, std::string_view message);

// That to a stream: its head, a message, its end.
Response StreamHead(const Wire& wire, const Headers& initial);
std::string StreamMessage(const Wire& wire, std::string_view message);
std::string StreamEnd(const Wire& wire, const End& end);

}  // namespace parley::gateway::http
