// The id of a call, by which the lines of all logs that tell of it are joined.
#pragma once

#include <string>

namespace parley::gateway {

// Sixteen random hexadecimal digits. Thread-safe.
std::string MakeCallId();

}  // namespace parley::gateway
