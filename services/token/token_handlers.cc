#include "services/token/token_handlers.h"

#include "common/access/access.h"
#include "common/data/api_keys.h"
#include "common/data/users.h"
#include "common/rpc/page_token.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "services/token/email_tokens.h"

namespace parley::token {
namespace {

constexpr std::string_view kUserType = "parley.token.v1.User";
constexpr std::string_view kApiKeyType = "parley.token.v1.ApiKey";
constexpr std::string_view kEmailTokenType = "parley.token.v1.EmailToken";
constexpr std::string_view kSelf = "users/self";
constexpr std::string_view kOwnEmailToken = "events/-/emailTokens/self";
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 100;

std::string NameOfUser(const Uuid& id) { return "users/" + id.ToString(); }

// ---- Who may

absl::Status RequireStaff(const rpc::Call& call) {
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  if (call.principal.staff) return absl::OkStatus();
  return Forbidden("only staff may do this");
}

// Users see themselves, staff all.
bool MaySeeUser(const rpc::Call& call, const Uuid& user_id) {
  return call.principal.staff || call.principal.user_id == user_id;
}

// Guests see the token that they call with, members those made for them, staff all.
bool MaySee(const rpc::Call& call, const EmailToken& email_token) {
  if (call.principal.guest()) return call.principal.credential_id == email_token.id;
  return MaySeeUser(call, email_token.user_id);
}

// ---- What is named

// `users/{user}`, or `users/self` for the caller. Nil for a bad field.
Uuid ParseUser(const rpc::Call& call, std::string_view name, std::string_view field, FieldViolations& fields) {
  if (name == kSelf) return call.principal.user_id;
  const auto id = rpc::ParseName(name, "users");
  if (!id) fields.Add(field, "must be users/{user} or users/self");
  return id.value_or(Uuid{});
}

// `event_id` is nil where it is not said: in `events/-/emailTokens/self`.
struct EmailTokenName {
  Uuid event_id;
  Uuid id;
};

absl::StatusOr<EmailTokenName> ParseEmailToken(const rpc::Call& call, std::string_view name) {
  // Who has not called with an e-mail token names no token so: its id is the nil one, which does not exist.
  if (name == kOwnEmailToken) return EmailTokenName{{}, call.principal.guest() ? call.principal.credential_id : Uuid{}};
  const auto ids = rpc::ParseName(name, "events", "emailTokens");
  FieldViolations fields;
  if (!ids) fields.Add("name", "must be events/{event}/emailTokens/{email_token} or events/-/emailTokens/self");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return EmailTokenName{ids->first, ids->second};
}

// ---- What is found

// NOT_FOUND.
absl::StatusOr<data::User> FindUser(data::Transaction& tx, const Uuid& id, std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds({id}));
  if (users.empty()) return NotFound(kUserType, name);
  return users.front();
}

// NOT_FOUND, also for the key of another user.
absl::StatusOr<data::ApiKey> FindApiKey(data::Transaction& tx, const Uuid& user_id, const Uuid& id,
                                        std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(const auto api_key, data::ApiKeys(tx).Find(id));
  if (!api_key || api_key->user_id != user_id) return NotFound(kApiKeyType, name);
  return *api_key;
}

// PERMISSION_DENIED for what the caller may not see, whether or not it exists; to staff NOT_FOUND.
absl::StatusOr<EmailToken> FindEmailToken(data::Transaction& tx, const rpc::Call& call, const EmailTokenName& sought,
                                          std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(auto found, EmailTokens(tx).Find(sought.id));
  if (found && !sought.event_id.IsNil() && found->event_id != sought.event_id) found.reset();
  if (found && MaySee(call, *found)) return *found;
  return call.principal.staff && !call.principal.guest() ? NotFound(kEmailTokenType, name)
                                                         : Hidden(kEmailTokenType, name);
}

// ---- What is answered

void Fill(const data::User& user, v1::User& proto) {
  proto.set_name(NameOfUser(user.id));
  proto.set_address(user.address.ToString());
  proto.set_state(user.state);
  proto.set_role(user.role);
  ToProto(user.create_time, proto.mutable_create_time());
}

void Fill(const data::ApiKey& api_key, v1::ApiKey& proto) {
  proto.set_name(NameOfUser(api_key.user_id) + "/apiKeys/" + api_key.id.ToString());
  ToProto(api_key.create_time, proto.mutable_create_time());
  if (api_key.revoke_time) ToProto(*api_key.revoke_time, proto.mutable_revoke_time());
}

void Fill(const EmailToken& email_token, v1::EmailToken& proto) {
  proto.set_name(email_token.name());
  proto.set_event("events/" + email_token.event_id.ToString());
  proto.set_user(NameOfUser(email_token.user_id));
  ToProto(email_token.create_time, proto.mutable_create_time());
  ToProto(email_token.expire_time, proto.mutable_expire_time());
  if (email_token.revoke_time) ToProto(*email_token.revoke_time, proto.mutable_revoke_time());
}

}  // namespace

// ---- Users

absl::Status TokenHandlers::CreateUser(const rpc::Call& call, const v1::CreateUserRequest& request,
                                       v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto address = ParseAddress(request.user().address());
  if (!address.ok()) fields.Add("user.address", std::string(address.status().message()));
  v1::User::Role role = request.user().role();
  if (!v1::User::Role_IsValid(role)) fields.Add("user.role", "must be MEMBER or STAFF");
  if (role == v1::User::ROLE_UNSPECIFIED) role = v1::User::MEMBER;
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call));
  PARLEY_ASSIGN_OR_RETURN(const data::User user, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return data::Users(tx).Register(*address, role);
                          }));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::GetUser(const rpc::Call& call, const v1::GetUserRequest& request,
                                    v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseUser(call, request.name(), "name", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  if (!MaySeeUser(call, id)) return Hidden(kUserType, request.name());
  PARLEY_ASSIGN_OR_RETURN(const data::User user, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return FindUser(tx, id, request.name());
                          }));
  Fill(user, response);
  return absl::OkStatus();
}

// ---- API keys

absl::Status TokenHandlers::CreateApiKey(const rpc::Call& call, const v1::CreateApiKeyRequest& request,
                                         v1::ApiKey& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto user_id = rpc::ParseName(request.parent(), "users");
  if (!user_id) fields.Add("parent", "must be users/{user}");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call));
  PARLEY_ASSIGN_OR_RETURN(
      const data::NewApiKey made,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<data::NewApiKey> {
        PARLEY_ASSIGN_OR_RETURN(const data::User user, FindUser(tx, *user_id, request.parent()));
        if (!user.active()) {
          return Precondition(error::v1::USER_STATE, request.parent(), "only an active user can have API keys",
                              {{"state", v1::User::State_Name(user.state)}});
        }
        return data::ApiKeys(tx).Create(user.id);
      }));
  Fill(made.api_key, response);
  response.set_key(made.key);
  return absl::OkStatus();
}

absl::Status TokenHandlers::ListApiKeys(const rpc::Call& call, const v1::ListApiKeysRequest& request,
                                        v1::ListApiKeysResponse& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid user_id = ParseUser(call, request.parent(), "parent", fields);
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = "ListApiKeys " + NameOfUser(user_id);
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(signer_, list, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  if (!MaySeeUser(call, user_id)) return Hidden(kUserType, request.parent());

  const int page_size = rpc::PageSize(request.page_size(), kDefaultPageSize, kMaxPageSize);
  // One more than asked for tells whether a page follows.
  PARLEY_ASSIGN_OR_RETURN(
      auto api_keys,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<std::vector<data::ApiKey>> {
        PARLEY_RETURN_IF_ERROR(FindUser(tx, user_id, request.parent()).status());
        return data::ApiKeys(tx).List(user_id, before, page_size + 1);
      }));
  if (api_keys.size() > static_cast<size_t>(page_size)) {
    api_keys.pop_back();
    response.set_next_page_token(rpc::MakePageToken(signer_, list, api_keys.back().id.ToBytes()));
  }
  for (const data::ApiKey& api_key : api_keys) Fill(api_key, *response.add_api_keys());
  return absl::OkStatus();
}

absl::Status TokenHandlers::RevokeApiKey(const rpc::Call& call, const v1::RevokeApiKeyRequest& request,
                                         v1::ApiKey& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto ids = rpc::ParseName(request.name(), "users", "apiKeys");
  if (!ids) fields.Add("name", "must be users/{user}/apiKeys/{api_key}");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  const Uuid& user_id = ids->first;
  const Uuid& id = ids->second;
  if (!MaySeeUser(call, user_id)) return Hidden(kApiKeyType, request.name());
  PARLEY_ASSIGN_OR_RETURN(
      const data::ApiKey api_key,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<data::ApiKey> {
        PARLEY_RETURN_IF_ERROR(FindApiKey(tx, user_id, id, request.name()).status());
        PARLEY_RETURN_IF_ERROR(data::ApiKeys(tx).Revoke(id));
        return FindApiKey(tx, user_id, id, request.name());
      }));
  Fill(api_key, response);
  return absl::OkStatus();
}

// ---- E-mail tokens

absl::Status TokenHandlers::GetEmailToken(const rpc::Call& call, const v1::GetEmailTokenRequest& request,
                                          v1::EmailToken& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const EmailTokenName sought, ParseEmailToken(call, request.name()));
  PARLEY_ASSIGN_OR_RETURN(const EmailToken email_token,
                          data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return FindEmailToken(tx, call, sought, request.name());
                          }));
  Fill(email_token, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::RevokeEmailToken(const rpc::Call& call, const v1::RevokeEmailTokenRequest& request,
                                             v1::EmailToken& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const EmailTokenName sought, ParseEmailToken(call, request.name()));
  PARLEY_ASSIGN_OR_RETURN(
      const EmailToken email_token,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<EmailToken> {
        PARLEY_ASSIGN_OR_RETURN(const EmailToken found, FindEmailToken(tx, call, sought, request.name()));
        PARLEY_RETURN_IF_ERROR(EmailTokens(tx).Revoke(found.id));
        return FindEmailToken(tx, call, sought, request.name());
      }));
  Fill(email_token, response);
  return absl::OkStatus();
}

}  // namespace parley::token
