#include "common/slot/slot.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/time/proto_time.h"

namespace parley {

namespace {
constexpr absl::Duration kMaxDuration = absl::Hours(24 * 366);
constexpr int kLookedAt = 10;

bool IsValidDuration(absl::Duration duration) { return duration > absl::ZeroDuration() && duration <= kMaxDuration; }
}  // namespace

bool IsValid(const Slot& slot) {
  static const absl::Time begin = absl::FromCivil(absl::CivilYear(1), absl::UTCTimeZone());
  static const absl::Time end = absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone());
  return slot.start >= begin && slot.start < end && IsValidDuration(slot.duration);
}

std::vector<Slot> ParseSlots(const SlotProtos& protos, std::string_view path, int max_slots, FieldViolations& fields) {
  std::vector<Slot> slots;
  const std::string too_many = absl::StrCat("must be at most ", max_slots, " different slots");
  // Far more are not looked at: that would be work for nothing.
  if (protos.size() > kLookedAt * max_slots) {
    fields.Add(path, too_many);
    return slots;
  }
  for (int i = 0; i < protos.size(); ++i) {
    const std::string at = absl::StrCat(std::string(path), "[", i, "]");
    const auto start = FromProto(protos[i].start_time());
    const auto duration = FromProto(protos[i].duration());
    const bool good_start = protos[i].has_start_time() && start;
    const bool good_duration = duration && IsValidDuration(*duration);
    if (!good_start) {
      fields.Add(at + ".start_time",
                 protos[i].has_start_time() ? "must be a valid time in the years 1 to 9999" : "is required");
    }
    if (!good_duration) {
      fields.Add(at + ".duration", protos[i].has_duration() ? "must be positive and at most 366 days" : "is required");
    }
    if (good_start && good_duration) slots.push_back({*start, *duration});
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  if (slots.size() > static_cast<size_t>(max_slots)) fields.Add(path, too_many);
  return slots;
}

void ToProto(const std::vector<Slot>& slots, SlotProtos* protos) {
  protos->Clear();
  for (const Slot& slot : slots) {
    auto* proto = protos->Add();
    ToProto(slot.start, proto->mutable_start_time());
    ToProto(slot.duration, proto->mutable_duration());
  }
}

std::pair<absl::Time, absl::Time> ParseTimeSpan(const event::v1::TimeSpan& span, std::string_view path,
                                                FieldViolations& fields) {
  bool valid = true;
  auto parse = [&](const google::protobuf::Timestamp& proto, std::string_view field) {
    const auto time = FromProto(proto);
    if (!time)
      fields.Add(absl::StrCat(std::string(path), ".", std::string(field)),
                 "must be a valid time in the years 1 to 9999");
    valid = valid && time;
    return time.value_or(absl::InfinitePast());
  };
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfiniteFuture();
  if (span.has_start_time()) start = parse(span.start_time(), "start_time");
  if (span.has_end_time()) end = parse(span.end_time(), "end_time");
  if (valid && start >= end) fields.Add(std::string(path) + ".end_time", "must be later than the start");
  return {start, end};
}

}  // namespace parley
