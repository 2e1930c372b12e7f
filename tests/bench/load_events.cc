#include "tests/bench/load_events.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace parley::bench {

absl::StatusOr<std::vector<KnownEvent>> ReadEvents(const std::string& file) {
  std::ifstream stream(file);
  std::vector<KnownEvent> events;
  bool is_good = true;
  for (KnownEvent event; stream >> event.name >> event.etag; events.push_back(event)) {
    is_good &= event.name.starts_with("events/") && !event.etag.starts_with("events/");
  }
  if (!is_good || !stream.eof() || events.empty()) {
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
  return absl::UnavailableError(absl::StrCat("cannot write --names-file ", file, ": ", strerror(errno)));
}

}  // namespace parley::bench
