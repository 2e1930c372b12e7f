#include "services/event/rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/data/entry_record.h"

namespace parley::event {
namespace {

// Of an entry by which the event itself changes.
void AddStateAfter(const data::Event& event, data::LogEntry& entry) {
  entry.with_event = true;
  entry.data.set_state(event.state);
  for (const Uuid& id : event.confirmed_ids) entry.data.add_confirmed_ids(id.ToBytes());
}

// A2; who was erased counts no longer (A7).
int64_t QuorumOf(const data::Event& event) {
  const int64_t parties = std::ranges::count(event.parties, false, &data::Party::erased);
  if (event.quorum == v1::AgreementPolicy::ALL_BUT_ONE) return std::max(std::min<int64_t>(parties, 2), parties - 1);
  return parties;
}

absl::Status CheckOpen(const data::Event& event) {
  if (event.state == v1::Event::OPEN) return absl::OkStatus();
  const std::string state = v1::Event::State_Name(event.state);
  return Precondition(error::v1::EVENT_CLOSED, event.name(),
                      absl::StrCat("the event is ", state, " and changes no more"), {{"state", state}});
}

absl::Status CheckEtag(const data::Event& event, const std::string& etag) {
  return etag == event.etag() ? absl::OkStatus() : EtagMismatch(event.etag());
}

void RaiseRevision(data::Event& event, absl::Time now) {
  ++event.revision;
  event.update_time = now;
}

}  // namespace

void CheckAdded(const GivenSlots& given, const std::vector<Slot>& present, absl::Time now, FieldViolations& fields) {
  for (size_t i = 0; i < given.slots.size(); ++i) {
    const Slot& slot = given.slots[i];
    if (slot.end() > now || std::binary_search(present.begin(), present.end(), slot)) continue;
    fields.Add(given.paths[i], "must not have ended");
  }
}

void SetErased(data::Event& event, const Uuid& user_id) {
  const auto party = std::ranges::find(event.parties, user_id, &data::Party::user_id);
  if (party != event.parties.end()) party->erased = true;
  std::erase(event.confirmed_ids, user_id);
}

bool Affirm(data::Event& event, const Uuid& party) {
  if (!event.HasConfirmed(party)) event.confirmed_ids.push_back(party);
  if (event.slots.size() > 1 || std::ssize(event.confirmed_ids) < QuorumOf(event)) return false;
  event.state = event.slots.empty() ? v1::Event::ABANDONED : v1::Event::AGREED;
  return true;
}

absl::StatusOr<std::vector<Address>> PartiesToBe(const CreateCommand& command, const data::User& creator,
                                                 int max_parties, absl::Time now) {
  std::vector<Address> parties = command.parties;
  const bool absent = std::ranges::find(parties, creator.address) == parties.end();
  if (absent && creator.role == token::v1::User::MEMBER) parties.push_back(creator.address);
  FieldViolations fields;
  if (parties.empty() || parties.size() > static_cast<size_t>(max_parties)) {
    fields.Add(command.parties_path, absl::StrCat("must be 1 to ", max_parties, " different parties"));
  }
  CheckAdded(command.given, command.present, now, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parties;
}

Outcome Create(const CreateCommand& command, std::vector<data::Party> parties, const data::User& creator,
               const data::Effector& caller, const Uuid& id, absl::Time now) {
  data::Event event;
  event.id = id;
  event.title = command.title;
  event.parties = std::move(parties);
  event.slots = command.given.slots;
  event.quorum = command.quorum;
  event.confirmed_by = command.confirmed_by;
  event.time_zone = command.time_zone;
  event.initiator_id = creator.id;
  event.initiator = creator.address;
  event.create_time = now;
  event.update_time = now;
  event.last_sequence = 1;
  event.predecessor_id = command.predecessor_id;
  const bool party = event.FindParty(caller.user_id) != nullptr;
  if (party) event.confirmed_ids.push_back(caller.user_id);

  data::LogEntry entry = EntryOf(event, v1::LogEntry::UPDATE, caller, now);
  auto* opened = entry.data.mutable_opened();
  opened->set_title(event.title);
  for (const data::Party& each : event.parties) {
    opened->add_party_ids(each.user_id.ToBytes());
    entry.named += data::Named(each.user_id, each.salt, each.address);
  }
  opened->set_quorum(event.quorum);
  opened->set_confirmed_by(event.confirmed_by);
  opened->set_time_zone(event.time_zone);
  if (event.predecessor_id) entry.data.set_predecessor_id(event.predecessor_id->ToBytes());
  entry.data.set_affirmed(party);
  AddStateAfter(event, entry);
  return {std::move(event), std::move(entry)};
}

absl::StatusOr<Outcome> Update(const data::Event& before, const UpdateCommand& command, const data::Effector& caller,
                               absl::Time now) {
  PARLEY_RETURN_IF_ERROR(CheckOpen(before));
  PARLEY_RETURN_IF_ERROR(CheckEtag(before, command.etag));
  FieldViolations fields;
  if (command.given) CheckAdded(*command.given, before.slots, now, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());

  data::Event event = before;
  ++event.last_sequence;
  if (command.title) event.title = *command.title;
  if (command.time_zone) event.time_zone = *command.time_zone;
  if (command.given) event.slots = command.given->slots;
  const bool title_changed = event.title != before.title;
  const bool time_zone_changed = event.time_zone != before.time_zone;
  const bool slots_changed = event.slots != before.slots;
  const bool affirms = command.given && event.FindParty(caller.user_id) != nullptr;

  if (!title_changed && !time_zone_changed && !slots_changed && !affirms) {
    if (command.given) return CheckMayConfirm(event, caller);
    fields.Add("event", "would change nothing; to confirm the slots, send them or use ConfirmEvent");
    return fields.ToStatus();
  }
  if (slots_changed) event.confirmed_ids.clear();
  const bool closed = affirms && Affirm(event, caller.user_id);
  if (title_changed || time_zone_changed || slots_changed || closed) RaiseRevision(event, now);

  data::LogEntry entry = EntryOf(event, v1::LogEntry::UPDATE, caller, now);
  if (title_changed) entry.data.set_title(event.title);
  if (time_zone_changed) entry.data.set_time_zone(event.time_zone);
  entry.data.set_slots_changed(slots_changed);
  entry.data.set_affirmed(affirms);
  entry.data.set_closed(closed);
  AddStateAfter(event, entry);
  return Outcome{std::move(event), std::move(entry)};
}

absl::Status CheckMayConfirm(const data::Event& event, const data::Effector& caller) {
  if (event.FindParty(caller.user_id) != nullptr) return absl::OkStatus();
  return OfResource(Forbidden("only a party can confirm the slots"), kEventType, event.name());
}

absl::StatusOr<Outcome> Confirm(const data::Event& event, const std::string& etag, const data::Effector& caller,
                                absl::Time now) {
  PARLEY_RETURN_IF_ERROR(CheckMayConfirm(event, caller));
  UpdateCommand command;
  command.etag = etag;
  command.given = GivenSlots{event.slots, std::vector<std::string>(event.slots.size())};
  return Update(event, command, caller, now);
}

Outcome Erase(const data::Event& before, const Uuid& erased, const data::Effector& caller, absl::Time now) {
  data::Event event = before;
  ++event.last_sequence;
  // The caller may be the party itself.
  data::LogEntry entry = EntryOf(event, v1::LogEntry::UPDATE, caller, now);
  SetErased(event, erased);
  entry.data.set_erased_id(erased.ToBytes());
  AddStateAfter(event, entry);
  return {std::move(event), std::move(entry)};
}

absl::StatusOr<Outcome> Delete(const data::Event& before, const std::string& etag, const data::Effector& caller,
                               absl::Time now) {
  PARLEY_RETURN_IF_ERROR(CheckEtag(before, etag));
  data::Event event = before;
  ++event.last_sequence;
  event.delete_time = now;
  RaiseRevision(event, now);
  data::LogEntry entry = EntryOf(event, v1::LogEntry::UPDATE, caller, now);
  entry.data.set_deleted(true);
  AddStateAfter(event, entry);
  return Outcome{std::move(event), std::move(entry)};
}

absl::StatusOr<CreateCommand> Succession(const data::Event& old, const ReopenCommand& command) {
  if (old.successor_id) {
    const std::string successor = "events/" + old.successor_id->ToString();
    return Precondition(error::v1::EVENT_REOPENED, old.name(),
                        absl::StrCat("the event has been reopened already, as ", successor),
                        {{"successor", successor}});
  }
  PARLEY_RETURN_IF_ERROR(CheckEtag(old, command.etag));
  CreateCommand creation;
  creation.title = old.title;
  creation.parties = command.parties;
  creation.parties_path = "parties";
  if (creation.parties.empty()) {
    for (const data::Party& party : old.parties) {
      if (!party.address.erased()) creation.parties.push_back(party.address);
    }
  }
  creation.given = command.given.value_or(GivenSlots{old.slots, std::vector<std::string>(old.slots.size())});
  creation.present = old.slots;
  creation.quorum = old.quorum;
  creation.confirmed_by = old.confirmed_by;
  creation.time_zone = old.time_zone;
  creation.predecessor_id = old.id;
  return creation;
}

Outcome Succeeded(const data::Event& old, const data::Event& successor, const data::Effector& caller, absl::Time now) {
  data::Event event = old;
  ++event.last_sequence;
  event.successor_id = successor.id;
  const bool closed = event.state == v1::Event::OPEN;
  if (closed) {
    event.state = v1::Event::SUPERSEDED;
    RaiseRevision(event, now);
  }
  data::LogEntry entry = EntryOf(event, v1::LogEntry::UPDATE, caller, now);
  entry.data.set_successor_id(successor.id.ToBytes());
  entry.data.set_closed(closed);
  AddStateAfter(event, entry);
  return {std::move(event), std::move(entry)};
}

bool ViewConfirms(const data::Event& event, const data::Effector& caller) {
  return event.confirmed_by == v1::AgreementPolicy::VIEW && event.state == v1::Event::OPEN && !event.slots.empty() &&
         event.FindParty(caller.user_id) != nullptr;
}

Outcome View(const data::Event& before, const data::Effector& caller, absl::Time now) {
  data::Event event = before;
  ++event.last_sequence;
  const bool affirms = ViewConfirms(before, caller);
  const bool closed = affirms && Affirm(event, caller.user_id);
  if (closed) RaiseRevision(event, now);
  data::LogEntry entry = EntryOf(event, v1::LogEntry::VIEW, caller, now);
  if (affirms) {
    entry.data.set_affirmed(true);
    entry.data.set_closed(closed);
    AddStateAfter(event, entry);
  }
  return {std::move(event), std::move(entry)};
}

}  // namespace parley::event
