#include "services/notification/deliveries.h"

#include "common/status/status.h"
#include "services/notification/notification_rows.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Statement;

constexpr std::string_view MethodName(const std::optional<CalendarEntry::Method>& calendar) {
  if (!calendar) return "";
  return *calendar == CalendarEntry::Method::kCancel ? "CANCEL" : "REQUEST";
}

}  // namespace

// Those with a lease are passed over: as many as are being sent.
constexpr Statement kLockDue{"lock_due_notifications", "select " PARLEY_NOTIFICATION R"sql(
  from notifications n
  where n.state = 'PENDING' and n.next_attempt_time <= now()
    and (n.lease_end_time is null or n.lease_end_time <= now())
  order by n.next_attempt_time limit $1
  for update skip locked)sql"};

absl::StatusOr<std::vector<Notification>> Deliveries::LockDue(int limit) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLockDue, Params().Add(int64_t{limit})));
  std::vector<Notification> due;
  for (int i = 0; i < result.size(); ++i) due.push_back(NotificationOf(result[i]));
  return due;
}

// All parts see the tables as they were before, so that `unrecorded` does not touch what `started` adds.
constexpr Statement kBegin{"begin_attempts", R"sql(
  with beginning as (
    select * from unnest($1::uuid[], $2::text[], $3::int8[]) as b (notification_id, calendar_method, calendar_sequence)
  ), unrecorded as ()sql" PARLEY_SET_UNRECORDED R"sql(
    from beginning b where a.notification_id = b.notification_id and a.outcome is null
  ), started as (
    insert into delivery_attempts (notification_id, attempt, recipient_id, start_time, detail, calendar_method,
                                   calendar_sequence)
    select notification_id, n.attempts + 1, n.recipient_id, now(), '', nullif(b.calendar_method, ''),
           nullif(b.calendar_sequence, 0)
    from beginning b join notifications n using (notification_id)
  )
  update notifications n
  set attempts = n.attempts + 1, lease_end_time = now() + $4 * interval '1 microsecond'
  from beginning b where n.notification_id = b.notification_id)sql"};

absl::Status Deliveries::Begin(absl::Span<const Beginning> beginnings, absl::Duration lease) {
  std::vector<Uuid> ids;
  std::vector<std::string> methods;
  std::vector<int64_t> sequences;
  for (const Beginning& beginning : beginnings) {
    ids.push_back(beginning.notification_id);
    methods.emplace_back(MethodName(beginning.calendar));
    sequences.push_back(beginning.calendar_sequence);
  }
  Params params;
  params.AddUuids(ids).AddTexts(methods).AddInts(sequences).Add(absl::ToInt64Microseconds(lease));
  return tx_.Execute(kBegin, params).status();
}

constexpr Statement kEnd{"end_notifications", "with unrecorded as (" PARLEY_SET_UNRECORDED R"sql(
    where a.notification_id = any($1) and a.outcome is null
  )
  update notifications set state = $2, lease_end_time = null where notification_id = any($1))sql"};

absl::Status Deliveries::End(absl::Span<const Uuid> ids, Notification::State state) {
  return tx_.Execute(kEnd, Params().AddUuids(ids).Add(v1::Notification::State_Name(state))).status();
}

constexpr Statement kPostpone{"postpone_notifications", R"sql(
  with postponed as (
    select * from unnest($1::uuid[], $2::timestamptz[]) as p (notification_id, until)
  ), unrecorded as ()sql" PARLEY_SET_UNRECORDED R"sql(
    from postponed p where a.notification_id = p.notification_id and a.outcome is null
  )
  update notifications n set next_attempt_time = p.until, pending_since = p.until, lease_end_time = null
  from postponed p where n.notification_id = p.notification_id)sql"};

absl::Status Deliveries::Postpone(absl::Span<const std::pair<Uuid, absl::Time>> until) {
  std::vector<Uuid> ids;
  std::vector<absl::Time> times;
  for (const auto& [id, time] : until) {
    ids.push_back(id);
    times.push_back(time);
  }
  return tx_.Execute(kPostpone, Params().AddUuids(ids).AddTimes(times)).status();
}

// Whoever has begun another attempt meanwhile has raised `attempts`, and whoever has ended it has taken the lease away:
// PostgreSQL asks again of a row that it had to wait for. That they are PENDING follows from the lease, and is not
// asked: PostgreSQL might look for them among all that are. The time is the statement's: the transaction may have begun
// long ago.
constexpr Statement kRecord{"record_attempts", R"sql(
  with result as (
    select * from unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::bool[])
      as r (notification_id, attempt, outcome, detail, state, pause, sent_nothing)
  ), own as (
    update notifications n
    set state = r.state, next_attempt_time = now() + r.pause * interval '1 microsecond', lease_end_time = null
    from result r
    where n.notification_id = r.notification_id and n.attempts = r.attempt
      and n.lease_end_time > clock_timestamp()
    returning n.notification_id, r.attempt, r.outcome, r.detail, r.sent_nothing
  ), ended as (
    update delivery_attempts a
    set end_time = now(), outcome = r.outcome, detail = r.detail,
        calendar_method = case when not r.sent_nothing then a.calendar_method end
    from own r where a.notification_id = r.notification_id and a.attempt = r.attempt
  )
  select notification_id from own)sql"};

absl::StatusOr<std::vector<Uuid>> Deliveries::Record(absl::Span<const Recorded> recorded) {
  std::vector<Uuid> ids;
  std::vector<int64_t> attempts, pauses;
  std::vector<std::string> outcomes, details, states;
  std::vector<bool> sent_nothing;
  for (const Recorded& each : recorded) {
    ids.push_back(each.notification_id);
    attempts.push_back(each.attempt);
    outcomes.push_back(v1::Notification::Attempt::Outcome_Name(each.outcome));
    details.push_back(each.detail);
    states.push_back(v1::Notification::State_Name(each.state));
    pauses.push_back(absl::ToInt64Microseconds(each.pause));
    sent_nothing.push_back(each.sent_nothing);
  }
  Params params;
  params.AddUuids(ids).AddInts(attempts).AddTexts(outcomes).AddTexts(details).AddTexts(states).AddInts(pauses);
  params.AddBools(sent_nothing);
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kRecord, params));
  std::vector<Uuid> written;
  for (int i = 0; i < result.size(); ++i) written.push_back(result[i].GetUuid(0));
  return written;
}

constexpr Statement kCancelUnsent{"cancel_unsent_notifications", R"sql(
  with unsent as (
    select from notifications where event_id = $1 and state = 'PENDING' and cause <> 'CANCEL_CALENDAR_ENTRY'
  ), gone as (
    select n.notification_id
    from notifications n
    where n.event_id = $1 and n.state = 'PENDING' and n.cause <> 'CANCEL_CALENDAR_ENTRY'
      and (n.lease_end_time is null or n.lease_end_time <= now())
    for update of n skip locked
  ), unrecorded as ()sql" PARLEY_SET_UNRECORDED R"sql(
    from gone where a.notification_id = gone.notification_id and a.outcome is null
  ), cancelled as (
    update notifications n set state = 'CANCELLED', lease_end_time = null
    from gone where n.notification_id = gone.notification_id
    returning n.notification_id
  )
  select (select count(*) from cancelled), (select count(*) from unsent) - (select count(*) from cancelled))sql"};

absl::StatusOr<Unsent> Deliveries::CancelUnsent(const Uuid& event_id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kCancelUnsent, Params().Add(event_id)));
  return Unsent{result[0].GetInt(0), result[0].GetInt(1)};
}

// The highest SEQUENCE that a recipient may have been sent in a REQUEST by these attempts, and that of a CANCEL that
// was accepted.
#define PARLEY_REQUEST_TRIED                                                                                 \
  "max(a.calendar_sequence) filter (where a.calendar_method = 'REQUEST' and coalesce(a.outcome, 'UNKNOWN') " \
  "in ('ACCEPTED', 'UNKNOWN'))"
#define PARLEY_CANCEL_TRIED \
  "max(a.calendar_sequence) filter (where a.calendar_method = 'CANCEL' and a.outcome = 'ACCEPTED')"
// With the attempts that were purged. In rows of notifications, each with its attempts that had to do with calendars.
#define PARLEY_MAYBE_IN_CALENDAR                                     \
  "coalesce(greatest(max(n.calendar_request), " PARLEY_REQUEST_TRIED \
  "), -1) > "                                                        \
  "coalesce(greatest(max(n.calendar_cancel), " PARLEY_CANCEL_TRIED "), -1)"

constexpr Statement kWithCalendarEntry{"recipients_with_calendar_entry", R"sql(
  select n.recipient_id
  from notifications n left join delivery_attempts a
    on a.notification_id = n.notification_id and a.calendar_method is not null
  where n.event_id = $1
  group by n.recipient_id having )sql" PARLEY_MAYBE_IN_CALENDAR " order by n.recipient_id"};

absl::StatusOr<std::vector<Uuid>> Deliveries::WithCalendarEntry(const Uuid& event_id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kWithCalendarEntry, Params().Add(event_id)));
  std::vector<Uuid> recipients;
  for (int i = 0; i < result.size(); ++i) recipients.push_back(result[i].GetUuid(0));
  return recipients;
}

// Each event's notifications are read once, however many of its parties are asked about.
constexpr Statement kHaveCalendarEntry{"have_calendar_entry", R"sql(
  with wanted as (
    select * from unnest($1::uuid[], $2::uuid[]) with ordinality as w (event_id, recipient_id, position)
  ), have as materialized (
    select n.event_id, n.recipient_id
    from (select distinct event_id from wanted) as of_event
    join notifications n using (event_id) left join delivery_attempts a
      on a.notification_id = n.notification_id and a.calendar_method is not null
    where n.recipient_id = any($2)
    group by n.event_id, n.recipient_id having )sql" PARLEY_MAYBE_IN_CALENDAR R"sql(
  )
  select position from wanted join have using (event_id, recipient_id))sql"};

absl::StatusOr<std::vector<bool>> Deliveries::HaveCalendarEntry(
    absl::Span<const std::pair<Uuid, Uuid>> events_and_recipients) {
  std::vector<bool> have(events_and_recipients.size());
  if (have.empty()) return have;
  std::vector<Uuid> events, recipients;
  for (const auto& [event_id, recipient_id] : events_and_recipients) {
    events.push_back(event_id);
    recipients.push_back(recipient_id);
  }
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kHaveCalendarEntry, Params().AddUuids(events).AddUuids(recipients)));
  for (int i = 0; i < result.size(); ++i) have[static_cast<size_t>(result[i].GetInt(0)) - 1] = true;
  return have;
}

constexpr Statement kRequestUnderWay{"calendar_request_under_way", R"sql(
  select exists (
    select from notifications n join delivery_attempts a using (notification_id)
    where n.event_id = $1 and a.calendar_method = 'REQUEST' and a.outcome is null))sql"};

absl::StatusOr<bool> Deliveries::RequestUnderWay(const Uuid& event_id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kRequestUnderWay, Params().Add(event_id)));
  return result[0].GetBool(0);
}

// No more are looked at than the maximum: once the oldest of these is a day old, there are fewer.
constexpr Statement kDailyMails{"daily_mails", R"sql(
  select recipient_id, count, under_way, oldest
  from (select distinct unnest($1::uuid[]) as recipient_id) as wanted cross join lateral (
    select count(*) as count, bool_or(outcome is null) as under_way, min(start_time) as oldest
    from (
      select a.start_time, a.outcome from delivery_attempts a
      where a.recipient_id = wanted.recipient_id and a.start_time > now() - interval '24 hours'
        and (a.outcome is null or a.outcome in ('ACCEPTED', 'UNKNOWN'))
      order by a.start_time desc limit $2
    ) as newest
  ) as of_recipient
  where count > 0)sql"};

absl::StatusOr<std::map<Uuid, DailyMails>> Deliveries::DailyMailsOf(absl::Span<const Uuid> recipients, int max) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kDailyMails, Params().AddUuids(recipients).Add(int64_t{max})));
  std::map<Uuid, DailyMails> daily;
  for (int i = 0; i < result.size(); ++i) {
    daily[result[i].GetUuid(0)] = {result[i].GetInt(1), result[i].GetBool(2), result[i].GetTime(3)};
  }
  return daily;
}

// Of each attempt somebody says at last how it ended: one that nobody has yet may be under way.
constexpr Statement kPurge{"purge_delivery_attempts", R"sql(
  with old as (
    select id, start_time
    from (select ctid as id, start_time from delivery_attempts where start_time >= $1
          order by start_time limit )sql" PARLEY_PURGE_ROWS R"sql() as oldest
    where start_time < now() - $2 * interval '1 microsecond'
  ), gone as (
    delete from delivery_attempts where ctid = any(array(
      select ctid from delivery_attempts where ctid = any(array(select id from old)) and outcome is not null
      for update skip locked))
    returning notification_id, calendar_method, calendar_sequence, outcome
  ), sent as (
    select notification_id, )sql" PARLEY_REQUEST_TRIED " as request, " PARLEY_CANCEL_TRIED R"sql( as cancel
    from gone a where calendar_method is not null group by notification_id
  ), kept as (
    update notifications n
    set calendar_request = greatest(n.calendar_request, s.request),
        calendar_cancel = greatest(n.calendar_cancel, s.cancel)
    from sent s where n.notification_id = s.notification_id and coalesce(s.request, s.cancel) is not null
  )
  select (select count(*) from gone), count(*), max(start_time) from old)sql"};

absl::StatusOr<data::Purged> Deliveries::Purge(absl::Duration keep, absl::Time from) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kPurge, Params().Add(from).Add(absl::ToInt64Microseconds(keep))));
  return data::PurgedOf(result);
}

}  // namespace parley::notification
