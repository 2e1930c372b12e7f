#include "services/token/credential_handlers.h"

#include "common/data/events.h"
#include "common/data/key.h"
#include "common/data/users.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "services/token/credentials.h"
#include "services/token/email_tokens.h"

namespace parley::token {
namespace {

using internal::token::v1::CheckCredentialRequest;
using internal::token::v1::CheckCredentialResponse;
using internal::token::v1::CreateEmailTokensRequest;
using internal::token::v1::CreateEmailTokensResponse;
using internal::token::v1::FindEmailTokenRequest;
using internal::token::v1::FindEmailTokenResponse;
using internal::token::v1::RecheckCredentialsRequest;
using internal::token::v1::RecheckCredentialsResponse;
using internal::token::v1::RevokeEmailTokensRequest;

// E-mail tokens are made and unmade by the service that mails their keys.
constexpr std::string_view kMailingService = "notification";

absl::Status RequireService(const rpc::Call& call) {
  switch (call.principal.kind) {
    case rpc::Principal::Kind::kNobody:
      return CredentialMissing();
    case rpc::Principal::Kind::kService:
      return absl::OkStatus();
    case rpc::Principal::Kind::kUser:
      break;
  }
  return Forbidden("only services of Parley may call this method");
}

absl::Status RequireMailingService(const rpc::Call& call) {
  if (call.principal.service == kMailingService) return absl::OkStatus();
  return Forbidden("only the notification service may call this method");
}

constexpr int kMaxTokensPerCall = 1000;
constexpr int kMaxCallers = 10000;

// The id in a field; nil where it is none, which is then a bad field.
Uuid ParseId(std::string_view bytes, std::string_view field, FieldViolations& fields) {
  const auto id = Uuid::FromBytes(bytes);
  if (!id) fields.Add(field, "must be a UUID of 16 bytes");
  return id.value_or(Uuid{});
}

void CheckCount(int count, int max, std::string_view field, FieldViolations& fields) {
  if (count == 0 || count > max) fields.Add(field, absl::StrCat("must be 1 to ", max));
}

// Of a key that holds. CREDENTIAL_INVALID, TOKEN_EXPIRED.
absl::StatusOr<Credential> FindCredential(data::Transaction& tx, std::string_view key) {
  std::optional<Credential> found;
  if (data::IsKey(key, data::kApiKeyPrefix)) {
    PARLEY_ASSIGN_OR_RETURN(found, Credentials(tx).FindApiKey(data::HashKey(key)));
  } else if (data::IsKey(key, data::kGuestKeyPrefix)) {
    PARLEY_ASSIGN_OR_RETURN(found, Credentials(tx).FindEmailToken(data::HashKey(key)));
  }
  if (!found) return CredentialInvalid();
  if (found->expire_time && IsExpired(*found->expire_time, tx.now())) return TokenExpired();
  return *found;
}

// U4. `name` is how the user is called in the error.
absl::Status CheckNotDeactivated(const data::User& user, std::string_view name) {
  if (user.state != v1::User::DEACTIVATED) return absl::OkStatus();
  return Precondition(error::v1::USER_STATE, name, "the user is deactivated",
                      {{"state", v1::User::State_Name(user.state)}});
}

// The user for whom the holder of the credential wants to act (U6).
absl::StatusOr<data::User> FindActedFor(data::Transaction& tx, const Credential& credential,
                                        const std::string& act_for) {
  const auto address = ParseAddress(act_for);
  FieldViolations fields;
  if (!address.ok()) fields.Add("parley-act-for", std::string(address.status().message()));
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  if (credential.role != v1::User::STAFF) return Forbidden("only staff may act for another user");
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByAddresses({*address}));
  // The address itself stands in no error.
  constexpr std::string_view kNamed = "the user that parley-act-for names";
  if (users.empty()) return NotFound(kUserType, kNamed);
  PARLEY_RETURN_IF_ERROR(CheckNotDeactivated(users.front(), kNamed));
  return users.front();
}

using Refusal = CreateEmailTokensResponse::Result::Refusal;

// Why no e-mail token is made for a holder, for each of them.
absl::StatusOr<std::vector<Refusal>> RefusalsOf(data::Transaction& tx, const std::vector<EmailTokenHolder>& holders) {
  std::vector<Uuid> event_ids, user_ids;
  for (const EmailTokenHolder& holder : holders) {
    event_ids.push_back(holder.event_id);
    user_ids.push_back(holder.user_id);
  }
  absl::flat_hash_map<Uuid, data::Event> events;
  PARLEY_ASSIGN_OR_RETURN(auto found_events, data::Events(tx).Find(event_ids));
  for (data::Event& event : found_events) events[event.id] = std::move(event);
  absl::flat_hash_map<Uuid, v1::User::State> states;
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(user_ids));
  for (const data::User& user : users) states[user.id] = user.state;

  std::vector<Refusal> refusals;
  for (const EmailTokenHolder& holder : holders) {
    const auto event = events.find(holder.event_id);
    const bool gone = event == events.end() || event->second.delete_time ||
                      event->second.FindParty(holder.user_id) == nullptr || !states.contains(holder.user_id);
    const bool deactivated = !gone && states[holder.user_id] == v1::User::DEACTIVATED;
    refusals.push_back(gone          ? CreateEmailTokensResponse::Result::EVENT_GONE
                       : deactivated ? CreateEmailTokensResponse::Result::USER_DEACTIVATED
                                     : CreateEmailTokensResponse::Result::REFUSAL_UNSPECIFIED);
  }
  return refusals;
}

CheckCredentialResponse ResponseOf(const Credential& credential) {
  CheckCredentialResponse response;
  response.set_user_id(credential.user_id.ToBytes());
  response.set_role(credential.role);
  response.set_state(credential.state);
  response.set_credential_id(credential.id.ToBytes());
  if (credential.event_id) response.set_event_id(credential.event_id->ToBytes());
  if (credential.expire_time) ToProto(*credential.expire_time, response.mutable_expire_time());
  return response;
}

CheckCredentialResponse ResponseOf(const Credential& credential, const data::User& acted_for) {
  CheckCredentialResponse response = ResponseOf(credential);
  response.set_user_id(acted_for.id.ToBytes());
  response.set_role(acted_for.role);
  response.set_state(acted_for.state);
  response.set_acting_user_id(credential.user_id.ToBytes());
  return response;
}

}  // namespace

absl::Status CredentialHandlers::CheckCredential(const rpc::Call& call, const CheckCredentialRequest& request,
                                                 CheckCredentialResponse& response) const {
  PARLEY_RETURN_IF_ERROR(RequireService(call));
  // What cannot be a key costs no database.
  if (!data::IsKey(request.key(), data::kApiKeyPrefix) && !data::IsKey(request.key(), data::kGuestKeyPrefix)) {
    return CredentialInvalid();
  }
  PARLEY_ASSIGN_OR_RETURN(
      response,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<CheckCredentialResponse> {
        PARLEY_ASSIGN_OR_RETURN(const Credential credential, FindCredential(tx, request.key()));
        if (request.act_for().empty()) return ResponseOf(credential);
        PARLEY_ASSIGN_OR_RETURN(const data::User user, FindActedFor(tx, credential, request.act_for()));
        return ResponseOf(credential, user);
      }));
  return absl::OkStatus();
}

absl::Status CredentialHandlers::RecheckCredentials(const rpc::Call& call, const RecheckCredentialsRequest& request,
                                                    RecheckCredentialsResponse& response) const {
  PARLEY_RETURN_IF_ERROR(RequireService(call));
  FieldViolations fields;
  std::vector<PastCaller> callers;
  CheckCount(request.callers_size(), kMaxCallers, "callers", fields);
  for (int i = 0; i < request.callers_size(); ++i) {
    const auto& given = request.callers(i);
    const std::string path = absl::StrCat("callers[", i, "]");
    PastCaller& caller = callers.emplace_back();
    caller.credential_id = ParseId(given.credential_id(), path + ".credential_id", fields);
    caller.email_token = given.email_token();
    caller.user_id = ParseId(given.user_id(), path + ".user_id", fields);
    caller.staff = given.role() == v1::User::STAFF;
    if (!given.acting_user_id().empty()) {
      caller.acting_id = ParseId(given.acting_user_id(), path + ".acting_user_id", fields);
    }
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_ASSIGN_OR_RETURN(const auto verdicts, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return Credentials(tx).Recheck(callers);
                          }));
  for (const Credentials::Verdict verdict : verdicts) response.add_verdicts(verdict);
  return absl::OkStatus();
}

absl::Status CredentialHandlers::CreateEmailTokens(const rpc::Call& call, const CreateEmailTokensRequest& request,
                                                   CreateEmailTokensResponse& response) const {
  PARLEY_RETURN_IF_ERROR(RequireService(call));
  FieldViolations fields;
  std::vector<EmailTokenHolder> holders;
  CheckCount(request.holders_size(), kMaxTokensPerCall, "holders", fields);
  for (int i = 0; i < request.holders_size(); ++i) {
    const std::string path = absl::StrCat("holders[", i, "]");
    holders.push_back({ParseId(request.holders(i).event_id(), path + ".event_id", fields),
                       ParseId(request.holders(i).user_id(), path + ".user_id", fields)});
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireMailingService(call));
  PARLEY_ASSIGN_OR_RETURN(
      response,
      data::Transact(pool_, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<CreateEmailTokensResponse> {
        PARLEY_ASSIGN_OR_RETURN(const auto refusals, RefusalsOf(tx, holders));
        std::vector<EmailTokenHolder> accepted;
        for (size_t i = 0; i < holders.size(); ++i) {
          if (refusals[i] == CreateEmailTokensResponse::Result::REFUSAL_UNSPECIFIED) accepted.push_back(holders[i]);
        }
        PARLEY_ASSIGN_OR_RETURN(const auto made, EmailTokens(tx).Create(accepted, tx.now() + email_token_lifetime_));
        CreateEmailTokensResponse answer;
        auto next = made.begin();
        for (const Refusal refusal : refusals) {
          auto& result = *answer.add_results();
          result.set_refusal(refusal);
          if (refusal != CreateEmailTokensResponse::Result::REFUSAL_UNSPECIFIED) continue;
          result.set_email_token_id(next->email_token.id.ToBytes());
          result.set_key(next->key);
          ToProto(next->email_token.expire_time, result.mutable_expire_time());
          ++next;
        }
        return answer;
      }));
  return absl::OkStatus();
}

absl::Status CredentialHandlers::FindEmailToken(const rpc::Call& call, const FindEmailTokenRequest& request,
                                                FindEmailTokenResponse& response) const {
  PARLEY_RETURN_IF_ERROR(RequireService(call));
  FieldViolations fields;
  if (request.key_hash().size() != data::HashKey("").size()) fields.Add("key_hash", "must be a SHA-256 of 32 bytes");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireMailingService(call));
  PARLEY_ASSIGN_OR_RETURN(const auto found, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return EmailTokens(tx).FindByHash(request.key_hash());
                          }));
  if (!found || found->revoke_time || found->gone) return NotFound("parley.token.v1.EmailToken", "the e-mail token");
  response.set_event_id(found->event_id.ToBytes());
  response.set_user_id(found->user_id.ToBytes());
  return absl::OkStatus();
}

absl::Status CredentialHandlers::RevokeEmailTokens(const rpc::Call& call, const RevokeEmailTokensRequest& request,
                                                   google::protobuf::Empty&) const {
  PARLEY_RETURN_IF_ERROR(RequireService(call));
  FieldViolations fields;
  std::vector<Uuid> ids;
  CheckCount(request.email_token_ids_size(), kMaxTokensPerCall, "email_token_ids", fields);
  for (int i = 0; i < request.email_token_ids_size(); ++i) {
    ids.push_back(ParseId(request.email_token_ids(i), absl::StrCat("email_token_ids[", i, "]"), fields));
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireMailingService(call));
  return data::Transact(pool_, call.deadline, [&](data::Transaction& tx) { return EmailTokens(tx).Revoke(ids); });
}

}  // namespace parley::token
