// Instants and durations between absl and the well-known protobuf types, in whole microseconds (PostgreSQL's).
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <optional>

#include "absl/time/time.h"

namespace parley {

// Truncated towards the past to the microsecond. Nothing where it is not valid: outside of the years 1 to 9999, or
// nanos outside of [0, 999999999].
std::optional<absl::Time> FromProto(const google::protobuf::Timestamp& timestamp);
// Truncated towards zero to the microsecond. Nothing where it is not valid: beyond 10000 years, or signs that differ.
std::optional<absl::Duration> FromProto(const google::protobuf::Duration& duration);

void ToProto(absl::Time time, google::protobuf::Timestamp* timestamp);
void ToProto(absl::Duration duration, google::protobuf::Duration* proto);

}  // namespace parley
