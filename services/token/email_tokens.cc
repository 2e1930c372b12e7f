#include "services/token/email_tokens.h"

#include "common/data/key.h"
#include "common/status/status.h"

namespace parley::token {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

namespace {

EmailToken EmailTokenOf(const Row& row) {
  EmailToken email_token;
  email_token.id = row.GetUuid(0);
  email_token.event_id = row.GetUuid(1);
  email_token.user_id = row.GetUuid(2);
  email_token.create_time = row.GetTime(3);
  email_token.expire_time = row.GetTime(4);
  if (!row.IsNull(5)) email_token.revoke_time = row.GetTime(5);
  email_token.gone = row.GetBool(6);
  if (!row.IsNull(7) && !row.IsNull(8)) email_token.party = {std::string(row.GetText(7)), std::string(row.GetText(8))};
  return email_token;
}

}  // namespace

constexpr Statement kCreate{"create_email_tokens", R"sql(
  insert into email_tokens (email_token_id, event_id, user_id, key_hash, create_time, expire_time)
  select email_token_id, event_id, user_id, key_hash, now(), $5
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[]) as n (email_token_id, event_id, user_id, key_hash))sql"};

absl::StatusOr<std::vector<NewEmailToken>> EmailTokens::Create(absl::Span<const EmailTokenHolder> holders,
                                                               absl::Time expire_time) {
  std::vector<NewEmailToken> made;
  std::vector<Uuid> ids, events, users;
  std::vector<std::string> hashes;
  for (const EmailTokenHolder& holder : holders) {
    made.push_back(
        {{Uuid::TimeOrdered(), holder.event_id, holder.user_id, tx_.now(), expire_time, std::nullopt, false, {}},
         data::MakeKey(data::kGuestKeyPrefix)});
    ids.push_back(made.back().email_token.id);
    events.push_back(holder.event_id);
    users.push_back(holder.user_id);
    hashes.push_back(data::HashKey(made.back().key));
  }
  Params params;
  params.AddUuids(ids).AddUuids(events).AddUuids(users).AddByteStrings(hashes).Add(expire_time);
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kCreate, params).status());
  return made;
}

#define PARLEY_EMAIL_TOKEN                                                                                         \
  "select t.email_token_id, t.event_id, t.user_id, t.create_time, t.expire_time, t.revoke_time, e.delete_time is " \
  "not null"
#define PARLEY_SELECT_EMAIL_TOKENS                                                  \
  PARLEY_EMAIL_TOKEN                                                                \
  ", p.local_part, u.domain from email_tokens t join events e using (event_id) "    \
  "left join event_parties p on p.event_id = t.event_id and p.user_id = t.user_id " \
  "left join users u on u.user_id = t.user_id "

constexpr Statement kFind{"find_email_token", PARLEY_SELECT_EMAIL_TOKENS "where t.email_token_id = $1"};

absl::StatusOr<std::optional<EmailToken>> EmailTokens::Find(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(id)));
  if (result.empty()) return std::nullopt;
  return EmailTokenOf(result[0]);
}

// For each check of a credential, which wants no party.
constexpr Statement kFindByHash{"find_email_token_by_hash", PARLEY_EMAIL_TOKEN
                                ", null, null from email_tokens t join events e using (event_id) "
                                "where t.key_hash = $1"};

absl::StatusOr<std::optional<EmailToken>> EmailTokens::FindByHash(std::string_view key_hash) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindByHash, Params().AddBytes(key_hash)));
  if (result.empty()) return std::nullopt;
  return EmailTokenOf(result[0]);
}

constexpr Statement kList{"list_email_tokens", PARLEY_SELECT_EMAIL_TOKENS R"sql(
  where t.event_id = $1 and t.email_token_id < $2 and ($3::uuid is null or t.user_id = $3)
  order by t.email_token_id desc limit $4)sql"};

absl::StatusOr<std::vector<EmailToken>> EmailTokens::List(const Uuid& event_id, const std::optional<Uuid>& user_id,
                                                          const std::optional<Uuid>& before, int limit) {
  Params params;
  params.Add(event_id).Add(before.value_or(Uuid::Max()));
  user_id ? params.Add(*user_id) : params.AddNull();
  params.Add(int64_t{limit});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kList, params));
  std::vector<EmailToken> email_tokens;
  for (int i = 0; i < result.size(); ++i) email_tokens.push_back(EmailTokenOf(result[i]));
  return email_tokens;
}

// Locked in the order of the ids, so that two that revoke the same never wait for each other in a circle.
constexpr Statement kRevoke{"revoke_email_tokens", R"sql(
  update email_tokens set revoke_time = now()
  where email_token_id in (
    select email_token_id from email_tokens
    where email_token_id = any($1) and revoke_time is null order by email_token_id for update))sql"};

absl::Status EmailTokens::Revoke(absl::Span<const Uuid> ids) {
  return tx_.Execute(kRevoke, Params().AddUuids(ids)).status();
}

constexpr Statement kPurge{"purge_email_tokens", R"sql(
  with old as (
    select email_token_id, expire_time
    from (select email_token_id, expire_time from email_tokens where expire_time >= $1
          order by expire_time limit )sql" PARLEY_PURGE_ROWS R"sql() as oldest
    where expire_time <= now() - interval '90 days'
  ), gone as (
    delete from email_tokens where email_token_id = any(array(
      select email_token_id from email_tokens where email_token_id = any(array(select email_token_id from old))
      for update skip locked))
    returning true
  )
  select (select count(*) from gone), count(*), max(expire_time) from old)sql"};

absl::StatusOr<data::Purged> EmailTokens::Purge(absl::Time from) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kPurge, Params().Add(from)));
  return data::PurgedOf(result);
}

}  // namespace parley::token
