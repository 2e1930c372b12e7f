#include "common/data/events.h"

#include <algorithm>

#include "common/status/status.h"

namespace parley::data {
namespace {

constexpr int64_t kMaxScanned = 1000;

// kFind, and what kLock begins with. The initiator is looked up for each event by itself, so that the plan is the same
// at any size of the tables.
#define PARLEY_SELECT_EVENTS                                                                                          \
  "select e.event_id, e.title, e.slots, e.state, e.revision, e.quorum, e.confirmed_by, e.time_zone, e.initiator_id, " \
  "       (select array[local_part, domain] from users where user_id = e.initiator_id), "                             \
  "       e.confirmed_ids, e.create_time, e.update_time, e.delete_time, e.last_sequence, e.predecessor_id, "          \
  "       e.successor_id, e.last_hash "                                                                               \
  "from events e where e.event_id = any($1) order by e.event_id"

// Without its parties.
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
  const auto initiator = row.GetTexts(9);
  if (initiator.size() == 2) event.initiator = {initiator[0], initiator[1]};
  event.confirmed_ids = row.GetUuids(10);
  event.create_time = row.GetTime(11);
  event.update_time = row.GetTime(12);
  if (!row.IsNull(13)) event.delete_time = row.GetTime(13);
  event.last_sequence = row.GetInt(14);
  if (!row.IsNull(15)) event.predecessor_id = row.GetUuid(15);
  if (!row.IsNull(16)) event.successor_id = row.GetUuid(16);
  event.last_hash = row.GetText(17);
  return event;
}

}  // namespace

const Party* Event::FindParty(const Uuid& user_id) const {
  const auto found = std::ranges::find(parties, user_id, &Party::user_id);
  return found == parties.end() || found->erased ? nullptr : &*found;
}

bool Event::HasConfirmed(const Uuid& user_id) const {
  return std::ranges::find(confirmed_ids, user_id) != confirmed_ids.end();
}

constexpr Statement kFind{"find_events", PARLEY_SELECT_EVENTS};

absl::StatusOr<std::vector<Event>> Events::Find(absl::Span<const Uuid> ids) {
  return Read({{kFind, Params().AddUuids(ids)}}, ids);
}

constexpr Statement kLock{"lock_events", PARLEY_SELECT_EVENTS " for no key update of e"};

// One event that somebody holds keeps the others of a batch no longer.
constexpr Statement kWaitShortly{"wait_shortly", "select set_config('lock_timeout', '500ms', true)"};

absl::StatusOr<std::vector<Event>> Events::Lock(absl::Span<const Uuid> ids) {
  std::vector<Query> queries;
  if (ids.size() > 1) queries.push_back({kWaitShortly, {}});
  queries.push_back({kLock, Params().AddUuids(ids)});
  return Read(std::move(queries), ids);
}

// A statement of its own: as aggregates beside their events, parties cost three times as much.
constexpr Statement kParties{"parties_of_events", R"sql(
  select p.event_id, p.user_id, p.local_part, (select domain from users u where u.user_id = p.user_id), p.erased
  from event_parties p where p.event_id = any($1) order by p.event_id, p.position)sql"};

absl::StatusOr<std::vector<Event>> Events::Read(std::vector<Query> queries, absl::Span<const Uuid> ids) {
  queries.push_back({kParties, Params().AddUuids(ids)});
  PARLEY_ASSIGN_OR_RETURN(const auto results, tx_.ExecuteAll(queries));
  const Result& rows = results[results.size() - 2];
  const Result& parties = results.back();
  std::vector<Event> events;
  for (int i = 0; i < rows.size(); ++i) events.push_back(EventOf(rows[i]));
  auto event = events.begin();
  for (int i = 0; i < parties.size(); ++i) {
    const Row row = parties[i];
    while (event != events.end() && event->id < row.GetUuid(0)) ++event;
    if (event == events.end() || event->id != row.GetUuid(0)) continue;
    Party& party = event->parties.emplace_back();
    party.user_id = row.GetUuid(1);
    party.address = {std::string(row.GetText(2)), std::string(row.GetText(3))};
    party.erased = row.GetBool(4);
  }
  return events;
}

constexpr Statement kGoneBeyond{"events_gone_beyond", R"sql(
  select p.event_id from unnest($1::uuid[], $2::int8[]) as p (event_id, sequence)
  cross join lateral (select last_sequence from events e where e.event_id = p.event_id offset 0) e
  where e.last_sequence > p.sequence)sql"};

absl::StatusOr<std::vector<Uuid>> Events::GoneBeyond(absl::Span<const Uuid> ids, absl::Span<const int64_t> sequences) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kGoneBeyond, Params().AddUuids(ids).AddInts(sequences)));
  std::vector<Uuid> gone;
  for (int i = 0; i < result.size(); ++i) gone.push_back(result[i].GetUuid(0));
  return gone;
}

// Lists look at no more than $3 events from the cursor ($1, $2) on, each by the index that has their order, and say of
// each whether it is wanted. Only a party's events in another order than that of their ids are sorted: all of them, for
// each page. A party's are looked up one by one: left to itself, PostgreSQL might go through everybody's in their
// order.
#define PARLEY_SCAN(KEY, FROM, WHERE, ORDER)                                                    \
  "select e.event_id, " KEY                                                                     \
  ", "                                                                                          \
  "       e.delete_time is null "                                                               \
  "       and ($5::text is null or e.state = $5) "                                              \
  "       and ($6::uuid is null or exists (select from event_parties o "                        \
  "                                        where o.event_id = e.event_id and o.user_id = $6)) " \
  "       and ($7::timestamptz is null or exists (select from unnest(e.slots) slot "            \
  "                                               where slot && tstzrange($7, $8))) "           \
  "from " FROM " where " WHERE " order by " ORDER " limit $3"

#define PARLEY_ALL "events e"
// The limit is inside, where PostgreSQL sees that few are wanted.
#define PARLEY_OF_PARTY(SINCE)                                                 \
  "(select event_id from event_parties where user_id = $4 and event_id " SINCE \
  " limit $3) p "                                                              \
  "cross join lateral (select * from events where event_id = p.event_id offset 0) e"
#define PARLEY_ALL_OF_PARTY                                             \
  "(select event_id from event_parties where user_id = $4 offset 0) p " \
  "cross join lateral (select * from events where event_id = p.event_id offset 0) e"
#define PARLEY_FIRST_SLOT "coalesce(lower(e.slots[1]), 'infinity')"

// By [order][descending][of a party].
constexpr Statement kScan[3][2][2] = {
    {{{"scan_events_up", PARLEY_SCAN("$1::timestamptz", PARLEY_ALL, "e.event_id > $2", "e.event_id")},
      {"scan_party_events_up",
       PARLEY_SCAN("$1::timestamptz", PARLEY_OF_PARTY("> $2 order by event_id"), "true", "p.event_id")}},
     {{"scan_events_down", PARLEY_SCAN("$1::timestamptz", PARLEY_ALL, "e.event_id < $2", "e.event_id desc")},
      {"scan_party_events_down",
       PARLEY_SCAN("$1::timestamptz", PARLEY_OF_PARTY("< $2 order by event_id desc"), "true", "p.event_id desc")}}},
    {{{"scan_events_update_time_up",
       PARLEY_SCAN("e.update_time", PARLEY_ALL, "e.delete_time is null and (e.update_time, e.event_id) > ($1, $2)",
                   "e.update_time, e.event_id")},
      {"scan_party_events_update_time_up",
       PARLEY_SCAN("e.update_time", PARLEY_ALL_OF_PARTY,
                   "e.delete_time is null and (e.update_time, e.event_id) > ($1, $2)", "e.update_time, e.event_id")}},
     {{"scan_events_update_time_down",
       PARLEY_SCAN("e.update_time", PARLEY_ALL, "e.delete_time is null and (e.update_time, e.event_id) < ($1, $2)",
                   "e.update_time desc, e.event_id desc")},
      {"scan_party_events_update_time_down",
       PARLEY_SCAN("e.update_time", PARLEY_ALL_OF_PARTY,
                   "e.delete_time is null and (e.update_time, e.event_id) < ($1, $2)",
                   "e.update_time desc, e.event_id desc")}}},
    {{{"scan_events_first_slot_up",
       PARLEY_SCAN(PARLEY_FIRST_SLOT, PARLEY_ALL,
                   "e.delete_time is null and (" PARLEY_FIRST_SLOT ", e.event_id) > ($1, $2)",
                   PARLEY_FIRST_SLOT ", e.event_id")},
      {"scan_party_events_first_slot_up",
       PARLEY_SCAN(PARLEY_FIRST_SLOT, PARLEY_ALL_OF_PARTY,
                   "e.delete_time is null and (" PARLEY_FIRST_SLOT ", e.event_id) > ($1, $2)",
                   PARLEY_FIRST_SLOT ", e.event_id")}},
     {{"scan_events_first_slot_down",
       PARLEY_SCAN(PARLEY_FIRST_SLOT, PARLEY_ALL,
                   "e.delete_time is null and (" PARLEY_FIRST_SLOT ", e.event_id) < ($1, $2)",
                   PARLEY_FIRST_SLOT " desc, e.event_id desc")},
      {"scan_party_events_first_slot_down",
       PARLEY_SCAN(PARLEY_FIRST_SLOT, PARLEY_ALL_OF_PARTY,
                   "e.delete_time is null and (" PARLEY_FIRST_SLOT ", e.event_id) < ($1, $2)",
                   PARLEY_FIRST_SLOT " desc, e.event_id desc")}}},
};

absl::StatusOr<EventPage> Events::List(const EventQuery& query, const std::optional<EventCursor>& after, int limit) {
  const bool selective = query.other_party || query.state || query.overlapping;
  // One more than the page tells whether there is another.
  const int64_t scanned = selective ? kMaxScanned : limit + 1;
  const EventCursor begin =
      query.descending ? EventCursor{absl::InfiniteFuture(), Uuid::Max()} : EventCursor{absl::InfinitePast(), Uuid()};
  Params params;
  params.Add(after.value_or(begin).key).Add(after.value_or(begin).id).Add(scanned);
  params.Add(query.party.value_or(Uuid{}));
  query.state ? params.Add(event::v1::Event::State_Name(*query.state)) : params.AddNull();
  query.other_party ? params.Add(*query.other_party) : params.AddNull();
  query.overlapping ? params.Add(query.overlapping->first) : params.AddNull();
  query.overlapping ? params.Add(query.overlapping->second) : params.AddNull();
  const Statement& scan = kScan[static_cast<int>(query.order)][query.descending][query.party.has_value()];
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(scan, params));

  EventPage page;
  std::vector<Uuid> ids;
  bool more = result.size() == scanned;
  for (int i = 0; i < result.size(); ++i) {
    if (page.events.size() == static_cast<size_t>(limit)) {
      more = true;
      break;
    }
    const EventCursor cursor{result[i].GetTime(1), result[i].GetUuid(0)};
    page.next = cursor;
    if (!result[i].GetBool(2)) continue;
    page.events.push_back({cursor, {}});
    ids.push_back(cursor.id);
  }
  if (!more) page.next.reset();
  if (ids.empty()) return page;
  PARLEY_ASSIGN_OR_RETURN(auto events, Find(ids));
  for (EventPage::Listed& listed : page.events) {
    const auto found = std::ranges::lower_bound(events, listed.cursor.id, {}, &Event::id);
    if (found == events.end() || found->id != listed.cursor.id) return Internal("an event is gone from its table");
    listed.event = std::move(*found);
  }
  return page;
}

// An event's slots are a part of one array: PostgreSQL has no arrays of arrays of different lengths.
constexpr Statement kInsert{"insert_events", R"sql(
  with made as (
    insert into events (event_id, title, slots, state, revision, quorum, confirmed_by, time_zone, initiator_id,
                        confirmed_ids, create_time, update_time, last_sequence, predecessor_id, last_hash)
    select n.event_id, n.title, ($12::tstzrange[])[n.first_slot:n.last_slot], n.state, n.revision, n.quorum,
           n.confirmed_by, n.time_zone, n.initiator_id, ($13::uuid[])[n.first_confirmed:n.last_confirmed],
           n.create_time, n.create_time, n.last_sequence,
           nullif(n.predecessor_id, '00000000-0000-0000-0000-000000000000'), n.last_hash
    from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                $9::timestamptz[], $10::int8[], $11::int8[], $14::int8[], $15::int8[], $16::int8[], $21::uuid[],
                $22::bytea[])
      as n (event_id, title, state, revision, quorum, confirmed_by, time_zone, initiator_id, create_time, first_slot,
            last_slot, first_confirmed, last_confirmed, last_sequence, predecessor_id, last_hash))
  insert into event_parties (event_id, user_id, position, local_part, salt)
  select event_id, user_id, position, local_part, salt
  from unnest($17::uuid[], $18::uuid[], $19::int8[], $20::text[], $23::bytea[])
    as n (event_id, user_id, position, local_part, salt))sql"};

absl::Status Events::Insert(absl::Span<const Event> events) {
  std::vector<Uuid> ids, initiators, confirmed, party_events, party_users, predecessors;
  std::vector<std::string> titles, states, quorums, confirmed_bys, time_zones, local_parts, hashes, salts;
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
    hashes.push_back(event.last_hash);
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
      salts.push_back(event.parties[i].salt);
    }
  }
  Params params;
  params.AddUuids(ids).AddTexts(titles).AddTexts(states).AddInts(revisions).AddTexts(quorums).AddTexts(confirmed_bys);
  params.AddTexts(time_zones).AddUuids(initiators).AddTimes(times).AddInts(first_slots).AddInts(last_slots);
  params.AddSlots(slots).AddUuids(confirmed).AddInts(first_confirmed).AddInts(last_confirmed).AddInts(sequences);
  params.AddUuids(party_events).AddUuids(party_users).AddInts(positions).AddTexts(local_parts);
  params.AddUuids(predecessors).AddByteStrings(hashes).AddByteStrings(salts);
  return tx_.Execute(kInsert, params).status();
}

constexpr Statement kSave{"save_events", R"sql(
  update events e
  set title = n.title, slots = ($4::tstzrange[])[n.first_slot:n.last_slot], state = n.state, revision = n.revision,
      time_zone = n.time_zone, confirmed_ids = ($9::uuid[])[n.first_confirmed:n.last_confirmed],
      update_time = n.update_time, delete_time = nullif(n.delete_time, 'infinity'),
      successor_id = nullif(n.successor_id, '00000000-0000-0000-0000-000000000000'),
      last_sequence = n.last_sequence, last_hash = n.last_hash
  from unnest($1::uuid[], $2::text[], $3::int8[], $5::int8[], $6::text[], $7::int8[], $8::text[], $10::int8[],
              $11::int8[], $12::timestamptz[], $13::timestamptz[], $14::uuid[], $15::int8[], $16::bytea[])
    as n (event_id, title, first_slot, last_slot, state, revision, time_zone, first_confirmed, last_confirmed,
          update_time, delete_time, successor_id, last_sequence, last_hash)
  where e.event_id = n.event_id)sql"};

absl::Status Events::Save(absl::Span<const Event> events) {
  std::vector<Uuid> ids, confirmed, successors;
  std::vector<std::string> titles, states, time_zones, hashes;
  std::vector<int64_t> first_slots, last_slots, revisions, first_confirmed, last_confirmed, sequences;
  std::vector<absl::Time> update_times, delete_times;
  std::vector<Slot> slots;
  for (const Event& event : events) {
    ids.push_back(event.id);
    titles.push_back(event.title);
    first_slots.push_back(static_cast<int64_t>(slots.size()) + 1);
    slots.insert(slots.end(), event.slots.begin(), event.slots.end());
    last_slots.push_back(static_cast<int64_t>(slots.size()));
    states.push_back(event::v1::Event::State_Name(event.state));
    revisions.push_back(event.revision);
    time_zones.push_back(event.time_zone);
    first_confirmed.push_back(static_cast<int64_t>(confirmed.size()) + 1);
    confirmed.insert(confirmed.end(), event.confirmed_ids.begin(), event.confirmed_ids.end());
    last_confirmed.push_back(static_cast<int64_t>(confirmed.size()));
    update_times.push_back(event.update_time);
    delete_times.push_back(event.delete_time.value_or(absl::InfiniteFuture()));
    successors.push_back(event.successor_id.value_or(Uuid{}));
    sequences.push_back(event.last_sequence);
    hashes.push_back(event.last_hash);
  }
  Params params;
  params.AddUuids(ids).AddTexts(titles).AddInts(first_slots).AddSlots(slots).AddInts(last_slots).AddTexts(states);
  params.AddInts(revisions).AddTexts(time_zones).AddUuids(confirmed).AddInts(first_confirmed).AddInts(last_confirmed);
  params.AddTimes(update_times).AddTimes(delete_times).AddUuids(successors).AddInts(sequences).AddByteStrings(hashes);
  return tx_.Execute(kSave, params).status();
}

}  // namespace parley::data
