#include "services/token/email_tokens.h"

#include "common/data/key.h"
#include "common/status/status.h"

namespace parley::token {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

constexpr Statement kCreate{"create_email_token", R"sql(
  insert into email_tokens (email_token_id, event_id, user_id, key_hash, create_time, expire_time)
  values ($1, $2, $3, $4, $5, $6))sql"};

absl::StatusOr<NewEmailToken> EmailTokens::Create(const Uuid& event_id, const Uuid& user_id, absl::Time expire_time) {
  NewEmailToken made{{Uuid::TimeOrdered(), event_id, user_id, tx_.now(), expire_time, std::nullopt},
                     data::MakeKey(data::kGuestKeyPrefix)};
  Params params;
  params.Add(made.email_token.id).Add(event_id).Add(user_id).AddBytes(data::HashKey(made.key));
  params.Add(tx_.now()).Add(expire_time);
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kCreate, params).status());
  return made;
}

constexpr Statement kFind{"find_email_token", R"sql(
  select t.email_token_id, t.event_id, t.user_id, t.create_time, t.expire_time, t.revoke_time
  from email_tokens t join events e using (event_id)
  where t.email_token_id = $1 and e.delete_time is null)sql"};

absl::StatusOr<std::optional<EmailToken>> EmailTokens::Find(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(id)));
  if (result.empty()) return std::nullopt;
  const Row row = result[0];
  EmailToken email_token{row.GetUuid(0), row.GetUuid(1), row.GetUuid(2), row.GetTime(3), row.GetTime(4), std::nullopt};
  if (!row.IsNull(5)) email_token.revoke_time = row.GetTime(5);
  return email_token;
}

constexpr Statement kRevoke{"revoke_email_token", R"sql(
  update email_tokens set revoke_time = now() where email_token_id = $1 and revoke_time is null)sql"};

absl::Status EmailTokens::Revoke(const Uuid& id) { return tx_.Execute(kRevoke, Params().Add(id)).status(); }

}  // namespace parley::token
