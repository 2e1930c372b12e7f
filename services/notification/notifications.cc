#include "services/notification/notifications.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

// What NotificationOf reads; then what an attempt is read from.
#define PARLEY_NOTIFICATION                                                                                           \
  "n.notification_id, n.event_id, n.recipient_id, n.sender_id, n.state, n.create_time, n.attempts, n.retried_after, " \
  "n.requested, n.next_attempt_time"
#define PARLEY_ATTEMPT "a.start_time, a.end_time, coalesce(a.outcome, 'OUTCOME_UNSPECIFIED'), a.detail"
constexpr int kAttempt = 10;

Notification NotificationOf(const Row& row) {
  Notification notification;
  notification.id = row.GetUuid(0);
  notification.event_id = row.GetUuid(1);
  notification.recipient_id = row.GetUuid(2);
  notification.sender_id = row.GetUuid(3);
  v1::Notification::State_Parse(std::string(row.GetText(4)), &notification.state);
  notification.create_time = row.GetTime(5);
  notification.attempts_begun = row.GetInt(6);
  notification.retried_after = row.GetInt(7);
  notification.requested = row.GetBool(8);
  notification.next_attempt_time = row.GetTime(9);
  return notification;
}

// From a row for each attempt; one for a notification that has none, where the attempt's columns are null.
std::vector<Notification> WithAttempts(const Result& result) {
  std::vector<Notification> notifications;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    if (notifications.empty() || notifications.back().id != row.GetUuid(0)) {
      notifications.push_back(NotificationOf(row));
    }
    if (row.IsNull(kAttempt)) continue;
    Attempt& attempt = notifications.back().attempts.emplace_back();
    attempt.start_time = row.GetTime(kAttempt);
    if (!row.IsNull(kAttempt + 1)) attempt.end_time = row.GetTime(kAttempt + 1);
    v1::Notification::Attempt::Outcome_Parse(std::string(row.GetText(kAttempt + 2)), &attempt.outcome);
    attempt.detail = row.GetText(kAttempt + 3);
  }
  return notifications;
}

}  // namespace

std::string Notification::name() const {
  return absl::StrCat("events/", event_id.ToString(), "/notifications/", id.ToString());
}

bool AttemptUnderWay(const Notification& notification, absl::Time now) {
  return notification.state == v1::Notification::PENDING && !notification.attempts.empty() &&
         notification.attempts.back().outcome == v1::Notification::Attempt::OUTCOME_UNSPECIFIED &&
         notification.next_attempt_time > now;
}

constexpr Statement kInsert{"insert_notifications", R"sql(
  insert into notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
                             next_attempt_time, requested)
  select notification_id, event_id, recipient_id, sender_id, state, create_time, 0, create_time, requested <> 0
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::int8[])
    as n (notification_id, event_id, recipient_id, sender_id, state, create_time, requested))sql"};

absl::Status Notifications::Insert(absl::Span<const Notification> notifications) {
  std::vector<Uuid> ids, events, recipients, senders;
  std::vector<std::string> states;
  std::vector<absl::Time> times;
  std::vector<int64_t> requested;
  for (const Notification& notification : notifications) {
    ids.push_back(notification.id);
    events.push_back(notification.event_id);
    recipients.push_back(notification.recipient_id);
    senders.push_back(notification.sender_id);
    states.push_back(v1::Notification::State_Name(notification.state));
    times.push_back(notification.create_time);
    requested.push_back(notification.requested ? 1 : 0);
  }
  Params params;
  params.AddUuids(ids).AddUuids(events).AddUuids(recipients).AddUuids(senders).AddTexts(states).AddTimes(times);
  params.AddInts(requested);
  return tx_.Execute(kInsert, params).status();
}

// With its attempts, in one statement: between two an attempt might end, and they would not tell the same.
constexpr Statement kFind{"find_notification", "select " PARLEY_NOTIFICATION ", " PARLEY_ATTEMPT R"sql(
  from notifications n left join delivery_attempts a using (notification_id)
  where n.notification_id = $2 and n.event_id = $1
  order by a.attempt)sql"};

absl::StatusOr<std::optional<Notification>> Notifications::Find(const Uuid& event_id, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(event_id).Add(id)));
  if (result.empty()) return std::nullopt;
  return std::move(WithAttempts(result).front());
}

constexpr Statement kLock{"lock_notification",
                          "select from notifications where notification_id = $2 and event_id = $1 for update"};

// Read by a statement of its own, which sees what those whom the lock waited for have done to the attempts.
absl::StatusOr<std::optional<Notification>> Notifications::Lock(const Uuid& event_id, const Uuid& id) {
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kLock, Params().Add(event_id).Add(id)).status());
  return Find(event_id, id);
}

// As kFind.
constexpr Statement kFindAll{"find_notifications", "select " PARLEY_NOTIFICATION ", " PARLEY_ATTEMPT R"sql(
  from unnest($1::uuid[]) with ordinality as wanted (notification_id, position)
  join notifications n using (notification_id) left join delivery_attempts a using (notification_id)
  order by wanted.position, a.attempt)sql"};

absl::StatusOr<std::vector<Notification>> Notifications::FindAll(absl::Span<const Uuid> ids) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindAll, Params().AddUuids(ids)));
  return WithAttempts(result);
}

// As kFind.
constexpr Statement kList{"list_notifications", "select " PARLEY_NOTIFICATION ", " PARLEY_ATTEMPT R"sql(
  from (
    select )sql" PARLEY_NOTIFICATION R"sql(
    from notifications n where event_id = $1 and notification_id < $2 order by notification_id desc limit $3
  ) as n left join delivery_attempts a using (notification_id)
  order by n.notification_id desc, a.attempt)sql"};

absl::StatusOr<std::vector<Notification>> Notifications::List(const Uuid& event_id, const std::optional<Uuid>& before,
                                                              int limit) {
  Params params;
  params.Add(event_id).Add(before.value_or(Uuid::Max())).Add(int64_t{limit});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kList, params));
  return WithAttempts(result);
}

// Once the max-th newest is a day old, all before it are.
constexpr Statement kRecipientsLimitedUntil{"recipients_limited_until", R"sql(
  select max(nth) + interval '24 hours'
  from (
    select (array_agg(create_time order by create_time desc))[$3] as nth
    from notifications
    where event_id = $1 and recipient_id = any($2) and not requested and create_time > now() - interval '24 hours'
    group by recipient_id
  ) as each)sql"};

absl::StatusOr<std::optional<absl::Time>> Notifications::RecipientsLimitedUntil(const Uuid& event_id,
                                                                                absl::Span<const Uuid> recipients,
                                                                                int max) {
  PARLEY_ASSIGN_OR_RETURN(
      const Result result,
      tx_.Execute(kRecipientsLimitedUntil, Params().Add(event_id).AddUuids(recipients).Add(int64_t{max})));
  if (result[0].IsNull(0)) return std::nullopt;
  return result[0].GetTime(0);
}

constexpr Statement kLockSender{"lock_sender",
                                "select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 5906112873))"};

// There is room for so many others: the next one, from the newest on, must be a day old first.
constexpr Statement kSenderLimitedUntil{"sender_limited_until", R"sql(
  select max(create_time) + interval '24 hours'
  from notifications
  where sender_id = $1 and recipient_id <> all($2) and not requested and create_time > now() - interval '24 hours'
  group by recipient_id order by 1 desc offset $3 limit 1)sql"};

absl::StatusOr<std::optional<absl::Time>> Notifications::SenderLimitedUntil(const Uuid& sender_id,
                                                                            absl::Span<const Uuid> recipients,
                                                                            int max) {
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kLockSender, Params().Add(sender_id)).status());
  const int64_t room = max - static_cast<int64_t>(recipients.size());
  if (room < 0) return tx_.now() + absl::Hours(24);
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kSenderLimitedUntil, Params().Add(sender_id).AddUuids(recipients).Add(room)));
  if (result.empty()) return std::nullopt;
  return result[0].GetTime(0);
}

constexpr Statement kMayRequest{"may_request_email_token", R"sql(
  select count(*) < $4 and coalesce(max(create_time) <= now() - $3 * interval '1 microsecond', true)
  from notifications
  where event_id = $1 and recipient_id = $2 and requested and create_time > now() - interval '24 hours')sql"};

absl::StatusOr<bool> Notifications::MayRequest(const Uuid& event_id, const Uuid& party_id, absl::Duration pause,
                                               int max) {
  Params params;
  params.Add(event_id).Add(party_id).Add(absl::ToInt64Microseconds(pause)).Add(int64_t{max});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kMayRequest, params));
  return result[0].GetBool(0);
}

// All parts see the tables as they were before, so that `unrecorded` does not touch what `begun` adds.
constexpr Statement kClaim{"claim_notification", R"sql(
  with due as (
    select n.notification_id, n.attempts,
           case when e.delete_time is not null then 'CANCELLED'
                when n.attempts - n.retried_after >= $2 then 'FAILED' else 'PENDING' end as state
    from notifications n join events e using (event_id)
    where n.state = 'PENDING' and n.next_attempt_time <= now()
    order by n.next_attempt_time limit 1
    for update of n skip locked
  ), unrecorded as (
    update delivery_attempts a
    set outcome = 'UNKNOWN', detail = 'its end was never recorded'
    from due where a.notification_id = due.notification_id and a.outcome is null
  ), begun as (
    insert into delivery_attempts (notification_id, attempt, start_time, detail)
    select notification_id, attempts + 1, now(), '' from due where state = 'PENDING'
  )
  update notifications n
  set state = due.state,
      attempts = n.attempts + (due.state = 'PENDING')::int,
      next_attempt_time = now() + $1 * interval '1 microsecond'
  from due where n.notification_id = due.notification_id
  returning )sql" PARLEY_NOTIFICATION};

absl::StatusOr<std::optional<Notification>> Notifications::Claim(absl::Duration lease, int max_attempts) {
  PARLEY_ASSIGN_OR_RETURN(
      const Result result,
      tx_.Execute(kClaim, Params().Add(absl::ToInt64Microseconds(lease)).Add(int64_t{max_attempts})));
  if (result.empty()) return std::nullopt;
  return NotificationOf(result[0]);
}

// What is known of an attempt is written in any case, late or not: it is this attempt's own row.
constexpr Statement kRecord{"record_attempt", R"sql(
  with ended as (
    update delivery_attempts set end_time = now(), outcome = $3, detail = $4
    where notification_id = $1 and attempt = $2
  )
  update notifications set state = $5, next_attempt_time = now() + $6 * interval '1 microsecond'
  where notification_id = $1 and attempts = $2 and state = 'PENDING')sql"};

absl::Status Notifications::Record(const Uuid& id, int64_t attempt, const Recorded& recorded) {
  Params params;
  params.Add(id).Add(attempt).Add(v1::Notification::Attempt::Outcome_Name(recorded.outcome)).Add(recorded.detail);
  params.Add(v1::Notification::State_Name(recorded.state)).Add(absl::ToInt64Microseconds(recorded.pause));
  return tx_.Execute(kRecord, params).status();
}

constexpr Statement kCancel{"cancel_notification", R"sql(
  with unrecorded as (
    update delivery_attempts set outcome = 'UNKNOWN', detail = 'its end was never recorded'
    where notification_id = $1 and outcome is null
  )
  update notifications set state = 'CANCELLED' where notification_id = $1)sql"};

absl::Status Notifications::Cancel(const Uuid& id) { return tx_.Execute(kCancel, Params().Add(id)).status(); }

constexpr Statement kRetry{"retry_notification", R"sql(
  update notifications set state = 'PENDING', retried_after = attempts, next_attempt_time = now()
  where notification_id = $1)sql"};

absl::Status Notifications::Retry(const Uuid& id) { return tx_.Execute(kRetry, Params().Add(id)).status(); }

// That no attempt is under way is said so that it is right also of a row that is claimed while this statement looks at
// it: PostgreSQL then takes the row as it has become, but still sees the attempts as they were.
constexpr Statement kCancelOfDeletedEvents{"cancel_notifications_of_deleted_events", R"sql(
  with gone as (
    select n.notification_id
    from notifications n join events e using (event_id)
    where n.state = 'PENDING' and e.delete_time is not null
      and (n.next_attempt_time <= now()
           or n.attempts = (select count(*) from delivery_attempts a
                            where a.notification_id = n.notification_id and a.outcome is not null))
    limit 1000
    for update of n skip locked
  ), unrecorded as (
    update delivery_attempts a set outcome = 'UNKNOWN', detail = 'its end was never recorded'
    from gone where a.notification_id = gone.notification_id and a.outcome is null
  )
  update notifications n set state = 'CANCELLED' from gone where n.notification_id = gone.notification_id)sql"};

absl::StatusOr<int64_t> Notifications::CancelOfDeletedEvents() {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kCancelOfDeletedEvents));
  return result.affected();
}

}  // namespace parley::notification
