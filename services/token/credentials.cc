#include "services/token/credentials.h"

#include "common/status/status.h"

namespace parley::token {
namespace {

data::User::State StateOf(const data::Row& row, int column) {
  data::User::State state = v1::User::STATE_UNSPECIFIED;
  v1::User::State_Parse(std::string(row.GetText(column)), &state);
  return state;
}

}  // namespace

constexpr data::Statement kFindApiKey{"credential_by_api_key", R"sql(
  select k.api_key_id, k.user_id, u.state, u.role
  from api_keys k join users u using (user_id)
  where k.key_hash = $1 and k.revoke_time is null and u.state = 'ACTIVE')sql"};

absl::StatusOr<std::optional<Credential>> Credentials::FindApiKey(std::string_view key_hash) {
  PARLEY_ASSIGN_OR_RETURN(const data::Result result, tx_.Execute(kFindApiKey, data::Params().AddBytes(key_hash)));
  if (result.empty()) return std::nullopt;
  const data::Row row = result[0];
  Credential credential{row.GetUuid(0), row.GetUuid(1), StateOf(row, 2), v1::User::MEMBER, std::nullopt, std::nullopt};
  v1::User::Role_Parse(std::string(row.GetText(3)), &credential.role);
  return credential;
}

constexpr data::Statement kFindEmailToken{"credential_by_email_token", R"sql(
  select t.email_token_id, t.user_id, u.state, t.event_id, t.expire_time
  from email_tokens t join users u using (user_id) join events e using (event_id)
  where t.key_hash = $1 and t.revoke_time is null and e.delete_time is null and u.state <> 'DEACTIVATED')sql"};

absl::StatusOr<std::optional<Credential>> Credentials::FindEmailToken(std::string_view key_hash) {
  PARLEY_ASSIGN_OR_RETURN(const data::Result result, tx_.Execute(kFindEmailToken, data::Params().AddBytes(key_hash)));
  if (result.empty()) return std::nullopt;
  const data::Row row = result[0];
  return Credential{row.GetUuid(0), row.GetUuid(1), StateOf(row, 2), v1::User::MEMBER, row.GetUuid(3), row.GetTime(4)};
}

// Each by itself, by the primary keys, so that the plan is the same at any size of the tables.
constexpr data::Statement kRecheck{"recheck_credentials", R"sql(
  select coalesce(case when c.email_token then
                         t.revoke_time is null and u.state <> 'DEACTIVATED' and t.user_id = c.user_id
                       when c.acting_id is null then
                         k.revoke_time is null and u.state = 'ACTIVE' and k.user_id = c.user_id
                       else
                         k.revoke_time is null and a.state = 'ACTIVE' and k.user_id = c.acting_id
                         and u.state <> 'DEACTIVATED'
                  end, false) as holds,
         coalesce(t.expire_time <= now(), false) as expired,
         (c.staff and u.role <> 'STAFF') or (c.acting_id is not null and a.role <> 'STAFF') as role_lost
  from unnest($1::uuid[], $2::bool[], $3::uuid[], $4::bool[], $5::uuid[])
    with ordinality as n (credential_id, email_token, user_id, staff, acting, position)
  cross join lateral (select n.credential_id, n.email_token, n.user_id, n.staff,
                             nullif(n.acting, '00000000-0000-0000-0000-000000000000') as acting_id) c
  left join lateral (select * from api_keys where not c.email_token and api_key_id = c.credential_id offset 0) k on true
  left join lateral (select * from email_tokens where c.email_token and email_token_id = c.credential_id offset 0) t
    on true
  left join lateral (select * from users where user_id = c.user_id offset 0) u on true
  left join lateral (select * from users where user_id = c.acting_id offset 0) a on true
  order by n.position)sql"};

absl::StatusOr<std::vector<Credentials::Verdict>> Credentials::Recheck(const std::vector<PastCaller>& callers) {
  std::vector<Uuid> credential_ids, user_ids, acting_ids;
  std::vector<bool> email_tokens, staff;
  for (const PastCaller& caller : callers) {
    credential_ids.push_back(caller.credential_id);
    email_tokens.push_back(caller.email_token);
    user_ids.push_back(caller.user_id);
    staff.push_back(caller.staff);
    acting_ids.push_back(caller.acting_id.value_or(Uuid{}));
  }
  data::Params params;
  params.AddUuids(credential_ids).AddBools(email_tokens).AddUuids(user_ids).AddBools(staff).AddUuids(acting_ids);
  PARLEY_ASSIGN_OR_RETURN(const data::Result result, tx_.Execute(kRecheck, params));
  std::vector<Verdict> verdicts;
  for (int i = 0; i < result.size(); ++i) {
    const data::Row row = result[i];
    const bool holds = row.GetBool(0), expired = row.GetBool(1), role_lost = !row.IsNull(2) && row.GetBool(2);
    using internal::token::v1::RecheckCredentialsResponse;
    verdicts.push_back(!holds      ? RecheckCredentialsResponse::INVALID
                       : expired   ? RecheckCredentialsResponse::EXPIRED
                       : role_lost ? RecheckCredentialsResponse::ROLE_LOST
                                   : RecheckCredentialsResponse::GOOD);
  }
  return verdicts;
}

}  // namespace parley::token
