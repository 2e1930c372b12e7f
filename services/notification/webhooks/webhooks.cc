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
  webhook.cursor = data::DecodeLogCursor(row.GetText(5)).value_or(data::LogCursor());
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
  insert into webhooks (webhook_id, url, kinds, initiator_id, create_time, cursor)
  values ($1, $2, string_to_array($3, ','), $4, now(), $5))sql"};

absl::Status Webhooks::Insert(const Webhook& webhook) {
  Params params;
  params.Add(webhook.id).Add(webhook.url).Add(KindNames(webhook.kinds));
  webhook.initiator_id ? params.Add(*webhook.initiator_id) : params.AddNull();
  return tx_.Execute(kInsert, params.Add(data::Encode(webhook.cursor))).status();
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

constexpr Statement kMove{"move_webhooks", R"sql(
  update webhooks set cursor = $2 where webhook_id = any($1) and delete_time is null)sql"};

absl::Status Webhooks::Move(absl::Span<const Uuid> ids, const data::LogCursor& cursor) {
  return tx_.Execute(kMove, Params().AddUuids(ids).Add(data::Encode(cursor))).status();
}

constexpr Statement kListCursors{"list_webhook_cursors", R"sql(
  select distinct cursor from webhooks where delete_time is null and position <> $1)sql"};

absl::StatusOr<std::vector<data::LogCursor>> Webhooks::ListCursors(int64_t leaves) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kListCursors, Params().Add(leaves)));
  std::vector<data::LogCursor> cursors;
  for (int i = 0; i < result.size(); ++i) {
    cursors.push_back(data::DecodeLogCursor(result[i].GetText(0)).value_or(data::LogCursor()));
  }
  return cursors;
}

constexpr Statement kTryLockAt{"try_lock_webhooks_at", "select " PARLEY_WEBHOOK R"sql(
  from webhooks where cursor = $1 and delete_time is null order by webhook_id for update skip locked)sql"};

absl::StatusOr<std::vector<Webhook>> Webhooks::TryLockAt(const data::LogCursor& cursor) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kTryLockAt, Params().Add(data::Encode(cursor))));
  return WebhooksOf(result);
}

}  // namespace parley::notification
