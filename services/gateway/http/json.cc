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

// Protobuf says `(event.slots[0]) startTme: Cannot find field.`, `(event.title): invalid value 5 for type TYPE_STRING`,
// or where it is no JSON at all why, and on further lines where.
absl::Status BadField(const std::string& message) {
  static const std::regex form(R"((?:\(([^)]*)\):? *)?:? *([^\n]*)[\s\S]*)");
  static const std::regex unknown(R"(([^ ]+): Cannot find field\.)");
  static const std::regex type_prefix(R"(type\.googleapis\.com/|TYPE_)");
  std::smatch parts, name;
  std::regex_match(message, parts, form);
  std::string field = parts[1].str();
  const std::string why = parts[2].str();
  FieldViolations fields;
  if (std::regex_match(why, name, unknown)) {
    fields.Add(absl::StrCat(field, field.empty() ? "" : ".", name[1].str()), "is no field of the request");
  } else {
    fields.Add(field.empty() ? "request" : field, std::regex_replace(why, type_prefix, ""));
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

absl::Status CheckBinary(const protobuf::Descriptor& type, std::string_view binary) {
  if (Make(type)->ParseFromArray(binary.data(), static_cast<int>(binary.size()))) return absl::OkStatus();
  FieldViolations fields;
  fields.Add("request", absl::StrCat("is no ", type.full_name()));
  return fields.ToStatus();
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
