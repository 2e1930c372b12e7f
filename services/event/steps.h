// Entries of logs, each with the event as it stood after it: what watches tell.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/data/log_entries.h"
#include "parley/event/v1/event.pb.h"
#include "parley/event/v1/log_entry.pb.h"

namespace parley::event {

struct Step {
  v1::LogEntry log_entry;
  v1::Event event;
  std::vector<Uuid> party_ids;  // of the event
};

// Remembers how events stood, so that whoever asks for one step after another does not read each log from its beginning
// again. Not thread-safe.
class StepReader {
 public:
  // Of a state there is some kilobyte. Of more than these that of the shortest log is forgotten, and read again.
  explicit StepReader(size_t max_states) : max_states_(max_states) {}

  // One for each entry, in their order, in which those of each event rise. The transaction must see all of them and no
  // later state of an event than the entries that it sees: Isolation::kSnapshot. INTERNAL where a log does not make
  // sense.
  absl::StatusOr<std::vector<Step>> Read(data::Transaction& tx, const std::vector<data::LogEntry>& entries);

 private:
  // At this entry, as the log alone tells it.
  absl::StatusOr<data::Event> StateAt(data::Transaction& tx, const data::LogEntry& entry);

  const size_t max_states_;
  absl::flat_hash_map<Uuid, data::Event> states_;
};

}  // namespace parley::event
