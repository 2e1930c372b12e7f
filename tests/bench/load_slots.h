// The slots of events that are made or changed: an hour of each of three days.
#pragma once

#include <cstdint>
#include <random>

#include "parley/event/v1/event.pb.h"

namespace parley::bench {

// When the first one begins: within a year, at one of so many minutes that hardly ever two calls ask for the same.
int64_t RandomStart(std::mt19937_64& random);

void AddSlots(int64_t start, event::v1::Event& event);
bool HasSlots(int64_t start, const event::v1::Event& event);

}  // namespace parley::bench
