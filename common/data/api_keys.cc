#include "common/data/api_keys.h"

#include "common/data/key.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

ApiKey ApiKeyOf(const Row& row) {
  ApiKey api_key{row.GetUuid(0), row.GetUuid(1), row.GetTime(2), std::nullopt};
  if (!row.IsNull(3)) api_key.revoke_time = row.GetTime(3);
  return api_key;
}

std::optional<ApiKey> OneOf(const Result& result) {
  if (result.empty()) return std::nullopt;
  return ApiKeyOf(result[0]);
}

}  // namespace

constexpr Statement kCreate{"create_api_key", R"sql(
  insert into api_keys (api_key_id, user_id, key_hash, create_time) values ($1, $2, $3, $4))sql"};

absl::StatusOr<NewApiKey> ApiKeys::Create(const Uuid& user_id) {
  NewApiKey made{{Uuid::TimeOrdered(), user_id, tx_.now(), std::nullopt}, MakeKey(kApiKeyPrefix)};
  PARLEY_RETURN_IF_ERROR(
      tx_.Execute(kCreate, Params().Add(made.api_key.id).Add(user_id).AddBytes(HashKey(made.key)).Add(tx_.now()))
          .status());
  return made;
}

constexpr Statement kFind{"find_api_key", R"sql(
  select api_key_id, user_id, create_time, revoke_time from api_keys where api_key_id = $1)sql"};

absl::StatusOr<std::optional<ApiKey>> ApiKeys::Find(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(id)));
  return OneOf(result);
}

constexpr Statement kFindByHash{"find_api_key_by_hash", R"sql(
  select api_key_id, user_id, create_time, revoke_time from api_keys where key_hash = $1)sql"};

absl::StatusOr<std::optional<ApiKey>> ApiKeys::FindByHash(std::string_view key_hash) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindByHash, Params().AddBytes(key_hash)));
  return OneOf(result);
}

constexpr Statement kList{"list_api_keys", R"sql(
  select api_key_id, user_id, create_time, revoke_time from api_keys
  where user_id = $1 and api_key_id < $2 order by api_key_id desc limit $3)sql"};

absl::StatusOr<std::vector<ApiKey>> ApiKeys::List(const Uuid& user_id, const std::optional<Uuid>& before, int limit) {
  Params params;
  params.Add(user_id).Add(before.value_or(Uuid::Max())).Add(int64_t{limit});
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kList, params));
  std::vector<ApiKey> api_keys;
  for (int i = 0; i < result.size(); ++i) api_keys.push_back(ApiKeyOf(result[i]));
  return api_keys;
}

constexpr Statement kRevoke{"revoke_api_key", R"sql(
  update api_keys set revoke_time = now() where api_key_id = $1 and revoke_time is null)sql"};

absl::Status ApiKeys::Revoke(const Uuid& id) { return tx_.Execute(kRevoke, Params().Add(id)).status(); }

}  // namespace parley::data
