#include "common/data/events.h"

#include <algorithm>

#include "common/status/status.h"

namespace parley::data {
namespace {

// What kFind, kLock and the lists begin with. Users and parties are looked up for each event by itself, so that the
// plan is the same at any size of the tables. The parties never change, so that reading them beside the locked row is
// safe.
#define PARLEY_SELECT_EVENTS                                                                                          \
  "select e.event_id, e.title, e.slots, e.state, e.revision, e.quorum, e.confirmed_by, e.time_zone, e.initiator_id, " \
  "       (select local_part from users where user_id = e.initiator_id), "                                            \
  "       (select domain from users where user_id = e.initiator_id), "                                                \
  "       e.confirmed_ids, e.create_time, e.update_time, e.delete_time, e.last_sequence, "                            \
  "       p.user_ids, p.local_parts, p.domains, e.predecessor_id, e.successor_id "                                    \
  "from events e cross join lateral ("                                                                                \
  "  select array_agg(q.user_id order by q.position) as user_ids, "                                                   \
  "         array_agg(q.local_part order by q.position) as local_parts, "                                             \
  "         array_agg((select domain from users u where u.user_id = q.user_id) order by q.position) as domains "      \
  "  from event_parties q where q.event_id = e.event_id) p "

Event EventOf(const Row& row) {
  Event event;
  event.id = row.GetUuid(0);
  event.title = row.GetText(1);
  event.slots = row.GetSlots(2);
  event::v1::Event::State_Parse(std::string(row.GetText(3)), &event.state);
  event.revision = row.GetInt(4);
  event::v1::AgreementPolicy::Quorum_Parse(std::string(row.GetText(5)), &event.quorum);
  event::v1::AgreementPolicy::ConfirmedBy_Parse(std::string(row.GetText(6)), &event.confirmed_by);
  event.time_zone = row.GetText(7);
  event.initiator_id = row.GetUuid(8);
  event.initiator = {std::string(row.GetText(9)), std::string(row.GetText(10))};
  event.confirmed_ids = row.GetUuids(11);
  event.create_time = row.GetTime(12);
  event.update_time = row.GetTime(13);
  if (!row.IsNull(14)) event.delete_time = row.GetTime(14);
  event.last_sequence = row.GetInt(15);
  const auto user_ids = row.GetUuids(16);
  const auto local_parts = row.GetTexts(17);
  const auto domains = row.GetTexts(18);
  if (!row.IsNull(19)) event.predecessor_id = row.GetUuid(19);
  if (!row.IsNull(20)) event.successor_id = row.GetUuid(20);
  for (size_t i = 0; i < user_ids.size(); ++i) event.parties.push_back({user_ids[i], {local_parts[i], domains[i]}});
  return event;
}

std::vector<Event> EventsOf(const Result& result) {
  std::vector<Event> events;
  for (int i = 0; i < result.size(); ++i) events.push_back(EventOf(result[i]));
  return events;
}

}  // namespace

const Party* Event::FindParty(const Uuid& user_id) const {
  const auto found = std::ranges::find(parties, user_id, &Party::user_id);
  return found == parties.end() ? nullptr : &*found;
}

bool Event::HasConfirmed(const Uuid& user_id) const {
  return std::ranges::find(confirmed_ids, user_id) != confirmed_ids.end();
}

constexpr Statement kFind{"find_events", PARLEY_SELECT_EVENTS "where e.event_id = any($1) order by e.event_id"};

absl::StatusOr<std::vector<Event>> Events::Find(absl::Span<const Uuid> ids) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().AddUuids(ids)));
  return EventsOf(result);
}

constexpr Statement kLock{"lock_events",
                          PARLEY_SELECT_EVENTS "where e.event_id = any($1) order by e.event_id for no key update of e"};

absl::StatusOr<std::vector<Event>> Events::Lock(absl::Span<const Uuid> ids) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLock, Params().AddUuids(ids)));
  return EventsOf(result);
}

constexpr Statement kListAll{"list_all_events", PARLEY_SELECT_EVENTS R"sql(
  where e.delete_time is null and e.event_id < $1 order by e.event_id desc limit $2)sql"};

constexpr Statement kListOfParty{"list_events_of_party", PARLEY_SELECT_EVENTS R"sql(
  join event_parties own on own.event_id = e.event_id and own.user_id = $3
  where e.delete_time is null and own.event_id < $1 order by own.event_id desc limit $2)sql"};

absl::StatusOr<std::vector<Event>> Events::List(const std::optional<Uuid>& party, const std::optional<Uuid>& before,
                                                int limit) {
  Params params;
  params.Add(before.value_or(Uuid::Max())).Add(int64_t{limit});
  if (party) params.Add(*party);
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(party ? kListOfParty : kListAll, params));
  return EventsOf(result);
}

// An event's slots are a part of one array: PostgreSQL has no arrays of arrays of different lengths.
constexpr Statement kInsert{"insert_events", R"sql(
  with made as (
    insert into events (event_id, title, slots, state, revision, quorum, confirmed_by, time_zone, initiator_id,
                        confirmed_ids, create_time, update_time, last_sequence, predecessor_id)
    select n.event_id, n.title, ($12::tstzrange[])[n.first_slot:n.last_slot], n.state, n.revision, n.quorum,
           n.confirmed_by, n.time_zone, n.initiator_id, ($13::uuid[])[n.first_confirmed:n.last_confirmed],
           n.create_time, n.create_time, n.last_sequence,
           nullif(n.predecessor_id, '00000000-0000-0000-0000-000000000000')
    from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                $9::timestamptz[], $10::int8[], $11::int8[], $14::int8[], $15::int8[], $16::int8[], $21::uuid[])
      as n (event_id, title, state, revision, quorum, confirmed_by, time_zone, initiator_id, create_time, first_slot,
            last_slot, first_confirmed, last_confirmed, last_sequence, predecessor_id))
  insert into event_parties (event_id, user_id, position, local_part)
  select event_id, user_id, position, local_part
  from unnest($17::uuid[], $18::uuid[], $19::int8[], $20::text[]) as n (event_id, user_id, position, local_part))sql"};

absl::Status Events::Insert(absl::Span<const Event> events) {
  std::vector<Uuid> ids, initiators, confirmed, party_events, party_users, predecessors;
  std::vector<std::string> titles, states, quorums, confirmed_bys, time_zones, local_parts;
  std::vector<int64_t> revisions, first_slots, last_slots, first_confirmed, last_confirmed, sequences, positions;
  std::vector<absl::Time> times;
  std::vector<Slot> slots;
  for (const Event& event : events) {
    ids.push_back(event.id);
    titles.push_back(event.title);
    states.push_back(event::v1::Event::State_Name(event.state));
    revisions.push_back(event.revision);
    quorums.push_back(event::v1::AgreementPolicy::Quorum_Name(event.quorum));
    confirmed_bys.push_back(event::v1::AgreementPolicy::ConfirmedBy_Name(event.confirmed_by));
    time_zones.push_back(event.time_zone);
    initiators.push_back(event.initiator_id);
    times.push_back(event.create_time);
    sequences.push_back(event.last_sequence);
    predecessors.push_back(event.predecessor_id.value_or(Uuid{}));
    first_slots.push_back(static_cast<int64_t>(slots.size()) + 1);
    slots.insert(slots.end(), event.slots.begin(), event.slots.end());
    last_slots.push_back(static_cast<int64_t>(slots.size()));
    first_confirmed.push_back(static_cast<int64_t>(confirmed.size()) + 1);
    confirmed.insert(confirmed.end(), event.confirmed_ids.begin(), event.confirmed_ids.end());
    last_confirmed.push_back(static_cast<int64_t>(confirmed.size()));
    for (size_t i = 0; i < event.parties.size(); ++i) {
      party_events.push_back(event.id);
      party_users.push_back(event.parties[i].user_id);
      positions.push_back(static_cast<int64_t>(i));
      local_parts.push_back(event.parties[i].address.local_part);
    }
  }
  Params params;
  params.AddUuids(ids).AddTexts(titles).AddTexts(states).AddInts(revisions).AddTexts(quorums).AddTexts(confirmed_bys);
  params.AddTexts(time_zones).AddUuids(initiators).AddTimes(times).AddInts(first_slots).AddInts(last_slots);
  params.AddSlots(slots).AddUuids(confirmed).AddInts(first_confirmed).AddInts(last_confirmed).AddInts(sequences);
  params.AddUuids(party_events).AddUuids(party_users).AddInts(positions).AddTexts(local_parts);
  params.AddUuids(predecessors);
  return tx_.Execute(kInsert, params).status();
}

constexpr Statement kSave{"save_event", R"sql(
  update events set title = $2, slots = $3, state = $4, revision = $5, time_zone = $6, confirmed_ids = $7,
                    update_time = $8, delete_time = $9, successor_id = $10
  where event_id = $1)sql"};

absl::Status Events::Save(const Event& event) {
  Params params;
  params.Add(event.id).Add(event.title).AddSlots(event.slots).Add(event::v1::Event::State_Name(event.state));
  params.Add(event.revision).Add(event.time_zone).AddUuids(event.confirmed_ids).Add(event.update_time);
  event.delete_time ? params.Add(*event.delete_time) : params.AddNull();
  event.successor_id ? params.Add(*event.successor_id) : params.AddNull();
  return tx_.Execute(kSave, params).status();
}

}  // namespace parley::data
