// The events that calls are about: their names and etags, in a file, a line each: `events/ID ETAG`.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace parley::bench {

struct KnownEvent {
  std::string name;
  std::string etag;
};

// An error where the file names none.
absl::StatusOr<std::vector<KnownEvent>> ReadEvents(const std::string& file);

// Puts the new file in the place of the old one at once, so that one who is stopped leaves the old one.
absl::Status WriteEvents(const std::string& file, const std::vector<KnownEvent>& events);

}  // namespace parley::bench
