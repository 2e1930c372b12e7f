#include "services/event/steps.h"

#include <map>

#include "common/status/status.h"
#include "services/event/event_messages.h"
#include "services/event/replay.h"

namespace parley::event {

absl::StatusOr<data::Event> StepReader::StateAt(data::Transaction& tx, const data::LogEntry& entry) {
  if (states_.size() >= max_states_ && !states_.contains(entry.event_id)) states_.clear();
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
  PARLEY_ASSIGN_OR_RETURN(const Addresses addresses, AddressesOf(tx, events, entries));
  std::map<Uuid, const data::Event*> present;
  for (const data::Event& event : events) present.emplace(event.id, &event);

  std::vector<Step> steps;
  for (const data::LogEntry& entry : entries) {
    const auto found = present.find(entry.event_id);
    if (found == present.end()) return Internal(data::NameOf(entry.event_id, entry.sequence) + " has no event");
    const data::Event& event = *found->second;
    Step& step = steps.emplace_back();
    ToProto(entry, addresses, step.log_entry);
    // Mostly nothing has happened since.
    if (event.last_sequence == entry.sequence) {
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
