#include "common/data/log_entries.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/data/entry_record.h"
#include "common/data/erasures.h"
#include "common/status/status.h"
#include "common/tlog/merkle.h"

namespace parley::data {

LogEntry EntryOf(const Event& event, LogEntry::Occurrence occurrence, const Effector& effector, absl::Time now) {
  LogEntry entry;
  entry.event_id = event.id;
  entry.sequence = event.last_sequence;
  entry.create_time = now;
  entry.occurrence = occurrence;
  entry.effector_id = effector.user_id;
  entry.revision = event.revision;
  entry.slots = event.slots;
  entry.previous_hash = event.last_hash;
  if (effector.email_token_id) entry.data.set_email_token_id(effector.email_token_id->ToBytes());
  if (effector.acted_by_id) entry.data.set_acted_by_id(effector.acted_by_id->ToBytes());
  // Also a party that was erased is named already.
  auto is_party = [&event](const Uuid& id) {
    return std::ranges::find(event.parties, id, &Party::user_id) != event.parties.end();
  };
  if (!is_party(effector.user_id)) entry.staff_ids.push_back(effector.user_id);
  if (effector.acted_by_id && !is_party(*effector.acted_by_id)) entry.staff_ids.push_back(*effector.acted_by_id);
  return entry;
}

// Those who were not named before, with what is needed to name them. Of a person who was erased nothing is left to
// name.
constexpr Statement kNameStaff{"name_staff", R"sql(
  insert into event_staff (event_id, user_id, local_part, salt)
  select s.event_id, s.user_id, coalesce(u.local_part, ''), case when u.user_id is null then '' else s.salt end
  from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as s (event_id, user_id, salt)
  left join users u using (user_id)
  on conflict (event_id, user_id) do nothing
  returning event_id, user_id, local_part, salt, (select domain from users u where u.user_id = event_staff.user_id))sql"};

absl::Status LogEntries::NameStaff(std::vector<LogEntry>& entries) {
  std::set<std::pair<Uuid, Uuid>> events_and_users;
  for (const LogEntry& entry : entries) {
    for (const Uuid& id : entry.staff_ids) events_and_users.emplace(entry.event_id, id);
  }
  if (events_and_users.empty()) return absl::OkStatus();
  PARLEY_RETURN_IF_ERROR(Erasures(tx_).Hold());
  std::vector<Uuid> events, users;
  std::vector<std::string> salts;
  for (const auto& [event, user] : events_and_users) {
    events.push_back(event);
    users.push_back(user);
    salts.push_back(MakeSalt());
  }
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kNameStaff, Params().AddUuids(events).AddUuids(users).AddByteStrings(salts)));
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    const Uuid user = row.GetUuid(1);
    const auto first = std::ranges::find_if(entries, [&](const LogEntry& entry) {
      return entry.event_id == row.GetUuid(0) && std::ranges::find(entry.staff_ids, user) != entry.staff_ids.end();
    });
    const std::string salt = row.GetText(3).empty() ? MakeSalt() : std::string(row.GetText(3));
    first->named += Named(user, salt, {std::string(row.GetText(2)), std::string(row.GetText(4))});
  }
  return absl::OkStatus();
}

constexpr Statement kAppend{"append_log_entries", R"sql(
  with head as (
    update events e set last_sequence = h.sequence, last_hash = h.hash
    from unnest($13::uuid[], $14::int8[], $15::bytea[]) as h (event_id, sequence, hash)
    where e.event_id = h.event_id
  ), unsequenced as (
    insert into unsequenced_entries (event_ids, sequences, hashes) values ($1, $2, $12))
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, slots, data, named, hash)
  select event_id, sequence, create_time, occurrence, effector_id, revision,
         ($9::tstzrange[])[first_slot:last_slot], data, named, hash
  from unnest($1::uuid[], $2::int8[], $3::timestamptz[], $4::text[], $5::uuid[], $6::int8[], $7::int8[], $8::int8[],
              $10::bytea[], $11::bytea[], $12::bytea[])
    as n (event_id, sequence, create_time, occurrence, effector_id, revision, first_slot, last_slot, data, named,
          hash))sql"};

constexpr Statement kAppendEnded{
    "append_ended_event", "insert into ended_events (event_id, sequence, next_attempt_time) values ($1, $2, now())"};

namespace {

bool Ends(const internal::data::v1::EntryData& data) {
  return data.deleted() || !data.successor_id().empty() ||
         (data.closed() && data.state() == event::v1::Event::ABANDONED);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> LogEntries::Append(absl::Span<const LogEntry> appended) {
  std::vector<LogEntry> entries(appended.begin(), appended.end());
  PARLEY_RETURN_IF_ERROR(NameStaff(entries));
  std::vector<Uuid> events, effectors;
  std::vector<int64_t> sequences, revisions, first_slots, last_slots;
  std::vector<absl::Time> times;
  std::vector<std::string> occurrences, data, named, hashes;
  std::vector<Slot> slots;
  struct Head {
    int64_t sequence;
    std::string hash;
    bool with_event;
  };
  std::map<Uuid, Head> heads;
  for (LogEntry& entry : entries) {
    entry.data_bytes = entry.data.SerializeAsString();
    Head& head = heads.try_emplace(entry.event_id, Head{0, entry.previous_hash, false}).first->second;
    head = {entry.sequence, tlog::LeafHash(RecordOf(entry, head.hash)), head.with_event || entry.with_event};
    events.push_back(entry.event_id);
    sequences.push_back(entry.sequence);
    times.push_back(entry.create_time);
    occurrences.push_back(event::v1::LogEntry::Occurrence_Name(entry.occurrence));
    effectors.push_back(entry.effector_id);
    revisions.push_back(entry.revision);
    first_slots.push_back(static_cast<int64_t>(slots.size()) + 1);
    slots.insert(slots.end(), entry.slots.begin(), entry.slots.end());
    last_slots.push_back(static_cast<int64_t>(slots.size()));
    data.push_back(std::move(entry.data_bytes));
    named.push_back(std::move(entry.named));
    hashes.push_back(head.hash);
  }
  std::vector<Uuid> moved_ids;
  std::vector<int64_t> last_sequences;
  std::vector<std::string> last_hashes;
  for (auto& [id, head] : heads) {
    if (head.with_event) continue;
    moved_ids.push_back(id);
    last_sequences.push_back(head.sequence);
    last_hashes.push_back(std::move(head.hash));
  }
  Params params;
  params.AddUuids(events).AddInts(sequences).AddTimes(times).AddTexts(occurrences).AddUuids(effectors);
  params.AddInts(revisions).AddInts(first_slots).AddInts(last_slots).AddSlots(slots).AddByteStrings(data);
  params.AddByteStrings(named).AddByteStrings(hashes);
  params.AddUuids(moved_ids).AddInts(last_sequences).AddByteStrings(last_hashes);
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kAppend, params).status());
  for (const LogEntry& entry : entries) {
    if (!Ends(entry.data)) continue;
    PARLEY_RETURN_IF_ERROR(tx_.Execute(kAppendEnded, Params().Add(entry.event_id).Add(entry.sequence)).status());
  }
  return hashes;
}

constexpr Statement kClaimEnded{"claim_ended_event", R"sql(
  with due as (
    select event_id, sequence from ended_events where next_attempt_time <= now()
    order by next_attempt_time limit 1 for update skip locked
  )
  update ended_events e set next_attempt_time = now() + $1 * interval '1 microsecond'
  from due where e.event_id = due.event_id and e.sequence = due.sequence
  returning e.event_id, e.sequence)sql"};

absl::StatusOr<std::optional<EndedEvent>> EndedEvents::Claim(absl::Duration lease) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kClaimEnded, Params().Add(absl::ToInt64Microseconds(lease))));
  if (result.empty()) return std::nullopt;
  return EndedEvent{result[0].GetUuid(0), result[0].GetInt(1)};
}

constexpr Statement kDeleteEnded{"delete_ended_event",
                                 "delete from ended_events where event_id = $1 and sequence = $2"};

absl::Status EndedEvents::Delete(const EndedEvent& ended) {
  return tx_.Execute(kDeleteEnded, Params().Add(ended.event_id).Add(ended.sequence)).status();
}

constexpr Statement kPostponeEnded{"postpone_ended_event", R"sql(
  update ended_events set next_attempt_time = now() + $3 * interval '1 microsecond'
  where event_id = $1 and sequence = $2)sql"};

absl::Status EndedEvents::Postpone(const EndedEvent& ended, absl::Duration pause) {
  Params params;
  params.Add(ended.event_id).Add(ended.sequence).Add(absl::ToInt64Microseconds(pause));
  return tx_.Execute(kPostponeEnded, params).status();
}

LogEntry LogEntryOf(const Row& row, int column) {
  LogEntry entry;
  entry.event_id = row.GetUuid(column);
  entry.sequence = row.GetInt(column + 1);
  entry.create_time = row.GetTime(column + 2);
  if (!event::v1::LogEntry::Occurrence_Parse(std::string(row.GetText(column + 3)), &entry.occurrence)) {
    entry.occurrence = event::v1::LogEntry::OCCURRENCE_UNSPECIFIED;
  }
  entry.effector_id = row.GetUuid(column + 4);
  entry.revision = row.GetInt(column + 5);
  entry.slots = row.GetSlots(column + 6);
  entry.data_bytes = row.GetText(column + 7);
  entry.named = row.GetText(column + 8);
  entry.hash = row.GetText(column + 9);
  return entry;
}

std::string NameOf(const Uuid& event_id, int64_t sequence) {
  return absl::StrCat("events/", event_id.ToString(), "/logEntries/", sequence);
}

constexpr Statement kListNamed{"list_named_users", R"sql(
  select n.event_id, n.user_id, n.local_part, (select domain from users u where u.user_id = n.user_id), n.salt
  from (select event_id, user_id, local_part, salt from event_parties where event_id = any($1)
        union all
        select event_id, user_id, local_part, salt from event_staff where event_id = any($1)) n
  order by n.event_id, n.user_id)sql"};

absl::StatusOr<std::vector<NamedUser>> LogEntries::ListNamed(absl::Span<const Uuid> event_ids) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kListNamed, Params().AddUuids(event_ids)));
  std::vector<NamedUser> named;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    named.push_back({row.GetUuid(0),
                     row.GetUuid(1),
                     {std::string(row.GetText(2)), std::string(row.GetText(3))},
                     std::string(row.GetText(4))});
  }
  return named;
}

namespace {

absl::Status Parse(LogEntry& entry) {
  if (entry.data.ParseFromString(entry.data_bytes)) return absl::OkStatus();
  return ChainBroken(NameOf(entry.event_id, entry.sequence));
}

absl::StatusOr<std::vector<LogEntry>> EntriesOf(const Result& result) {
  std::vector<LogEntry> entries;
  for (int i = 0; i < result.size(); ++i) {
    PARLEY_RETURN_IF_ERROR(Parse(entries.emplace_back(LogEntryOf(result[i], 0))));
  }
  return entries;
}

}  // namespace

constexpr Statement kList{"list_log_entries", R"sql(
  select e.event_id, e.sequence, e.create_time, e.occurrence, e.effector_id, e.revision, e.slots, e.data, e.named, e.hash,
         r.number
  from unnest($1::uuid[], $2::int8[], $3::int8[]) with ordinality as r (event_id, after, most, number)
  cross join lateral (select * from log_entries l where l.event_id = r.event_id and l.sequence > r.after
                      order by l.sequence limit r.most) e)sql"};

absl::StatusOr<std::vector<std::vector<LogEntry>>> LogEntries::List(absl::Span<const LogRange> ranges) {
  std::vector<Uuid> event_ids;
  std::vector<int64_t> after, limits;
  for (const LogRange& range : ranges) {
    event_ids.push_back(range.event_id);
    after.push_back(range.after);
    limits.push_back(range.limit);
  }
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kList, Params().AddUuids(event_ids).AddInts(after).AddInts(limits)));
  std::vector<std::vector<LogEntry>> listed(ranges.size());
  for (int i = 0; i < result.size(); ++i) {
    auto& entries = listed[static_cast<size_t>(result[i].GetInt(10)) - 1];
    PARLEY_RETURN_IF_ERROR(Parse(entries.emplace_back(LogEntryOf(result[i], 0))));
  }
  // They come so, as a rule; to have PostgreSQL see to it costs it as much as to read them.
  for (auto& entries : listed) {
    if (!std::ranges::is_sorted(entries, {}, &LogEntry::sequence)) std::ranges::sort(entries, {}, &LogEntry::sequence);
  }
  return listed;
}

absl::StatusOr<std::vector<LogEntry>> LogEntries::List(const Uuid& event_id, int64_t after, int limit) {
  PARLEY_ASSIGN_OR_RETURN(auto listed, List({{event_id, after, limit}}));
  return std::move(listed.front());
}

constexpr Statement kListBehind{"list_log_entries_behind", R"sql(
  select e.event_id, e.sequence, e.create_time, e.occurrence, e.effector_id, e.revision, e.slots, e.data, e.named, e.hash
  from unnest($1::uuid[], $2::int8[]) as p (event_id, sequence)
  cross join lateral (select * from log_entries l where l.event_id = p.event_id and l.sequence > p.sequence
                      order by l.sequence limit $3) e
  order by e.event_id, e.sequence)sql"};

absl::StatusOr<std::vector<LogEntry>> LogEntries::ListBehind(const std::vector<LogPosition>& positions, int limit) {
  std::vector<Uuid> event_ids;
  std::vector<int64_t> sequences;
  for (const LogPosition& position : positions) {
    event_ids.push_back(position.event_id);
    sequences.push_back(position.sequence);
  }
  PARLEY_ASSIGN_OR_RETURN(
      const Result result,
      tx_.Execute(kListBehind, Params().AddUuids(event_ids).AddInts(sequences).Add(int64_t{limit})));
  return EntriesOf(result);
}

// Each leaf's entry and parties are looked up by themselves, so that the plan is the same at any size of the tables:
// left to itself PostgreSQL would look up all events that the parties ever had.
constexpr Statement kListPlaced{"list_placed_log_entries", R"sql(
  select l.leaf_index, e.event_id, e.sequence, e.create_time, e.occurrence, e.effector_id, e.revision, e.slots, e.data,
         e.named, e.hash
  from (select leaf_index, event_id, sequence from log_leaves l where leaf_index >= $1 and leaf_index < $2
          and ($4::uuid[] is null
               or exists (select from (select user_id from event_parties p where p.event_id = l.event_id offset 0) p
                          where p.user_id in (select unnest($4))))
        order by leaf_index) l
  cross join lateral (select * from log_entries x where x.event_id = l.event_id and x.sequence = l.sequence offset 0) e
  where e.occurrence = any($3::text[])
  order by l.leaf_index limit $5)sql"};

absl::StatusOr<std::vector<PlacedEntry>> LogEntries::ListPlaced(int64_t begin, int64_t end,
                                                                const std::vector<LogEntry::Occurrence>& occurrences,
                                                                const std::optional<std::vector<Uuid>>& parties,
                                                                int limit) {
  std::vector<std::string> names;
  for (const auto occurrence : occurrences) names.push_back(event::v1::LogEntry::Occurrence_Name(occurrence));
  Params params;
  params.Add(begin).Add(end).AddTexts(names);
  parties ? params.AddUuids(*parties) : params.AddNull();
  params.Add(int64_t{limit});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kListPlaced, params));
  std::vector<PlacedEntry> placed;
  for (int i = 0; i < result.size(); ++i) {
    placed.push_back({result[i].GetInt(0), LogEntryOf(result[i], 1)});
    PARLEY_RETURN_IF_ERROR(Parse(placed.back().entry));
  }
  return placed;
}

}  // namespace parley::data
