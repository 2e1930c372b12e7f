#include "tests/bench/load_slots.h"

#include <ctime>

namespace parley::bench {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kHour = 3600;

}  // namespace

int64_t RandomStart(std::mt19937_64& random) {
  static const int64_t today = std::time(nullptr) / kDay;
  return (today + 1 + static_cast<int64_t>(random() % 300)) * kDay + static_cast<int64_t>(random() % 1440) * 60;
}

void AddSlots(int64_t start, event::v1::Event& event) {
  for (int64_t day = 0; day < 3; ++day) {
    event::v1::Slot& slot = *event.add_slots();
    slot.mutable_start_time()->set_seconds(start + day * kDay);
    slot.mutable_duration()->set_seconds(kHour);
  }
}

bool HasSlots(int64_t start, const event::v1::Event& event) {
  for (const event::v1::Slot& slot : event.slots()) {
    if (slot.start_time().seconds() != start || slot.duration().seconds() != kHour) return false;
    start += kDay;
  }
  return event.slots_size() == 3;
}

}  // namespace parley::bench
