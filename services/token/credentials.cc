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

}  // namespace parley::token
