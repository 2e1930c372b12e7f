#include "tests/bench/load_events.h"

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace parley::bench {

absl::StatusOr<std::vector<KnownEvent>> ReadEvents(const std::string& file) {
  std::ifstream stream(file);
  std::vector<KnownEvent> events;
  for (KnownEvent event; stream >> event.name >> event.etag;) events.push_back(event);
  if (stream.bad() || !stream.eof() || events.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no lines `events/ID ETAG` in --names-file ", file));
  }
  return events;
}

absl::Status WriteEvents(const std::string& file, const std::vector<KnownEvent>& events) {
  const std::string made = file + ".new";
  std::ofstream stream(made);
  for (const KnownEvent& event : events) stream << event.name << ' ' << event.etag << '\n';
  stream.close();
  if (stream && std::rename(made.c_str(), file.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write --names-file ", file));
}

}  // namespace parley::bench
