#include "common/data/log_entries.h"

#include "common/status/status.h"

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
  if (effector.email_token_id) entry.data.set_email_token_id(effector.email_token_id->ToBytes());
  if (effector.acted_by_id) entry.data.set_acted_by_id(effector.acted_by_id->ToBytes());
  return entry;
}

constexpr Statement kAppend{"append_log_entries", R"sql(
  with entry as (
    select * from unnest($1::uuid[], $2::int8[], $3::timestamptz[], $4::text[], $5::uuid[], $6::int8[], $7::int8[],
                         $8::int8[], $10::bytea[])
      as n (event_id, sequence, create_time, occurrence, effector_id, revision, first_slot, last_slot, data)
  ), head as (
    update events e set last_sequence = h.sequence
    from (select event_id, max(sequence) as sequence from entry where sequence > 1 group by event_id) h
    where e.event_id = h.event_id and e.last_sequence < h.sequence)
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, slots, data)
  select event_id, sequence, create_time, occurrence, effector_id, revision,
         ($9::tstzrange[])[first_slot:last_slot], data
  from entry)sql"};

constexpr Statement kAppendEnded{
    "append_ended_event", "insert into ended_events (event_id, sequence, next_attempt_time) values ($1, $2, now())"};

namespace {

bool Ends(const internal::data::v1::EntryData& data) {
  return data.deleted() || !data.successor_id().empty() ||
         (data.closed() && data.state() == event::v1::Event::ABANDONED);
}

}  // namespace

absl::Status LogEntries::Append(absl::Span<const LogEntry> entries) {
  std::vector<Uuid> events, effectors;
  std::vector<int64_t> sequences, revisions, first_slots, last_slots;
  std::vector<absl::Time> times;
  std::vector<std::string> occurrences, data;
  std::vector<Slot> slots;
  for (const LogEntry& entry : entries) {
    events.push_back(entry.event_id);
    sequences.push_back(entry.sequence);
    times.push_back(entry.create_time);
    occurrences.push_back(event::v1::LogEntry::Occurrence_Name(entry.occurrence));
    effectors.push_back(entry.effector_id);
    revisions.push_back(entry.revision);
    first_slots.push_back(static_cast<int64_t>(slots.size()) + 1);
    slots.insert(slots.end(), entry.slots.begin(), entry.slots.end());
    last_slots.push_back(static_cast<int64_t>(slots.size()));
    data.push_back(entry.data.SerializeAsString());
  }
  Params params;
  params.AddUuids(events).AddInts(sequences).AddTimes(times).AddTexts(occurrences).AddUuids(effectors);
  params.AddInts(revisions).AddInts(first_slots).AddInts(last_slots).AddSlots(slots).AddByteStrings(data);
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kAppend, params).status());
  for (const LogEntry& entry : entries) {
    if (!Ends(entry.data)) continue;
    PARLEY_RETURN_IF_ERROR(tx_.Execute(kAppendEnded, Params().Add(entry.event_id).Add(entry.sequence)).status());
  }
  return absl::OkStatus();
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

constexpr Statement kList{"list_log_entries", R"sql(
  select event_id, sequence, create_time, occurrence, effector_id, revision, slots, data
  from log_entries where event_id = $1 and sequence > $2 order by sequence limit $3)sql"};

absl::StatusOr<std::vector<LogEntry>> LogEntries::List(const Uuid& event_id, int64_t after, int limit) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kList, Params().Add(event_id).Add(after).Add(int64_t{limit})));
  std::vector<LogEntry> entries;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    LogEntry& entry = entries.emplace_back();
    entry.event_id = row.GetUuid(0);
    entry.sequence = row.GetInt(1);
    entry.create_time = row.GetTime(2);
    event::v1::LogEntry::Occurrence_Parse(std::string(row.GetText(3)), &entry.occurrence);
    entry.effector_id = row.GetUuid(4);
    entry.revision = row.GetInt(5);
    entry.slots = row.GetSlots(6);
    if (!entry.data.ParseFromString(std::string(row.GetText(7)))) {
      return Internal("a log entry's data cannot be read: " + entry.event_id.ToString());
    }
  }
  return entries;
}

}  // namespace parley::data
