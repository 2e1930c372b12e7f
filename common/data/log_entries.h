// The log: what happened to each event, in order, append-only (domain rules L1 to L4). Used by every service whose
// calls write entries, in the transaction of the change.
#pragma once

#include <vector>

#include "common/data/events.h"
#include "common/data/transaction.h"
#include "parley/event/v1/log_entry.pb.h"
#include "parley/internal/data/v1/entry_data.pb.h"

namespace parley::data {

struct LogEntry {
  using Occurrence = event::v1::LogEntry::Occurrence;

  Uuid event_id;
  int64_t sequence = 0;
  absl::Time create_time;
  Occurrence occurrence = event::v1::LogEntry::UPDATE;
  Uuid effector_id;
  int64_t revision = 0;
  std::vector<Slot> slots;
  internal::data::v1::EntryData data;
};

// Who does something, as the log names him.
struct Effector {
  Uuid user_id;
  std::optional<Uuid> email_token_id;  // by which a guest calls
  std::optional<Uuid> acted_by_id;     // the staff user who acts for user_id
};

// What every entry says, of the event as it stands after the step; its sequence is the event's last_sequence.
LogEntry EntryOf(const Event& event, LogEntry::Occurrence occurrence, const Effector& effector, absl::Time now);

// Within one transaction, which must outlive it.
class LogEntries {
 public:
  explicit LogEntries(Transaction& tx) : tx_(tx) {}

  // Adds the entries, and raises each event's last_sequence to the highest of its entries (a first entry stands there
  // already, by Events::Insert). Whoever calls holds the events' rows and has numbered the entries on from
  // last_sequence. Entries that end their event are noted in EndedEvents.
  absl::Status Append(absl::Span<const LogEntry> entries);
  // Oldest first, from the one after `after` on.
  absl::StatusOr<std::vector<LogEntry>> List(const Uuid& event_id, int64_t after, int limit);

 private:
  Transaction& tx_;
};

// An entry by which an event was deleted, reopened or abandoned.
struct EndedEvent {
  Uuid event_id;
  int64_t sequence;
};

// Those entries of the log, written along with it, until what follows from them is done (domain rule N7): so they are
// found whatever commits late or dies, and at the same cost however long the log is. Within one transaction, which must
// outlive it.
class EndedEvents {
 public:
  explicit EndedEvents(Transaction& tx) : tx_(tx) {}

  // The one that is due longest; nothing where none is. Nobody else is given it until the lease is up.
  absl::StatusOr<std::optional<EndedEvent>> Claim(absl::Duration lease);
  // It is done.
  absl::Status Delete(const EndedEvent& ended);
  // It is to be looked at again after the pause.
  absl::Status Postpone(const EndedEvent& ended, absl::Duration pause);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
