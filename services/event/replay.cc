#include "services/event/replay.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/event/rules.h"

namespace parley::event {
namespace {

constexpr int kPage = 1000;

absl::Status Wrong(const data::LogEntry& entry, std::string_view what) {
  return absl::DataLossError(absl::StrCat(data::NameOf(entry.event_id, entry.sequence), ": ", std::string(what)));
}

std::optional<Uuid> IdIn(const std::string& bytes) { return Uuid::FromBytes(bytes); }

void Open(const data::LogEntry& entry, data::Event& event) {
  const auto& opened = entry.data.opened();
  event = data::Event();
  event.id = entry.event_id;
  event.title = opened.title();
  for (const std::string& id : opened.party_ids()) event.parties.push_back({IdIn(id).value_or(Uuid{}), {}});
  event.quorum = static_cast<data::Event::Quorum>(opened.quorum());
  event.confirmed_by = static_cast<data::Event::ConfirmedBy>(opened.confirmed_by());
  event.time_zone = opened.time_zone();
  event.initiator_id = entry.effector_id;
  event.slots = entry.slots;
  event.create_time = event.update_time = entry.create_time;
  event.predecessor_id = IdIn(entry.data.predecessor_id());
  // Creating affirms for a caller who is a party, and closes nothing (A3).
  if (entry.data.affirmed()) event.confirmed_ids.push_back(entry.effector_id);
}

// The step of an event that exists.
absl::Status Step(const data::LogEntry& entry, data::Event& event) {
  const auto& data = entry.data;
  const bool changes = !data.title().empty() || !data.time_zone().empty() || data.slots_changed();
  if ((changes || data.affirmed()) && event.state != v1::Event::OPEN)
    return Wrong(entry, "the event was closed before");
  if (!data.title().empty()) event.title = data.title();
  if (!data.time_zone().empty()) event.time_zone = data.time_zone();
  if (data.slots_changed()) {
    event.slots = entry.slots;
    event.confirmed_ids.clear();
  }
  bool closed = false;
  if (data.affirmed()) {
    if (event.FindParty(entry.effector_id) == nullptr) return Wrong(entry, "someone who is no party has affirmed");
    closed = Affirm(event, entry.effector_id);
  }
  if (const auto successor = IdIn(data.successor_id())) {
    if (event.successor_id) return Wrong(entry, "there is a second successor");
    event.successor_id = successor;
    closed = event.state == v1::Event::OPEN;
    if (closed) event.state = v1::Event::SUPERSEDED;
  }
  if (data.deleted()) event.delete_time = entry.create_time;
  if (const auto erased = IdIn(data.erased_id())) SetErased(event, *erased);
  if (closed != data.closed()) return Wrong(entry, closed ? "it closed the event" : "it did not close the event");
  if (changes || closed || data.deleted()) {
    ++event.revision;
    event.update_time = entry.create_time;
  }
  return absl::OkStatus();
}

// What the entry says of the event after the step.
absl::Status Compare(const data::LogEntry& entry, const data::Event& event) {
  if (entry.revision != event.revision) return Wrong(entry, absl::StrCat("the revision should be ", event.revision));
  if (entry.slots != event.slots) return Wrong(entry, "the slots are not those of the entry before");
  if (entry.data.state() == v1::Event::STATE_UNSPECIFIED) return absl::OkStatus();
  if (entry.data.state() != event.state) {
    return Wrong(entry, absl::StrCat("the state should be ", v1::Event::State_Name(event.state)));
  }
  std::vector<Uuid> confirmed;
  for (const std::string& id : entry.data.confirmed_ids()) confirmed.push_back(IdIn(id).value_or(Uuid{}));
  if (confirmed != event.confirmed_ids) return Wrong(entry, "others should have confirmed");
  return absl::OkStatus();
}

// Takes `past` on along the log for as long as `wanted` says so of an entry.
template <class Wanted>
absl::Status ReadOn(data::Transaction& tx, const Uuid& event_id, Wanted wanted, data::Event& past) {
  bool more = true;
  while (more) {
    PARLEY_ASSIGN_OR_RETURN(const auto entries, data::LogEntries(tx).List(event_id, past.last_sequence, kPage));
    more = entries.size() == kPage && wanted(entries.back());
    for (const data::LogEntry& entry : entries) {
      if (!wanted(entry)) break;
      if (const absl::Status status = Apply(entry, past); !status.ok()) return Internal(std::string(status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadOn(data::Transaction& tx, const Uuid& event_id, int64_t sequence, data::Event& past) {
  PARLEY_RETURN_IF_ERROR(ReadOn(
      tx, event_id, [sequence](const data::LogEntry& entry) { return entry.sequence <= sequence; }, past));
  return past.last_sequence == sequence ? absl::OkStatus() : NotFound(kLogEntryType, data::NameOf(event_id, sequence));
}

absl::StatusOr<data::Event> AsShown(data::Event past, const data::Event& present) {
  if (past.parties.size() != present.parties.size())
    return Internal(present.name() + " has other parties than its log");
  past.parties = present.parties;
  past.initiator = present.initiator;
  return past;
}

absl::Status Apply(const data::LogEntry& entry, data::Event& event) {
  if (entry.sequence != event.last_sequence + 1) {
    return Wrong(entry, absl::StrCat("entry ", event.last_sequence + 1, " should come next"));
  }
  // Calendar entries are taken back afterwards (N7), and people may be erased.
  if (event.delete_time && entry.occurrence != v1::LogEntry::NOTIFY && entry.data.erased_id().empty()) {
    return Wrong(entry, "the event was deleted before");
  }
  if (entry.data.has_opened() != (entry.sequence == 1)) return Wrong(entry, "the first entry alone opens an event");
  if (entry.sequence == 1) {
    Open(entry, event);
  } else {
    PARLEY_RETURN_IF_ERROR(Step(entry, event));
  }
  event.last_sequence = entry.sequence;
  return Compare(entry, event);
}

bool ChangesNothing(const data::LogEntry& entry) {
  const auto& data = entry.data;
  return !data.has_opened() && data.title().empty() && data.time_zone().empty() && !data.slots_changed() &&
         !data.affirmed() && !data.closed() && !data.deleted() && data.successor_id().empty() &&
         data.erased_id().empty();
}

std::vector<std::string> Differences(const data::Event& replayed, const data::Event& stored) {
  std::vector<std::string> differences;
  auto compare = [&differences](const char* field, const auto& by_log, const auto& by_row) {
    if (by_log != by_row) differences.push_back(absl::StrCat(field, " is stored otherwise than the log tells"));
  };
  auto parties_of = [](const data::Event& event) {
    std::vector<Uuid> ids;
    for (const data::Party& party : event.parties) ids.push_back(party.user_id);
    return ids;
  };
  auto erased_of = [](const data::Event& event) {
    std::vector<Uuid> ids;
    for (const data::Party& party : event.parties) {
      if (party.erased) ids.push_back(party.user_id);
    }
    return ids;
  };
  compare("title", replayed.title, stored.title);
  compare("parties", parties_of(replayed), parties_of(stored));
  compare("erased parties", erased_of(replayed), erased_of(stored));
  compare("slots", replayed.slots, stored.slots);
  compare("state", replayed.state, stored.state);
  compare("revision", replayed.revision, stored.revision);
  compare("quorum", replayed.quorum, stored.quorum);
  compare("confirmed_by", replayed.confirmed_by, stored.confirmed_by);
  compare("time_zone", replayed.time_zone, stored.time_zone);
  compare("initiator", replayed.initiator_id, stored.initiator_id);
  compare("confirmed parties", replayed.confirmed_ids, stored.confirmed_ids);
  compare("create_time", replayed.create_time, stored.create_time);
  compare("update_time", replayed.update_time, stored.update_time);
  compare("delete_time", replayed.delete_time, stored.delete_time);
  compare("predecessor", replayed.predecessor_id, stored.predecessor_id);
  compare("successor", replayed.successor_id, stored.successor_id);
  compare("last_sequence", replayed.last_sequence, stored.last_sequence);
  return differences;
}

absl::StatusOr<data::Event> ReadBackEntry(data::Transaction& tx, const data::Event& present, int64_t sequence) {
  data::Event past;
  PARLEY_RETURN_IF_ERROR(ReadOn(tx, present.id, sequence, past));
  return AsShown(std::move(past), present);
}

absl::StatusOr<data::Event> ReadBackRevision(data::Transaction& tx, const data::Event& present, int64_t revision) {
  data::Event past;
  PARLEY_RETURN_IF_ERROR(ReadOn(
      tx, present.id, [revision](const data::LogEntry& entry) { return entry.revision <= revision; }, past));
  if (past.revision != revision || past.last_sequence == 0) {
    return NotFound(kEventType, absl::StrCat(present.name(), "@", revision));  // as AIP-162 names it
  }
  return AsShown(std::move(past), present);
}

}  // namespace parley::event
