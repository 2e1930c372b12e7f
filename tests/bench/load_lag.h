// How long it takes until a checkpoint has the entry of a new event.
#pragma once

#include <string>

namespace parley::bench {

struct LagSettings {
  std::string gateway;
  std::string key;
  double seconds = 5;
};

// Creates one event after the other, and asks each time until GetInclusionProof is answered. Prints one JSON object:
// how many entries, and how long it took from the answer of CreateEvent. Answers with the exit code.
int RunLag(const LagSettings& settings);

}  // namespace parley::bench
