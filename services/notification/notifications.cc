#include "services/notification/notifications.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "services/notification/notification_rows.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

#define PARLEY_ATTEMPT "a.start_time, a.end_time, coalesce(a.outcome, 'OUTCOME_UNSPECIFIED'), a.detail"
constexpr int kAttempt = kNotificationColumns;

// How many rows a list looks at for one page.
constexpr int kMaxScanned = 1000;
// An id tells the time of its making by the clock of the process, create_time is the database's at the begin of the
// transaction: they differ by less.
constexpr absl::Duration kMaxClockDifference = absl::Hours(1);

// No notification that was made within the last 24 hours has an earlier id.
Uuid EarliestOfDay(absl::Time now) { return Uuid::Earliest(now - absl::Hours(24) - kMaxClockDifference); }

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
  v1::Notification::Cause_Parse(std::string(row.GetText(8)), &notification.cause);
  notification.next_attempt_time = row.GetTime(9);
  notification.pending_since = row.GetTime(10);
  if (!row.IsNull(11)) notification.lease_end_time = row.GetTime(11);
  return notification;
}

std::string Notification::name() const {
  return absl::StrCat("events/", event_id.ToString(), "/notifications/", id.ToString());
}

bool AttemptUnderWay(const Notification& notification, absl::Time now) {
  return notification.lease_end_time && *notification.lease_end_time > now;
}

constexpr Statement kInsert{"insert_notifications", R"sql(
  insert into notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
                             next_attempt_time, pending_since, cause)
  select notification_id, event_id, recipient_id, sender_id, state, create_time, 0, create_time, create_time, cause
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[])
    as n (notification_id, event_id, recipient_id, sender_id, state, create_time, cause))sql"};

absl::Status Notifications::Insert(absl::Span<const Notification> notifications) {
  std::vector<Uuid> ids, events, recipients, senders;
  std::vector<std::string> states, causes;
  std::vector<absl::Time> times;
  for (const Notification& notification : notifications) {
    ids.push_back(notification.id);
    events.push_back(notification.event_id);
    recipients.push_back(notification.recipient_id);
    senders.push_back(notification.sender_id);
    states.push_back(v1::Notification::State_Name(notification.state));
    times.push_back(notification.create_time);
    causes.push_back(v1::Notification::Cause_Name(notification.cause));
  }
  Params params;
  params.AddUuids(ids).AddUuids(events).AddUuids(recipients).AddUuids(senders).AddTexts(states).AddTimes(times);
  params.AddTexts(causes);
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

// Lists look at no more than $3 notifications between the cursor $1 and $2, by an index that has them in their order,
// and say of each whether it is wanted.
#define PARLEY_SCAN(WHERE)                                                                               \
  "select notification_id, ($4::text is null or state = $4) and create_time >= $5 and create_time < $6 " \
  "from notifications where notification_id < $1 and notification_id >= $2" WHERE                        \
  " order by notification_id desc limit $3"

constexpr Statement kScan{"scan_notifications", PARLEY_SCAN(" and $7::uuid is null")};
// By the index that has the few that are in other states than SENT.
constexpr Statement kScanState{"scan_notifications_state",
                               PARLEY_SCAN(" and state = $4 and state <> 'SENT' and $7::uuid is null")};
constexpr Statement kScanEvent{"scan_notifications_event", PARLEY_SCAN(" and event_id = $7")};

absl::StatusOr<NotificationPage> Notifications::List(const NotificationQuery& query, const std::optional<Uuid>& before,
                                                     int limit) {
  const bool selective = query.state || query.created;
  // One more than the page tells whether there is another.
  const int64_t scanned = selective ? kMaxScanned : limit + 1;
  const auto created = query.created.value_or(std::pair(absl::InfinitePast(), absl::InfiniteFuture()));
  const Uuid end = std::min(before.value_or(Uuid::Max()),
                            query.created ? Uuid::Earliest(created.second + kMaxClockDifference) : Uuid::Max());
  Params params;
  params.Add(end).Add(Uuid::Earliest(created.first - kMaxClockDifference)).Add(scanned);
  query.state ? params.Add(v1::Notification::State_Name(*query.state)) : params.AddNull();
  params.Add(created.first).Add(created.second);
  query.event_id ? params.Add(*query.event_id) : params.AddNull();
  const bool by_state = query.state && *query.state != v1::Notification::SENT;
  const Statement& scan = query.event_id ? kScanEvent : by_state ? kScanState : kScan;
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(scan, params));

  NotificationPage page;
  std::vector<Uuid> ids;
  bool more = result.size() == scanned;
  for (int i = 0; i < result.size(); ++i) {
    if (ids.size() == static_cast<size_t>(limit)) {
      more = true;
      break;
    }
    page.next = result[i].GetUuid(0);
    if (result[i].GetBool(1)) ids.push_back(*page.next);
  }
  if (!more) page.next.reset();
  PARLEY_ASSIGN_OR_RETURN(page.notifications, FindAll(ids));
  // What has changed since it was looked at.
  if (query.state) std::erase_if(page.notifications, [&](const auto& each) { return each.state != *query.state; });
  return page;
}

constexpr Statement kRecipientsOf{"recipients_of_cause",
                                  "select recipient_id from notifications where event_id = $1 and cause = $2"};

absl::StatusOr<std::set<Uuid>> Notifications::RecipientsOf(const Uuid& event_id, Notification::Cause cause) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kRecipientsOf, Params().Add(event_id).Add(v1::Notification::Cause_Name(cause))));
  std::set<Uuid> recipients;
  for (int i = 0; i < result.size(); ++i) recipients.insert(result[i].GetUuid(0));
  return recipients;
}

// Once the max-th newest is a day old, all before it are.
constexpr Statement kRecipientsLimitedUntil{"recipients_limited_until", R"sql(
  select max(nth) + interval '24 hours'
  from (
    select (array_agg(create_time order by create_time desc))[$3] as nth
    from notifications
    where event_id = $1 and notification_id >= $4 and recipient_id = any($2) and cause = 'NOTIFY_PARTIES'
      and create_time > now() - interval '24 hours'
    group by recipient_id
  ) as each)sql"};

absl::StatusOr<std::optional<absl::Time>> Notifications::RecipientsLimitedUntil(const Uuid& event_id,
                                                                                absl::Span<const Uuid> recipients,
                                                                                int max) {
  Params params;
  params.Add(event_id).AddUuids(recipients).Add(int64_t{max}).Add(EarliestOfDay(tx_.now()));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kRecipientsLimitedUntil, params));
  if (result[0].IsNull(0)) return std::nullopt;
  return result[0].GetTime(0);
}

constexpr Statement kLockSender{"lock_sender",
                                "select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 5906112873))"};

// There is room for so many others: the next one, from the newest on, must be a day old first.
constexpr Statement kSenderLimitedUntil{"sender_limited_until", R"sql(
  select max(create_time) + interval '24 hours'
  from notifications
  where sender_id = $1 and recipient_id <> all($2) and cause = 'NOTIFY_PARTIES'
    and create_time > now() - interval '24 hours'
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
  where event_id = $1 and notification_id >= $5 and recipient_id = $2 and cause = 'REQUEST_EMAIL_TOKEN'
    and create_time > now() - interval '24 hours')sql"};

absl::StatusOr<bool> Notifications::MayRequest(const Uuid& event_id, const Uuid& party_id, absl::Duration pause,
                                               int max) {
  Params params;
  params.Add(event_id).Add(party_id).Add(absl::ToInt64Microseconds(pause)).Add(int64_t{max});
  params.Add(EarliestOfDay(tx_.now()));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kMayRequest, params));
  return result[0].GetBool(0);
}

constexpr Statement kCancel{"cancel_notification", "with unrecorded as (" PARLEY_SET_UNRECORDED R"sql(
    where a.notification_id = $1 and a.outcome is null
  )
  update notifications set state = 'CANCELLED', lease_end_time = null where notification_id = $1)sql"};

absl::Status Notifications::Cancel(const Uuid& id) { return tx_.Execute(kCancel, Params().Add(id)).status(); }

constexpr Statement kRetry{"retry_notification", R"sql(
  update notifications set state = 'PENDING', retried_after = attempts, next_attempt_time = now(), pending_since = now()
  where notification_id = $1)sql"};

absl::Status Notifications::Retry(const Uuid& id) { return tx_.Execute(kRetry, Params().Add(id)).status(); }

}  // namespace parley::notification
