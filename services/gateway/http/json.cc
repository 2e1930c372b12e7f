#include "services/gateway/http/json.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/status.h"
#include "services/gateway/metadata.h"

namespace parley::gateway::http {
namespace {

namespace protobuf = google::protobuf;

// Of the compiled classes: all contracts are linked.
std::unique_ptr<protobuf::Message> Make(const protobuf::Descriptor& type) {
  return std::unique_ptr<protobuf::Message>(protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

// Of what a client sent no more is told to it than this.
constexpr size_t kMaxQuoted = 200;

// As whole characters.
std::string Cut(std::string_view text) {
  if (text.size() <= kMaxQuoted) return std::string(text);
  size_t size = kMaxQuoted;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return absl::StrCat(std::string(text.substr(0, size)), "...");
}

// Protobuf says `(event.slots[0]) startTme: Cannot find field.`, `(event.title): invalid value 5 for type TYPE_STRING`,
// or where it is no JSON at all why, and on further lines where. The client's own words may stand in it.
absl::Status BadJson(std::string_view message) {
  static constexpr std::string_view kUnknown = ": Cannot find field.";
  std::string field;
  if (message.starts_with('(')) {
    const size_t end = std::min(message.find(')'), message.size() - 1);
    field = std::string(message.substr(1, end - 1));
    message.remove_prefix(end + 1);
  }
  message.remove_prefix(std::min(message.find_first_not_of(": "), message.size()));
  message = message.substr(0, message.find('\n'));
  if (message.ends_with(kUnknown)) {
    message.remove_suffix(kUnknown.size());
    return BadField(Cut(absl::StrCat(field, field.empty() ? "" : ".", std::string(message))),
                    "is no field of the request");
  }
  return BadField(field.empty() ? "request" : Cut(field),
                  Cut(absl::StrReplaceAll(std::string(message), {{"type.googleapis.com/", ""}, {"TYPE_", ""}})));
}

}  // namespace

absl::StatusOr<std::string> ToBinary(const protobuf::Descriptor& type, std::string_view json) {
  const auto message = Make(type);
  const auto status =
      protobuf::util::JsonStringToMessage(protobuf::StringPiece(json.data(), json.size()), message.get());
  if (!status.ok()) return BadJson(std::string_view(status.message().data(), status.message().size()));
  return message->SerializeAsString();
}

absl::Status CheckBinary(const protobuf::Descriptor& type, std::string_view binary) {
  if (Make(type)->ParseFromArray(binary.data(), static_cast<int>(binary.size()))) return absl::OkStatus();
  return BadField("request", absl::StrCat("is no ", type.full_name()));
}

absl::StatusOr<std::string> ToJson(const protobuf::Descriptor& type, std::string_view binary) {
  const auto message = Make(type);
  if (!message->ParseFromArray(binary.data(), static_cast<int>(binary.size()))) {
    return Internal(absl::StrCat("what a service sent is no ", type.full_name()));
  }
  std::string json;
  const auto status = protobuf::util::MessageToJsonString(*message, &json);
  if (!status.ok()) return Internal(absl::StrCat(type.full_name(), " has no JSON: ", std::string(status.message())));
  return json;
}

}  // namespace parley::gateway::http
