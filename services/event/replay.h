// The event as its log tells it (rule A6): title, slots, parties, policy, time zone, confirmations, state, revision and
// lineage follow from the entries alone. What an entry says of the state after it is not believed but derived again by
// the rules, and compared. Apply,
// ChangesNothing and Differences are pure: no database, no clock.
#pragma once

#include "common/data/events.h"
#include "common/data/log_entries.h"

namespace parley::event {

// Takes `event` on by its next entry; the first one makes it, from an event that is new. DATA_LOSS, naming the entry,
// where that cannot be what happened: then `event` is of no use any more. Addresses stand on no log: they stay empty.
absl::Status Apply(const data::LogEntry& entry, data::Event& event);

// Whether the event is shown after this entry as it was before it: it was viewed, or somebody was notified.
bool ChangesNothing(const data::LogEntry& entry);

// How an event by its log differs from the one that is stored, a line for each field; empty where it does not.
// Addresses are left out.
std::vector<std::string> Differences(const data::Event& replayed, const data::Event& stored);

// Takes `past`, which its log has told so far, on to this later entry, from the database. NOT_FOUND where there is
// none.
absl::Status ReadOn(data::Transaction& tx, const Uuid& event_id, int64_t sequence, data::Event& past);
// `past` with the addresses that stand in `present`, the event as it is stored.
absl::StatusOr<data::Event> AsShown(data::Event past, const data::Event& present);

// `present` as it stood after this entry, or at the last entry of this revision, read back from its log. NOT_FOUND
// where it has not come so far.
absl::StatusOr<data::Event> ReadBackEntry(data::Transaction& tx, const data::Event& present, int64_t sequence);
absl::StatusOr<data::Event> ReadBackRevision(data::Transaction& tx, const data::Event& present, int64_t revision);

}  // namespace parley::event
