// A slot: when it begins and how long it lasts (domain rule E5), in whole microseconds. Slots are sets: vectors that
// are ordered by start, then by duration, without repeats, so that equal sets are equal vectors.
#pragma once

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/status/status.h"
#include "parley/event/v1/event.pb.h"

namespace parley {

struct Slot {
  absl::Time start;
  absl::Duration duration;

  absl::Time end() const { return start + duration; }
  bool operator==(const Slot&) const = default;
  bool operator<(const Slot& other) const {
    return start != other.start ? start < other.start : duration < other.duration;
  }
};

// Whether it is one that ParseSlots would have let through: that it starts in the years 1 to 9999, and has a positive
// duration of at most 366 days.
bool IsValid(const Slot& slot);

using SlotProtos = google::protobuf::RepeatedPtrField<event::v1::Slot>;

// The set that a request gives: truncated to the microsecond, checked, ordered, repeats collapsed, then counted against
// `max_slots`. Bad fields are added to `fields`, under `path` (`event.slots`); what is returned then holds the good
// ones.
std::vector<Slot> ParseSlots(const SlotProtos& protos, std::string_view path, int max_slots, FieldViolations& fields);

void ToProto(const std::vector<Slot>& slots, SlotProtos* protos);

// The span of the request's field `path`, [first, second); without a beginning or an end it is infinite. What is wrong
// with it is added to `fields`.
std::pair<absl::Time, absl::Time> ParseTimeSpan(const event::v1::TimeSpan& span, std::string_view path,
                                                FieldViolations& fields);

}  // namespace parley
