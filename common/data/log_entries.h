// The log: what happened to each event, in order, append-only, each entry chained to the one before it (domain rules L1
// to L5). Used by every service whose calls write entries, in the transaction of the change.
#pragma once

#include <vector>

#include "common/data/events.h"
#include "common/data/transaction.h"
#include "parley/event/v1/log_entry.pb.h"
#include "parley/internal/data/v1/entry_data.pb.h"

namespace parley {

// Of resources, in errors.
inline constexpr char kLogEntryType[] = "parley.event.v1.LogEntry";

}  // namespace parley

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
  // Whom this entry is the first of its log to name: parts of common/data/entry_record.h.
  std::string named;

  // Of entries that are read: `data` to the bit, and the entry's hash.
  std::string data_bytes;
  std::string hash;

  // Of entries that are to be appended: the hash of the one before, those who are on the log without being parties, and
  // whether Events::Insert or Save follows, which moves the event's place in its log on with all else.
  std::string previous_hash;
  std::vector<Uuid> staff_ids;
  bool with_event = false;
};

// From the columns event_id, sequence, create_time, occurrence, effector_id, revision, slots, data, named and hash of
// log_entries, from `column` on. `data` is not parsed.
LogEntry LogEntryOf(const Row& row, int column);

// Who does something, as the log names him.
struct Effector {
  Uuid user_id;
  std::optional<Uuid> email_token_id;  // by which a guest calls
  std::optional<Uuid> acted_by_id;     // the staff user who acts for user_id
};

// What every entry says, of the event as it stands after the step; its sequence is the event's last_sequence. The
// event's last_hash is still that of the entry before.
LogEntry EntryOf(const Event& event, LogEntry::Occurrence occurrence, const Effector& effector, absl::Time now);

// The resource name of an entry, `events/.../logEntries/...`.
std::string NameOf(const Uuid& event_id, int64_t sequence);

// Somebody whom the log of an event names, as it shows him.
struct NamedUser {
  Uuid event_id;
  Uuid user_id;
  Address address;
  std::string salt;  // of the commitment to it
};

// How far somebody has read the log of an event.
struct LogPosition {
  Uuid event_id;
  int64_t sequence = 0;
};

// A part of the log of an event: at most `limit` entries from the one after `after` on.
struct LogRange {
  Uuid event_id;
  int64_t after = 0;
  int64_t limit = 0;
};

// An entry that is in the tree of all logs.
struct PlacedEntry {
  int64_t leaf_index = 0;
  LogEntry entry;
};

// Within one transaction, which must outlive it.
class LogEntries {
 public:
  explicit LogEntries(Transaction& tx) : tx_(tx) {}

  // Adds the entries, and moves each event's last_sequence and last_hash on to the last of its entries, unless one of
  // them is with_event. Whoever calls holds the events' rows and has numbered the entries on from last_sequence, those
  // of one event in their order. Answers with the hash of each. Staff whom the log has not named yet are named by the
  // entry. Entries that end their event are noted in EndedEvents, all of them for the sequencer of the tree.
  absl::StatusOr<std::vector<std::string>> Append(absl::Span<const LogEntry> entries);
  // Of each range its entries, oldest first. DATA_LOSS (CHAIN_BROKEN) where one cannot be read.
  absl::StatusOr<std::vector<std::vector<LogEntry>>> List(absl::Span<const LogRange> ranges);
  // Of one.
  absl::StatusOr<std::vector<LogEntry>> List(const Uuid& event_id, int64_t after, int limit);
  // Of each log those behind the position, at most `limit` of each, in the order of events and sequences. Errors as
  // List.
  absl::StatusOr<std::vector<LogEntry>> ListBehind(const std::vector<LogPosition>& positions, int limit);
  // Those among the leaves [begin, end) of the tree that have one of the occurrences and, where parties are given, are
  // of an event of one of them; in the order of the leaves, at most `limit`. Errors as List.
  absl::StatusOr<std::vector<PlacedEntry>> ListPlaced(int64_t begin, int64_t end,
                                                      const std::vector<LogEntry::Occurrence>& occurrences,
                                                      const std::optional<std::vector<Uuid>>& parties, int limit);
  // All whom the logs of the events name, in the order of events and users.
  absl::StatusOr<std::vector<NamedUser>> ListNamed(absl::Span<const Uuid> event_ids);

 private:
  absl::Status NameStaff(std::vector<LogEntry>& entries);
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
