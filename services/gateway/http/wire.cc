#include "services/gateway/http/wire.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/status.h"
#include "google/rpc/status.pb.h"
#include "services/gateway/http/json.h"
#include "services/gateway/metadata.h"

namespace parley::gateway::http {
namespace {

// In the order in which people read.
using json = nlohmann::ordered_json;

constexpr size_t kEnvelopeBytes = 5;
constexpr unsigned char kCompressed = 1;
constexpr unsigned char kEndOfStream = 2;  // Connect
constexpr unsigned char kTrailers = 0x80;  // gRPC-Web

struct Code {
  std::string_view name;
  int http_status;
};

// By the number of the gRPC code, as Connect has it.
constexpr std::array<Code, 17> kCodes{{{"ok", 200},
                                       {"canceled", 499},
                                       {"unknown", 500},
                                       {"invalid_argument", 400},
                                       {"deadline_exceeded", 504},
                                       {"not_found", 404},
                                       {"already_exists", 409},
                                       {"permission_denied", 403},
                                       {"resource_exhausted", 429},
                                       {"failed_precondition", 400},
                                       {"aborted", 409},
                                       {"out_of_range", 400},
                                       {"unimplemented", 501},
                                       {"internal", 500},
                                       {"unavailable", 503},
                                       {"data_loss", 500},
                                       {"unauthenticated", 401}}};

const Code& CodeOf(const grpc::Status& status) {
  const auto number = static_cast<size_t>(status.error_code());
  return kCodes[number < kCodes.size() ? number : static_cast<size_t>(grpc::StatusCode::UNKNOWN)];
}

// What concerns the connection, the browser, or the protocol.
bool IsOfHttp(std::string_view name) {
  static const std::set<std::string_view> names{
      "accept",  "cache-control",     "connection", "cookie",     "date",     "dnt",   "expect",  "forwarded",
      "host",    "keep-alive",        "origin",     "pragma",     "priority", "range", "referer", "te",
      "trailer", "transfer-encoding", "upgrade",    "user-agent", "via"};
  static constexpr std::array kPrefixes{"accept-",    "access-control-", "connect-", "content-", "grpc-",
                                        "if-",        "proxy-",          "sec-",     "upgrade-", "x-forwarded-",
                                        "x-grpc-web", "x-user-agent"};
  return names.contains(name) ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](const char* prefix) { return name.starts_with(prefix); });
}

// With padding or without, as senders like it.
std::optional<std::string> FromBase64(std::string_view text) {
  std::string bytes;
  const absl::string_view encoded(text.data(), text.size());
  if (absl::Base64Unescape(encoded, &bytes) || absl::WebSafeBase64Unescape(encoded, &bytes)) return bytes;
  return std::nullopt;
}

std::string ToUnpaddedBase64(std::string_view bytes) {
  std::string text = absl::Base64Escape({bytes.data(), bytes.size()});
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::string ShownValue(const std::string& name, const std::string& value) {
  return IsBinary(name) ? ToUnpaddedBase64(value) : value;
}

void AddMetadata(Headers& headers, const Headers& metadata, const std::string& prefix) {
  for (const auto& [name, value] : metadata) headers.emplace(prefix + name, ShownValue(name, value));
}

std::string Envelope(unsigned char flags, std::string_view message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string bytes;
  bytes.reserve(kEnvelopeBytes + message.size());
  bytes.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>((size >> shift) & 0xff));
  return bytes.append(message);
}

absl::Status Compressed() {
  return absl::UnimplementedError("requests are taken uncompressed alone: send the encoding identity, or none");
}

bool IsIdentity(std::string_view encoding) { return encoding.empty() || encoding == "identity"; }

// Several pieces of base64, each with its padding, may follow one another.
std::optional<std::string> FromText(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    size_t end = text.find('=');
    while (end != std::string_view::npos && end < text.size() && text[end] == '=') ++end;
    const auto piece = FromBase64(text.substr(0, end));
    if (!piece) return std::nullopt;
    bytes += *piece;
    text.remove_prefix(std::min(end, text.size()));
  }
  return bytes;
}

json ErrorOf(const grpc::Status& status) {
  json error{{"code", CodeOf(status).name}};
  if (!status.error_message().empty()) error["message"] = status.error_message();
  google::rpc::Status proto;
  if (!proto.ParseFromString(status.error_details())) return error;
  for (const auto& detail : proto.details()) {
    const std::string type = detail.type_url().substr(detail.type_url().rfind('/') + 1);
    json shown{{"type", type}, {"value", ToUnpaddedBase64(detail.value())}};
    // For people, and for programs that have no stubs.
    if (const auto* known = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type)) {
      if (const auto text = ToJson(*known, detail.value()); text.ok())
        shown["debug"] = json::parse(*text, nullptr, false);
    }
    error["details"].push_back(std::move(shown));
  }
  return error;
}

// What is not UTF-8 is replaced: a message may quote what a client sent.
std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// As gRPC writes messages in headers.
std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const unsigned char c : text) {
    if (c >= 0x20 && c < 0x7f && c != '%') {
      encoded.push_back(static_cast<char>(c));
    } else {
      absl::StrAppend(&encoded, "%", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(c, absl::kZeroPad2))));
    }
  }
  return encoded;
}

std::string Framed(const Wire& wire, const std::string& bytes) {
  return wire.is_text ? absl::Base64Escape(bytes) : bytes;
}

std::string TrailersFrame(const Wire& wire, const End& end) {
  std::string trailers = absl::StrCat("grpc-status: ", static_cast<int>(end.status.error_code()), "\r\n");
  if (!end.status.error_message().empty()) {
    absl::StrAppend(&trailers, "grpc-message: ", PercentEncode(end.status.error_message()), "\r\n");
  }
  if (!end.status.error_details().empty()) {
    absl::StrAppend(&trailers, "grpc-status-details-bin: ", ToUnpaddedBase64(end.status.error_details()), "\r\n");
  }
  for (const auto& [name, value] : end.trailing) {
    absl::StrAppend(&trailers, name, ": ", ShownValue(name, value), "\r\n");
  }
  return Framed(wire, Envelope(kTrailers, trailers));
}

std::string_view ContentType(const Wire& wire) {
  switch (wire.protocol) {
    case Wire::Protocol::kConnect:
      return wire.is_json ? "application/json" : "application/proto";
    case Wire::Protocol::kConnectStream:
      return wire.is_json ? "application/connect+json" : "application/connect+proto";
    case Wire::Protocol::kGrpcWeb:
      break;
  }
  if (wire.is_text) return wire.is_json ? "application/grpc-web-text+json" : "application/grpc-web-text+proto";
  return wire.is_json ? "application/grpc-web+json" : "application/grpc-web+proto";
}

}  // namespace

std::optional<Wire> WireOf(std::string_view content_type) {
  using Protocol = Wire::Protocol;
  std::string type = absl::AsciiStrToLower({content_type.data(), content_type.size()});
  type = std::string(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  if (type == "application/json") return Wire{Protocol::kConnect, true};
  if (type == "application/proto") return Wire{Protocol::kConnect, false};
  if (type == "application/connect+json") return Wire{Protocol::kConnectStream, true};
  if (type == "application/connect+proto") return Wire{Protocol::kConnectStream, false};
  if (type == "application/grpc-web" || type == "application/grpc-web+proto") return Wire{Protocol::kGrpcWeb, false};
  if (type == "application/grpc-web+json") return Wire{Protocol::kGrpcWeb, true};
  if (type == "application/grpc-web-text" || type == "application/grpc-web-text+proto") {
    return Wire{Protocol::kGrpcWeb, false, true};
  }
  if (type == "application/grpc-web-text+json") return Wire{Protocol::kGrpcWeb, true, true};
  return std::nullopt;
}

Headers ParseQuery(std::string_view query) {
  const auto unescape = [](absl::string_view text) {
    std::string bytes;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
          absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
        bytes += absl::HexStringToBytes(text.substr(i + 1, 2));
        i += 2;
      } else {
        bytes.push_back(text[i] == '+' ? ' ' : text[i]);
      }
    }
    return bytes;
  };
  Headers values;
  for (const absl::string_view pair : absl::StrSplit(absl::string_view(query.data(), query.size()), '&')) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (!parts.first.empty()) values.emplace(unescape(parts.first), unescape(parts.second));
  }
  return values;
}

absl::StatusOr<std::string> MessageIn(const Wire& wire, const Request& request) {
  if (wire.protocol == Wire::Protocol::kConnect) {
    const std::string_view version = request.Header("connect-protocol-version");
    if (!version.empty() && version != "1") return BadField("connect-protocol-version", "must be 1");
    return IsIdentity(request.Header("content-encoding")) ? absl::StatusOr<std::string>(request.body) : Compressed();
  }
  std::string bytes = request.body;
  if (wire.is_text) {
    auto decoded = FromText(bytes);
    if (!decoded) return BadField("request", "the body is no base64");
    bytes = *std::move(decoded);
  }
  if (bytes.size() < kEnvelopeBytes) return BadField("request", "is required: the call has no message");
  const auto at = [&bytes](size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  if (at(0) == kCompressed) return Compressed();
  const size_t size = at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4);
  if (at(0) != 0 || size > bytes.size() - kEnvelopeBytes) {
    return BadField("request", "the body is not one message in its envelope");
  }
  if (size < bytes.size() - kEnvelopeBytes) return BadField("request", "there must be one message alone");
  return bytes.substr(kEnvelopeBytes);
}

absl::StatusOr<std::string> MessageInQuery(const Headers& query, Wire& wire) {
  const auto value = [&query](const char* name) {
    return query.count(name) == 1 ? query.find(name)->second : std::string();
  };
  FieldViolations fields;
  if (query.contains("connect") && value("connect") != "v1") fields.Add("connect", "must be v1");
  if (value("encoding") != "json" && value("encoding") != "proto") fields.Add("encoding", "must be json or proto");
  if (query.count("message") != 1) fields.Add("message", "must be there once: it is the request");
  wire.is_json = value("encoding") != "proto";
  if (!IsIdentity(value("compression"))) return Compressed();
  std::optional<std::string> message = value("message");
  if (value("base64") == "1") message = FromBase64(*message);
  if (!message) fields.Add("message", "is no base64");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return *std::move(message);
}

absl::StatusOr<absl::Duration> TimeoutOf(const Wire& wire, const Request& request) {
  static const std::map<char, absl::Duration> units{{'H', absl::Hours(1)},        {'M', absl::Minutes(1)},
                                                    {'S', absl::Seconds(1)},      {'m', absl::Milliseconds(1)},
                                                    {'u', absl::Microseconds(1)}, {'n', absl::Nanoseconds(1)}};
  const bool is_grpc = wire.protocol == Wire::Protocol::kGrpcWeb;
  const char* const name = is_grpc ? "grpc-timeout" : "connect-timeout-ms";
  if (!request.headers.contains(name)) return absl::InfiniteDuration();
  std::string text(request.Header(name));
  // As gRPC has it, without its unit.
  if (!is_grpc) text += 'm';
  const auto unit = text.empty() ? units.end() : units.find(text.back());
  if (!text.empty()) text.pop_back();
  const bool is_number = !text.empty() && text.size() <= (is_grpc ? 8 : 10) &&
                         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
  int64_t number = 0;
  if (unit == units.end() || !is_number || !absl::SimpleAtoi(text, &number)) {
    return BadField(name, is_grpc ? "must be at most eight digits and one of H, M, S, m, u, n"
                                  : "must be milliseconds, at most ten digits");
  }
  return number * unit->second;
}

absl::StatusOr<Headers> MetadataIn(const Request& request) {
  Headers metadata;
  FieldViolations fields;
  for (const auto& [name, value] : request.headers) {
    if (IsOfHttp(name) || !IsLegal(name, "")) continue;
    if (IsBinary(name)) {
      auto bytes = FromBase64(value);
      if (!bytes) fields.Add(name, "is no base64");
      if (bytes) metadata.emplace(name, *std::move(bytes));
    } else if (IsLegal(name, value)) {
      metadata.emplace(name, value);
    } else if (name == "authorization" || name.starts_with("parley-")) {
      // To be refused, and not to be passed over as if it were not there.
      metadata.emplace(name, "");
    }
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return metadata;
}

Response UnaryAnswer(const Wire& wire, const End& end, std::string_view message) {
  if (wire.protocol != Wire::Protocol::kConnect) {
    Response response = StreamHead(wire, end.initial);
    if (end.status.ok()) response.body = StreamMessage(wire, message);
    response.body += StreamEnd(wire, end);
    return response;
  }
  Response response{CodeOf(end.status).http_status, {}, std::string(message)};
  if (!end.status.ok()) response.body = Dump(ErrorOf(end.status));
  response.headers.emplace("content-type", end.status.ok() ? ContentType(wire) : "application/json");
  AddMetadata(response.headers, end.initial, "");
  AddMetadata(response.headers, end.trailing, "trailer-");
  return response;
}

Response StreamHead(const Wire& wire, const Headers& initial) {
  Response response;
  response.headers.emplace("content-type", ContentType(wire));
  AddMetadata(response.headers, initial, "");
  return response;
}

std::string StreamMessage(const Wire& wire, std::string_view message) { return Framed(wire, Envelope(0, message)); }

std::string StreamEnd(const Wire& wire, const End& end) {
  if (wire.protocol == Wire::Protocol::kGrpcWeb) return TrailersFrame(wire, end);
  json shown = json::object();
  if (!end.status.ok()) shown["error"] = ErrorOf(end.status);
  for (const auto& [name, value] : end.trailing) shown["metadata"][name].push_back(ShownValue(name, value));
  return Envelope(kEndOfStream, Dump(shown));
}

}  // namespace parley::gateway::http
