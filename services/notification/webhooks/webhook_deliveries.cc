#include "services/notification/webhooks/webhook_deliveries.h"

#include "common/status/status.h"
#include "services/notification/webhooks/signatures.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

constexpr int64_t kShownAttempts = 20;

#define PARLEY_WEBHOOK_DELIVERY                                                                            \
  "d.webhook_id, d.event_id, d.sequence, d.leaf_index, array_to_string(d.kinds, ','), d.cursor, d.state, " \
  "d.create_time, d.next_attempt_time"
constexpr int kDeliveryColumns = 9;

WebhookDelivery DeliveryOf(const Row& row) {
  WebhookDelivery delivery;
  delivery.webhook_id = row.GetUuid(0);
  delivery.event_id = row.GetUuid(1);
  delivery.sequence = row.GetInt(2);
  delivery.leaf_index = row.GetInt(3);
  delivery.kinds = ParseKinds(row.GetText(4));
  delivery.cursor = row.GetText(5);
  v1::WebhookDelivery::State_Parse(std::string(row.GetText(6)), &delivery.state);
  delivery.create_time = row.GetTime(7);
  delivery.next_attempt_time = row.GetTime(8);
  return delivery;
}

}  // namespace

std::string WebhookDelivery::name() const {
  return "webhooks/" + webhook_id.ToString() + "/deliveries/" + DeliveryIdOf(webhook_id, event_id, sequence).ToString();
}

// Behind one that is pending it waits as long as that, but for those that are replayed along with it, which are due.
constexpr Statement kInsert{"insert_webhook_deliveries", R"sql(
  with n as (
    select * from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::text[], $6::text[])
      as n (webhook_id, event_id, sequence, leaf_index, kinds, cursor)
  )
  insert into webhook_deliveries as d
    (webhook_id, event_id, sequence, leaf_index, kinds, cursor, state, create_time, next_attempt_time)
  select n.webhook_id, n.event_id, n.sequence, n.leaf_index, string_to_array(n.kinds, ','), n.cursor, 'PENDING', now(),
         greatest(now(), (select e.next_attempt_time from webhook_deliveries e
                          where e.webhook_id = n.webhook_id and e.event_id = n.event_id and e.sequence < n.sequence
                            and e.state = 'PENDING'
                            and not exists (select from n m where m.webhook_id = e.webhook_id
                                            and m.event_id = e.event_id and m.sequence = e.sequence)
                          order by e.sequence limit 1))
  from n
  on conflict (webhook_id, event_id, sequence) do update
  set leaf_index = excluded.leaf_index, kinds = excluded.kinds, cursor = excluded.cursor, state = 'PENDING',
      create_time = excluded.create_time, replayed_after = d.attempts, next_attempt_time = excluded.next_attempt_time,
      settle_time = null)sql"};

absl::Status WebhookDeliveries::Insert(absl::Span<const WebhookDelivery> deliveries) {
  std::vector<Uuid> webhook_ids, event_ids;
  std::vector<int64_t> sequences, leaf_indexes;
  std::vector<std::string> kinds, cursors;
  for (const WebhookDelivery& delivery : deliveries) {
    webhook_ids.push_back(delivery.webhook_id);
    event_ids.push_back(delivery.event_id);
    sequences.push_back(delivery.sequence);
    leaf_indexes.push_back(delivery.leaf_index);
    kinds.push_back(KindNames(delivery.kinds));
    cursors.push_back(delivery.cursor);
  }
  Params params;
  params.AddUuids(webhook_ids).AddUuids(event_ids).AddInts(sequences).AddInts(leaf_indexes);
  return tx_.Execute(kInsert, params.AddTexts(kinds).AddTexts(cursors)).status();
}

constexpr Statement kLockDue{"lock_due_webhook_deliveries", R"sql(
  select p.webhook_id, p.event_id, p.sequence
  from webhooks w left join unnest($1::uuid[], $2::int8[]) as other (webhook_id, free) using (webhook_id)
  cross join lateral (
    select d.webhook_id, d.event_id, d.sequence, d.next_attempt_time
    from webhook_deliveries d
    where d.webhook_id = w.webhook_id and d.state = 'PENDING' and d.next_attempt_time <= now()
      and (d.lease_end_time is null or d.lease_end_time <= now())
      and not exists (
        select from webhook_deliveries e
        where e.webhook_id = d.webhook_id and e.event_id = d.event_id and e.sequence < d.sequence
          and e.state = 'PENDING')
    order by d.next_attempt_time, d.leaf_index limit coalesce(other.free, $3)
    for update of d skip locked
  ) p
  where w.delete_time is null)sql"};

// In a statement of its own, since PostgreSQL would guess that many are due, and read all that there are. It sees also
// what a replay has made pending before them while they were being locked.
constexpr Statement kBegin{"begin_webhook_attempts", R"sql(
  with begun as (
    update webhook_deliveries d
    set attempts = d.attempts + 1, lease_end_time = now() + $4 * interval '1 microsecond'
    from unnest($1::uuid[], $2::uuid[], $3::int8[]) as due (webhook_id, event_id, sequence)
    join webhooks w using (webhook_id)
    where d.webhook_id = due.webhook_id and d.event_id = due.event_id and d.sequence = due.sequence
      and not exists (
        select from webhook_deliveries e
        where e.webhook_id = d.webhook_id and e.event_id = d.event_id and e.sequence < d.sequence
          and e.state = 'PENDING')
    returning )sql" PARLEY_WEBHOOK_DELIVERY R"sql(, d.attempts, d.attempts - d.replayed_after as counted, w.url
  ), started as (
    insert into webhook_attempts (webhook_id, event_id, sequence, attempt, start_time)
    select webhook_id, event_id, sequence, attempts, now() from begun
  )
  select * from begun order by next_attempt_time, leaf_index)sql"};

absl::StatusOr<std::vector<BegunAttempt>> WebhookDeliveries::Begin(absl::Span<const FreeAttempts> others, int free,
                                                                   absl::Duration lease) {
  std::vector<Uuid> webhook_ids, event_ids;
  std::vector<int64_t> numbers, sequences;
  for (const FreeAttempts& other : others) {
    webhook_ids.push_back(other.webhook_id);
    numbers.push_back(other.free);
  }
  Params of_due;
  of_due.AddUuids(webhook_ids).AddInts(numbers).Add(int64_t{free});
  PARLEY_ASSIGN_OR_RETURN(const Result due, tx_.Execute(kLockDue, of_due));
  if (due.empty()) return std::vector<BegunAttempt>();
  webhook_ids.clear();
  for (int i = 0; i < due.size(); ++i) {
    webhook_ids.push_back(due[i].GetUuid(0));
    event_ids.push_back(due[i].GetUuid(1));
    sequences.push_back(due[i].GetInt(2));
  }
  Params params;
  params.AddUuids(webhook_ids).AddUuids(event_ids).AddInts(sequences).Add(absl::ToInt64Microseconds(lease));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kBegin, params));
  std::vector<BegunAttempt> begun;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    begun.push_back({DeliveryOf(row), row.GetInt(kDeliveryColumns), row.GetInt(kDeliveryColumns + 1),
                     std::string(row.GetText(kDeliveryColumns + 2))});
  }
  return begun;
}

// An attempt whose end is recorded says nothing any more of its delivery, which may have been replayed since; one that
// was under way when it was replayed only makes room for the next. Those behind one that is tried again wait along with
// it, so that nobody looks at them meanwhile.
constexpr Statement kRecord{"record_webhook_attempts", R"sql(
  with result as (
    select *
    from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::bool[], $6::bool[], $7::int8[], $8::text[],
                $9::int8[])
      as r (webhook_id, event_id, sequence, attempt, delivered, counts, http_status, detail, pause)
  ), ended as (
    update webhook_attempts a set end_time = now(), http_status = r.http_status, detail = r.detail
    from result r
    where a.webhook_id = r.webhook_id and a.event_id = r.event_id and a.sequence = r.sequence
      and a.attempt = r.attempt and a.end_time is null
    returning r.webhook_id, r.event_id, r.sequence, r.attempt, r.delivered, r.counts,
              now() + r.pause * interval '1 microsecond' as next_time
  ), own as (
    update webhook_deliveries d
    set state = case when e.attempt <= d.replayed_after then 'PENDING'
                     when e.delivered then 'DELIVERED'
                     when e.counts and e.next_time > d.create_time + $10 * interval '1 microsecond' then 'FAILED'
                     else 'PENDING' end,
        settle_time = case when e.attempt <= d.replayed_after then null
                           when e.delivered
                             or (e.counts and e.next_time > d.create_time + $10 * interval '1 microsecond')
                           then now() end,
        next_attempt_time = case when e.delivered or e.attempt <= d.replayed_after then d.next_attempt_time
                                 else e.next_time end,
        lease_end_time = null
    from ended e
    where d.webhook_id = e.webhook_id and d.event_id = e.event_id and d.sequence = e.sequence
      and d.attempts = e.attempt and d.state = 'PENDING'
    returning d.webhook_id, d.event_id, d.sequence, d.state, d.next_attempt_time
  ), behind as (
    update webhook_deliveries d set next_attempt_time = own.next_attempt_time
    from own
    where own.state = 'PENDING' and d.webhook_id = own.webhook_id and d.event_id = own.event_id
      and d.sequence > own.sequence and d.state = 'PENDING'
      and not exists (
        select from ended e
        where e.webhook_id = d.webhook_id and e.event_id = d.event_id and e.sequence = d.sequence)
  )
  select webhook_id, event_id, sequence, state from own)sql"};

absl::StatusOr<std::vector<RecordedAttempt>> WebhookDeliveries::Record(absl::Span<const EndedAttempt> ended,
                                                                       absl::Duration retry_for) {
  std::vector<Uuid> webhook_ids, event_ids;
  std::vector<int64_t> sequences, attempts, statuses, pauses;
  std::vector<bool> delivered, counts;
  std::vector<std::string> details;
  for (const EndedAttempt& each : ended) {
    webhook_ids.push_back(each.webhook_id);
    event_ids.push_back(each.event_id);
    sequences.push_back(each.sequence);
    attempts.push_back(each.attempt);
    delivered.push_back(each.delivered);
    counts.push_back(each.counts);
    statuses.push_back(each.http_status);
    details.push_back(each.detail);
    pauses.push_back(absl::ToInt64Microseconds(each.pause));
  }
  Params params;
  params.AddUuids(webhook_ids).AddUuids(event_ids).AddInts(sequences).AddInts(attempts).AddBools(delivered);
  params.AddBools(counts).AddInts(statuses).AddTexts(details).AddInts(pauses).Add(absl::ToInt64Microseconds(retry_for));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kRecord, params));
  std::vector<RecordedAttempt> recorded;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    recorded.push_back({row.GetUuid(0), row.GetUuid(1), row.GetInt(2), v1::WebhookDelivery::PENDING});
    v1::WebhookDelivery::State_Parse(std::string(row.GetText(3)), &recorded.back().state);
  }
  return recorded;
}

#define PARLEY_LIST_DELIVERIES(condition)                                                   \
  "select " PARLEY_WEBHOOK_DELIVERY                                                         \
  " from webhook_deliveries d where d.webhook_id = $1 and d.leaf_index < $2 and " condition \
  " order by d.leaf_index desc limit $3"

constexpr Statement kListAll{"list_webhook_deliveries", PARLEY_LIST_DELIVERIES("true")};
constexpr Statement kListInState{"list_webhook_deliveries_in_state", PARLEY_LIST_DELIVERIES("d.state = $4")};

constexpr Statement kListAttempts{"list_webhook_attempts", R"sql(
  select n, a.start_time, a.end_time, a.http_status, a.detail
  from unnest($2::uuid[], $3::int8[]) with ordinality as d (event_id, sequence, n)
  cross join lateral (
    select l.attempt, l.start_time, l.end_time, l.http_status, l.detail
    from webhook_attempts l
    where l.webhook_id = $1 and l.event_id = d.event_id and l.sequence = d.sequence
    order by l.attempt desc limit $4
  ) a
  order by n, a.attempt)sql"};

absl::StatusOr<std::vector<WebhookDelivery>> WebhookDeliveries::List(const Uuid& webhook_id,
                                                                     std::optional<WebhookDelivery::State> state,
                                                                     int64_t before_leaf, int limit) {
  Params params;
  params.Add(webhook_id).Add(before_leaf).Add(int64_t{limit});
  if (state) params.Add(v1::WebhookDelivery::State_Name(*state));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(state ? kListInState : kListAll, params));
  std::vector<WebhookDelivery> deliveries;
  std::vector<Uuid> event_ids;
  std::vector<int64_t> sequences;
  for (int i = 0; i < result.size(); ++i) {
    deliveries.push_back(DeliveryOf(result[i]));
    event_ids.push_back(deliveries.back().event_id);
    sequences.push_back(deliveries.back().sequence);
  }
  Params of_attempts;
  of_attempts.Add(webhook_id).AddUuids(event_ids).AddInts(sequences).Add(kShownAttempts);
  PARLEY_ASSIGN_OR_RETURN(const Result attempts, tx_.Execute(kListAttempts, of_attempts));
  for (int i = 0; i < attempts.size(); ++i) {
    const Row row = attempts[i];
    auto& attempt = deliveries[static_cast<size_t>(row.GetInt(0)) - 1].attempts.emplace_back();
    attempt.start_time = row.GetTime(1);
    if (!row.IsNull(2)) attempt.end_time = row.GetTime(2);
    attempt.http_status = static_cast<int>(row.GetInt(3));
    attempt.detail = row.GetText(4);
  }
  return deliveries;
}

constexpr Statement kMakeDue{"make_webhook_deliveries_due", R"sql(
  update webhook_deliveries set next_attempt_time = now()
  where webhook_id = $1 and state = 'PENDING' and next_attempt_time > now())sql"};

absl::Status WebhookDeliveries::MakeDue(const Uuid& webhook_id) {
  return tx_.Execute(kMakeDue, Params().Add(webhook_id)).status();
}

// Oldest first: of an event none has failed before those that stand before it, but for one that is under way.
constexpr Statement kExpire{"expire_webhook_deliveries", R"sql(
  with late as (
    select webhook_id, event_id, sequence from webhook_deliveries
    where state = 'PENDING' and create_time < now() - $1 * interval '1 microsecond'
      and (lease_end_time is null or lease_end_time <= now())
    order by create_time, leaf_index limit 2000
    for update skip locked
  )
  update webhook_deliveries d set state = 'FAILED', settle_time = now(), lease_end_time = null
  from late l where d.webhook_id = l.webhook_id and d.event_id = l.event_id and d.sequence = l.sequence)sql"};

absl::StatusOr<int64_t> WebhookDeliveries::ExpireSome(absl::Duration retry_for) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kExpire, Params().Add(absl::ToInt64Microseconds(retry_for))));
  return result.affected();
}

// One that is replayed meanwhile is not settled any more, and stays.
constexpr Statement kPurgeSettled{"purge_settled_webhook_deliveries", R"sql(
  with old as (
    select id, settle_time
    from (select ctid as id, settle_time from webhook_deliveries where settle_time >= $1
          order by settle_time limit )sql" PARLEY_PURGE_ROWS R"sql() as oldest
    where settle_time < now() - $2 * interval '1 microsecond'
  ), gone as (
    delete from webhook_deliveries where ctid = any(array(
      select ctid from webhook_deliveries
      where ctid = any(array(select id from old)) and settle_time < now() - $2 * interval '1 microsecond'
      for update skip locked))
    returning webhook_id, event_id, sequence
  ), attempts as (
    delete from webhook_attempts a using gone g
    where a.webhook_id = g.webhook_id and a.event_id = g.event_id and a.sequence = g.sequence
  )
  select (select count(*) from gone), count(*), max(settle_time) from old)sql"};

absl::StatusOr<data::Purged> WebhookDeliveries::PurgeSettled(absl::Duration keep, absl::Time from) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kPurgeSettled, Params().Add(from).Add(absl::ToInt64Microseconds(keep))));
  return data::PurgedOf(result);
}

// A deleted webhook is told nothing any more, so that nothing is added behind our back.
constexpr Statement kPurgeDeleted{"purge_deleted_webhook_deliveries", R"sql(
  delete from webhook_deliveries where ctid = any(array(
    select of_webhook.ctid
    from webhooks w cross join lateral (
      select d.ctid from webhook_deliveries d where d.webhook_id = w.webhook_id
      order by d.leaf_index limit )sql" PARLEY_PURGE_ROWS R"sql( for update skip locked
    ) of_webhook
    where w.delete_time is not null limit )sql" PARLEY_PURGE_ROWS R"sql())
  returning webhook_id, event_id, sequence)sql"};
// After that, to see those too that began just before we had the row.
constexpr Statement kPurgeAttempts{"purge_webhook_attempts", R"sql(
  delete from webhook_attempts a using unnest($1::uuid[], $2::uuid[], $3::int8[]) as d (webhook_id, event_id, sequence)
  where a.webhook_id = d.webhook_id and a.event_id = d.event_id and a.sequence = d.sequence)sql"};
constexpr Statement kPurgeWebhooks{"purge_webhooks", R"sql(
  delete from webhooks w
  where w.delete_time is not null
    and not exists (select from webhook_deliveries d where d.webhook_id = w.webhook_id))sql"};

absl::StatusOr<data::Purged> WebhookDeliveries::PurgeDeleted() {
  PARLEY_ASSIGN_OR_RETURN(const Result purged, tx_.Execute(kPurgeDeleted));
  std::vector<Uuid> webhook_ids, event_ids;
  std::vector<int64_t> sequences;
  for (int i = 0; i < purged.size(); ++i) {
    webhook_ids.push_back(purged[i].GetUuid(0));
    event_ids.push_back(purged[i].GetUuid(1));
    sequences.push_back(purged[i].GetInt(2));
  }
  Params params;
  params.AddUuids(webhook_ids).AddUuids(event_ids).AddInts(sequences);
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kPurgeAttempts, params).status());
  PARLEY_ASSIGN_OR_RETURN(const Result webhooks, tx_.Execute(kPurgeWebhooks));
  return data::Purged{purged.size() + webhooks.affected(), purged.size() >= data::kPurgeRows};
}

}  // namespace parley::notification
