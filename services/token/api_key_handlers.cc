// API keys: CreateApiKey, ListApiKeys, RevokeApiKey (rule U4).
#include "common/access/access.h"
#include "common/data/api_keys.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "common/time/proto_time.h"
#include "services/token/named_users.h"
#include "services/token/pages.h"
#include "services/token/token_handlers.h"

namespace parley::token {
namespace {

constexpr std::string_view kApiKeyType = "parley.token.v1.ApiKey";

void Fill(const data::ApiKey& api_key, v1::ApiKey& proto) {
  proto.set_name("users/" + api_key.user_id.ToString() + "/apiKeys/" + api_key.id.ToString());
  ToProto(api_key.create_time, proto.mutable_create_time());
  if (api_key.revoke_time) ToProto(*api_key.revoke_time, proto.mutable_revoke_time());
}

// NOT_FOUND, also for the key of another user.
absl::StatusOr<data::ApiKey> FindApiKey(data::Transaction& tx, const Uuid& user_id, const Uuid& id,
                                        std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(const auto api_key, data::ApiKeys(tx).Find(id));
  if (!api_key || api_key->user_id != user_id) return NotFound(kApiKeyType, name);
  return *api_key;
}

}  // namespace

absl::Status TokenHandlers::CreateApiKey(const rpc::Call& call, const v1::CreateApiKeyRequest& request,
                                         v1::ApiKey& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid user_id = ParseUser(request.parent(), "parent", fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call, request.parent()));
  auto create = [&](data::Transaction& tx) -> absl::StatusOr<data::NewApiKey> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer_, request_id));
    if (answered) {
      PARLEY_ASSIGN_OR_RETURN(const auto api_key, data::ApiKeys(tx).Find(answered->ids.front()));
      if (!api_key) return NotFound(kUserType, request.parent());  // erased since
      return data::NewApiKey{*api_key, ""};
    }
    // Locked, so that nobody is deactivated meanwhile.
    PARLEY_ASSIGN_OR_RETURN(const auto user, data::Users(tx).Lock(user_id));
    if (!user) return NotFound(kUserType, request.parent());
    if (!user->active()) {
      return Precondition(error::v1::USER_STATE, request.parent(), "only an active user can have API keys",
                          {{"state", v1::User::State_Name(user->state)}});
    }
    PARLEY_ASSIGN_OR_RETURN(const data::NewApiKey made, data::ApiKeys(tx).Create(user_id));
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer_, request_id, {{made.api_key.id}, 0}));
    return made;
  };
  PARLEY_ASSIGN_OR_RETURN(const data::NewApiKey made, data::Transact(pool_, call.deadline, create));
  Fill(made.api_key, response);
  response.set_key(made.key);
  return absl::OkStatus();
}

absl::Status TokenHandlers::ListApiKeys(const rpc::Call& call, const v1::ListApiKeysRequest& request,
                                        v1::ListApiKeysResponse& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid user_id = ParseUserOrSelf(call, request.parent(), "parent", fields);
  CheckPageSize(request.page_size(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_ASSIGN_OR_RETURN(const Page page, ParsePage(signer_, "ListApiKeys " + user_id.ToString(), request.page_size(),
                                                     request.page_token()));
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMember(call), kUserType, request.parent()));
  if (!MaySeeUser(call, user_id)) return Hidden(kUserType, request.parent());

  auto read = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<data::ApiKey>> {
    PARLEY_RETURN_IF_ERROR(FindUser(tx, user_id).status());
    return data::ApiKeys(tx).List(user_id, page.before, page.limit());
  };
  PARLEY_ASSIGN_OR_RETURN(auto api_keys, data::Transact(pool_, call.deadline, read));
  response.set_next_page_token(EndPage(signer_, page, api_keys));
  for (const data::ApiKey& api_key : api_keys) Fill(api_key, *response.add_api_keys());
  return absl::OkStatus();
}

absl::Status TokenHandlers::RevokeApiKey(const rpc::Call& call, const v1::RevokeApiKeyRequest& request,
                                         v1::ApiKey& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto ids = rpc::ParseName(request.name(), "users", "apiKeys");
  if (!ids) fields.Add("name", "must be users/{user}/apiKeys/{api_key}");
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMember(call), kApiKeyType, request.name()));
  const Uuid user_id = ids->first;
  const Uuid id = ids->second;
  if (!MaySeeUser(call, user_id)) return Hidden(kApiKeyType, request.name());
  auto revoke = [&](data::Transaction& tx) -> absl::StatusOr<data::ApiKey> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer_, request_id));
    if (!answered) {
      PARLEY_RETURN_IF_ERROR(FindApiKey(tx, user_id, id, request.name()).status());
      PARLEY_RETURN_IF_ERROR(data::ApiKeys(tx).Revoke(id));
      PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer_, request_id, {{id}, 0}));
    }
    return FindApiKey(tx, user_id, id, request.name());
  };
  PARLEY_ASSIGN_OR_RETURN(const data::ApiKey api_key, data::Transact(pool_, call.deadline, revoke));
  Fill(api_key, response);
  return absl::OkStatus();
}

}  // namespace parley::token
