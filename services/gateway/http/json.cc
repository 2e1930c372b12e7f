#include "services/gateway/http/json.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <regex>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::gateway::http {
namespace {

namespace protobuf = google::protobuf;

// Of the compiled classes: all contracts are linked.
std::unique_ptr<protobuf::Message> Make(const protobuf::Descriptor& type) {
  return std::unique_ptr<protobuf::Message>(protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

// Protobuf says `(event.slots[0]) startTme: Cannot find field.`, or without the path.
absl::Status BadField(const std::string& message) {
  static const std::regex with_path(R"(^\(([^)]*)\):? *([\s\S]*)$)");
  std::smatch parts;
  FieldViolations fields;
  if (std::regex_match(message, parts, with_path) && parts[1].length() > 0) {
    fields.Add(parts[1].str(), parts[2].str());
  } else {
    fields.Add("request", message);
  }
  return fields.ToStatus();
}

}  // namespace

absl::StatusOr<std::string> ToBinary(const protobuf::Descriptor& type, std::string_view json) {
  const auto message = Make(type);
  const auto status =
      protobuf::util::JsonStringToMessage(protobuf::StringPiece(json.data(), json.size()), message.get());
  if (!status.ok()) return BadField(std::string(status.message()));
  return message->SerializeAsString();
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
