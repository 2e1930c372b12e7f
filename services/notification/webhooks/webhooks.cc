#include "services/notification/webhooks/webhooks.h"

#include "absl/strings/str_join.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

#define PARLEY_WEBHOOK "webhook_id, url, array_to_string(kinds, ','), initiator_id, create_time, cursor"

Webhook WebhookOf(const Row& row) {
  Webhook webhook;
  webhook.id = row.GetUuid(0);
  webhook.url = row.GetText(1);
  webhook.kinds = ParseKinds(row.GetText(2));
  if (!row.IsNull(3)) webhook.initiator_id = row.GetUuid(3);
  webhook.create_time = row.GetTime(4);
  webhook.cursor = row.GetText(5);
  return webhook;
}

std::vector<Webhook> WebhooksOf(const Result& result) {
  std::vector<Webhook> webhooks;
  for (int i = 0; i < result.size(); ++i) webhooks.push_back(WebhookOf(result[i]));
  return webhooks;
}

}  // namespace

constexpr Statement kLockTable{"lock_webhooks", "lock table webhooks in share row exclusive mode"};
constexpr Statement kCount{"count_webhooks", "select count(*) from webhooks where delete_time is null"};

absl::StatusOr<int64_t> Webhooks::LockAndCount() {
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kLockTable).status());
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kCount));
  return result[0].GetInt(0);
}

constexpr Statement kInsert{"insert_webhook", R"sql(
  insert into webhooks (webhook_id, url, kinds, initiator_id, create_time, cursor, next_look_time)
  values ($1, $2, string_to_array($3, ','), $4, now(), $5, now()))sql"};

absl::Status Webhooks::Insert(const Webhook& webhook) {
  Params params;
  params.Add(webhook.id).Add(webhook.url).Add(KindNames(webhook.kinds));
  webhook.initiator_id ? params.Add(*webhook.initiator_id) : params.AddNull();
  return tx_.Execute(kInsert, params.Add(webhook.cursor)).status();
}

constexpr Statement kFind{"find_webhook",
                          "select " PARLEY_WEBHOOK " from webhooks where webhook_id = $1 and delete_time is null"};

absl::StatusOr<std::optional<Webhook>> Webhooks::Find(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(id)));
  if (result.empty()) return std::nullopt;
  return WebhookOf(result[0]);
}

constexpr Statement kList{"list_webhooks", "select " PARLEY_WEBHOOK R"sql(
  from webhooks where webhook_id < $1 and delete_time is null order by webhook_id desc limit $2)sql"};

absl::StatusOr<std::vector<Webhook>> Webhooks::List(const std::optional<Uuid>& before, int limit) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kList, Params().Add(before.value_or(Uuid::Max())).Add(int64_t{limit})));
  return WebhooksOf(result);
}

constexpr Statement kDelete{"delete_webhook", R"sql(
  update webhooks set delete_time = now(), url = '' where webhook_id = $1 and delete_time is null)sql"};

absl::StatusOr<bool> Webhooks::Delete(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kDelete, Params().Add(id)));
  return result.affected() > 0;
}

constexpr Statement kRewind{"rewind_webhook", R"sql(
  update webhooks set cursor = $2, next_look_time = now() where webhook_id = $1 and delete_time is null)sql"};

absl::StatusOr<bool> Webhooks::Rewind(const Uuid& id, const std::string& cursor) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kRewind, Params().Add(id).Add(cursor)));
  return result.affected() > 0;
}

// Those that have caught up are all at one cursor, and cost one look at the log together.
constexpr Statement kTakeDue{"take_due_webhooks", R"sql(
  with longest as (
    select cursor from webhooks
    where delete_time is null and next_look_time <= now() order by next_look_time limit 1
  ), due as (
    select w.webhook_id from webhooks w join longest using (cursor)
    where w.delete_time is null and w.next_look_time <= now()
    for update of w skip locked
  )
  update webhooks set next_look_time = now() + $1 * interval '1 microsecond'
  from due where webhooks.webhook_id = due.webhook_id
  returning webhooks.webhook_id, url, array_to_string(kinds, ','), initiator_id, create_time, cursor)sql"};

absl::StatusOr<std::vector<Webhook>> Webhooks::TakeDue(absl::Duration pause) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kTakeDue, Params().Add(absl::ToInt64Microseconds(pause))));
  return WebhooksOf(result);
}

constexpr Statement kAdvance{"advance_webhooks", R"sql(
  update webhooks set cursor = $3, next_look_time = now() + $4 * interval '1 microsecond'
  where webhook_id = any($1) and cursor = $2 and delete_time is null
  returning webhook_id)sql"};

absl::StatusOr<std::vector<Uuid>> Webhooks::Advance(absl::Span<const Uuid> ids, const std::string& from,
                                                    const std::string& to, absl::Duration pause) {
  Params params;
  params.AddUuids(ids).Add(from).Add(to).Add(absl::ToInt64Microseconds(pause));
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kAdvance, params));
  std::vector<Uuid> advanced;
  for (int i = 0; i < result.size(); ++i) advanced.push_back(result[i].GetUuid(0));
  return advanced;
}

constexpr Statement kPostpone{"postpone_webhooks", R"sql(
  update webhooks set next_look_time = now() + $3 * interval '1 microsecond'
  where webhook_id = any($1) and cursor = $2)sql"};

absl::Status Webhooks::Postpone(absl::Span<const Uuid> ids, const std::string& cursor, absl::Duration pause) {
  return tx_.Execute(kPostpone, Params().AddUuids(ids).Add(cursor).Add(absl::ToInt64Microseconds(pause))).status();
}

}  // namespace parley::notification
