#include "services/notification/notifications.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

Notification NotificationOf(const Row& row) {
  Notification notification;
  notification.id = row.GetUuid(0);
  notification.event_id = row.GetUuid(1);
  notification.recipient_id = row.GetUuid(2);
  notification.sender_id = row.GetUuid(3);
  v1::Notification::State_Parse(std::string(row.GetText(4)), &notification.state);
  notification.create_time = row.GetTime(5);
  notification.attempts_begun = row.GetInt(6);
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
    if (row.IsNull(7)) continue;
    Attempt& attempt = notifications.back().attempts.emplace_back();
    attempt.start_time = row.GetTime(7);
    if (!row.IsNull(8)) attempt.end_time = row.GetTime(8);
    v1::Notification::Attempt::Outcome_Parse(std::string(row.GetText(9)), &attempt.outcome);
    attempt.detail = row.GetText(10);
  }
  return notifications;
}

}  // namespace

std::string Notification::name() const {
  return absl::StrCat("events/", event_id.ToString(), "/notifications/", id.ToString());
}

constexpr Statement kInsert{"insert_notifications", R"sql(
  insert into notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
                             next_attempt_time)
  select notification_id, event_id, recipient_id, sender_id, 'PENDING', create_time, 0, create_time
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[])
    as n (notification_id, event_id, recipient_id, sender_id, create_time))sql"};

absl::Status Notifications::Insert(absl::Span<const Notification> notifications) {
  std::vector<Uuid> ids, events, recipients, senders;
  std::vector<absl::Time> times;
  for (const Notification& notification : notifications) {
    ids.push_back(notification.id);
    events.push_back(notification.event_id);
    recipients.push_back(notification.recipient_id);
    senders.push_back(notification.sender_id);
    times.push_back(notification.create_time);
  }
  return tx_
      .Execute(kInsert, Params().AddUuids(ids).AddUuids(events).AddUuids(recipients).AddUuids(senders).AddTimes(times))
      .status();
}

// With its attempts, in one statement: between two an attempt might end, and they would not tell the same.
constexpr Statement kFind{"find_notification", R"sql(
  select notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
         start_time, end_time, coalesce(outcome, 'OUTCOME_UNSPECIFIED'), detail
  from notifications left join delivery_attempts using (notification_id)
  where notification_id = $2 and event_id = $1
  order by attempt)sql"};

absl::StatusOr<std::optional<Notification>> Notifications::Find(const Uuid& event_id, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(event_id).Add(id)));
  if (result.empty()) return std::nullopt;
  return std::move(WithAttempts(result).front());
}

// As kFind.
constexpr Statement kList{"list_notifications", R"sql(
  select notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
         start_time, end_time, coalesce(outcome, 'OUTCOME_UNSPECIFIED'), detail
  from (
    select notification_id, event_id, recipient_id, sender_id, state, create_time, attempts
    from notifications where event_id = $1 and notification_id < $2
    order by notification_id desc limit $3
  ) as listed left join delivery_attempts using (notification_id)
  order by notification_id desc, attempt)sql"};

absl::StatusOr<std::vector<Notification>> Notifications::List(const Uuid& event_id, const std::optional<Uuid>& before,
                                                              int limit) {
  Params params;
  params.Add(event_id).Add(before.value_or(Uuid::Max())).Add(int64_t{limit});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kList, params));
  return WithAttempts(result);
}

// All parts see the tables as they were before, so that `unrecorded` does not touch what `begun` adds.
constexpr Statement kClaim{"claim_notification", R"sql(
  with due as (
    select n.notification_id, n.attempts,
           case when e.delete_time is not null then 'CANCELLED' when n.attempts >= $2 then 'FAILED' else 'PENDING' end
             as state
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
  returning n.notification_id, n.event_id, n.recipient_id, n.sender_id, n.state, n.create_time, n.attempts)sql"};

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

}  // namespace parley::notification
