#include "services/event/steps.h"

#include <algorithm>
#include <map>

#include "common/status/status.h"
#include "services/event/event_messages.h"
#include "services/event/replay.h"

namespace parley::event {
namespace {

// How far behind the entries that are asked for the log is looked at for whether anything has happened since.
constexpr int kNear = 100;

using Present = std::map<Uuid, const data::Event*>;
// From which entry on each event is as it is now.
using Settled = std::map<Uuid, int64_t>;

// Takes those back along the entries, which are the last of their logs before what is settled.
void LookBack(const std::vector<data::LogEntry>& entries, Settled& settled) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    int64_t& since = settled[entry->event_id];
    if (entry->sequence == since && ChangesNothing(*entry)) --since;
  }
}

// Mostly nothing has happened since, or there were views alone: then no log need be read from its beginning.
absl::StatusOr<Settled> SettledSince(data::Transaction& tx, const Present& present,
                                     const std::vector<data::LogEntry>& entries) {
  Settled settled;
  for (const auto& [id, event] : present) settled[id] = event->last_sequence;
  std::map<Uuid, int64_t> last;
  for (const data::LogEntry& entry : entries) last[entry.event_id] = entry.sequence;
  std::vector<data::LogPosition> near;
  for (const auto& [id, sequence] : last) {
    const int64_t behind = settled[id] - sequence;
    if (behind > 0 && behind <= kNear) near.push_back({id, sequence});
  }
  if (!near.empty()) {
    PARLEY_ASSIGN_OR_RETURN(const auto later, data::LogEntries(tx).ListBehind(near, kNear));
    LookBack(later, settled);
  }
  LookBack(entries, settled);
  return settled;
}

}  // namespace

absl::StatusOr<data::Event> StepReader::StateAt(data::Transaction& tx, const data::LogEntry& entry) {
  if (states_.size() >= max_states_ && !states_.contains(entry.event_id)) {
    // The one that costs least to be read again.
    states_.erase(std::ranges::min_element(states_, {}, [](const auto& each) { return each.second.last_sequence; }));
  }
  data::Event& state = states_[entry.event_id];
  // Asked for what is past: a log is never read backwards.
  if (state.last_sequence > entry.sequence) state = data::Event();
  absl::Status status;
  if (state.last_sequence == entry.sequence - 1) {
    status = Apply(entry, state);
    if (!status.ok()) status = Internal(std::string(status.message()));
  } else if (state.last_sequence < entry.sequence) {
    status = ReadOn(tx, entry.event_id, entry.sequence, state);
  }
  if (!status.ok()) {
    states_.erase(entry.event_id);
    return status;
  }
  return state;
}

absl::StatusOr<std::vector<Step>> StepReader::Read(data::Transaction& tx, const std::vector<data::LogEntry>& entries) {
  std::vector<Uuid> ids;
  for (const data::LogEntry& entry : entries) ids.push_back(entry.event_id);
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(ids));
  PARLEY_ASSIGN_OR_RETURN(const Addresses addresses, AddressesOf(tx, events, {&entries, 1}));
  Present present;
  for (const data::Event& event : events) present.emplace(event.id, &event);
  PARLEY_ASSIGN_OR_RETURN(const Settled settled, SettledSince(tx, present, entries));

  std::vector<Step> steps;
  for (const data::LogEntry& entry : entries) {
    const auto found = present.find(entry.event_id);
    if (found == present.end()) return Internal(data::NameOf(entry.event_id, entry.sequence) + " has no event");
    const data::Event& event = *found->second;
    Step& step = steps.emplace_back();
    ToProto(entry, addresses, step.log_entry);
    if (entry.sequence >= settled.at(entry.event_id)) {
      ToProto(event, step.event);
    } else {
      PARLEY_ASSIGN_OR_RETURN(data::Event state, StateAt(tx, entry));
      PARLEY_ASSIGN_OR_RETURN(state, AsShown(std::move(state), event));
      ToProto(state, step.event);
    }
    for (const data::Party& party : event.parties) step.party_ids.push_back(party.user_id);
  }
  return steps;
}

}  // namespace parley::event
