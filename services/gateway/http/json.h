// Messages of the contracts between their binary form and proto3's JSON, by their descriptors alone. Thread-safe.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley::gateway::http {

// INVALID_ARGUMENT (INVALID_FIELDS) for what is no such message, which names the first field that is wrong or unknown.
absl::StatusOr<std::string> ToBinary(const google::protobuf::Descriptor& type, std::string_view json);

// OK where it is such a message in its binary form; INVALID_ARGUMENT (INVALID_FIELDS). gRPC calls what it cannot read
// UNIMPLEMENTED, as if there were no such method.
absl::Status CheckBinary(const google::protobuf::Descriptor& type, std::string_view binary);

// INTERNAL for what is no such message.
absl::StatusOr<std::string> ToJson(const google::protobuf::Descriptor& type, std::string_view binary);

}  // namespace parley::gateway::http
