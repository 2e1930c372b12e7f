#include "services/notification/email_token_requests.h"

#include "common/status/status.h"

namespace parley::notification {

using data::Params;
using data::Result;
using data::Statement;

constexpr Statement kInsert{"insert_email_token_request", R"sql(
  insert into email_token_requests (email_token_request_id, key_hash, event_id, address_mac, next_attempt_time)
  values ($1, nullif($2, ''::bytea), nullif($3, '00000000-0000-0000-0000-000000000000'), nullif($4, ''::bytea),
          now()))sql"};

absl::Status EmailTokenRequests::Insert(const EmailTokenRequest& request) {
  Params params;
  params.Add(request.id).AddBytes(request.key_hash).Add(request.event_id.value_or(Uuid{}));
  params.AddBytes(request.address_mac);
  return tx_.Execute(kInsert, params).status();
}

constexpr Statement kClaim{"claim_email_token_request", R"sql(
  with due as (
    select email_token_request_id from email_token_requests
    where next_attempt_time <= now()
    order by next_attempt_time limit 1
    for update skip locked
  )
  update email_token_requests r set next_attempt_time = now() + $1 * interval '1 microsecond'
  from due where r.email_token_request_id = due.email_token_request_id
  returning r.email_token_request_id, coalesce(r.key_hash, ''), r.event_id, coalesce(r.address_mac, ''))sql"};

absl::StatusOr<std::optional<EmailTokenRequest>> EmailTokenRequests::Claim(absl::Duration lease) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kClaim, Params().Add(absl::ToInt64Microseconds(lease))));
  if (result.empty()) return std::nullopt;
  const data::Row row = result[0];
  EmailTokenRequest request;
  request.id = row.GetUuid(0);
  request.key_hash = row.GetText(1);
  if (!row.IsNull(2)) request.event_id = row.GetUuid(2);
  request.address_mac = row.GetText(3);
  return request;
}

constexpr Statement kDelete{"delete_email_token_request",
                            "delete from email_token_requests where email_token_request_id = $1"};

absl::StatusOr<bool> EmailTokenRequests::Delete(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kDelete, Params().Add(id)));
  return result.affected() > 0;
}

}  // namespace parley::notification
