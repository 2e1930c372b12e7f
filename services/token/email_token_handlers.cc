// E-mail tokens: GetEmailToken, ListEmailTokens, RevokeEmailToken (rules T4, T5).
#include "common/access/access.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "common/time/proto_time.h"
#include "services/token/email_tokens.h"
#include "services/token/named_users.h"
#include "services/token/pages.h"
#include "services/token/token_handlers.h"

namespace parley::token {
namespace {

constexpr std::string_view kEmailTokenType = "parley.token.v1.EmailToken";
constexpr std::string_view kOwnEmailToken = "events/-/emailTokens/self";

// `event_id` is nil where it is not said: in `events/-/emailTokens/self`.
struct EmailTokenName {
  Uuid event_id;
  Uuid id;
};

EmailTokenName ParseEmailToken(const rpc::Call& call, std::string_view name, FieldViolations& fields) {
  // Who has not called with an e-mail token names no token so: its id is the nil one, which does not exist.
  if (name == kOwnEmailToken) return {{}, call.principal.guest() ? call.principal.credential_id : Uuid{}};
  const auto ids = rpc::ParseName(name, "events", "emailTokens");
  if (!ids) fields.Add("name", "must be events/{event}/emailTokens/{email_token} or events/-/emailTokens/self");
  return ids ? EmailTokenName{ids->first, ids->second} : EmailTokenName{};
}

// Guests see the token that they call with, members those made for them, staff all.
bool MaySee(const rpc::Call& call, const EmailToken& email_token) {
  if (call.principal.guest()) return call.principal.credential_id == email_token.id;
  return MaySeeUser(call, email_token.user_id);
}

// Also one that is gone. PERMISSION_DENIED for what the caller may not see, whether or not it exists; to staff
// NOT_FOUND.
absl::StatusOr<EmailToken> FindEmailToken(data::Transaction& tx, const rpc::Call& call, const EmailTokenName& sought,
                                          std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(auto found, EmailTokens(tx).Find(sought.id));
  if (found && !sought.event_id.IsNil() && found->event_id != sought.event_id) found.reset();
  if (found && MaySee(call, *found)) return *found;
  return IsStaff(call) ? NotFound(kEmailTokenType, name) : Hidden(kEmailTokenType, name);
}

absl::Status CheckNotGone(const EmailToken& email_token, std::string_view name) {
  return email_token.gone ? NotFound(kEmailTokenType, name) : absl::OkStatus();
}

void Fill(const EmailToken& email_token, v1::EmailToken& proto) {
  proto.set_name(email_token.name());
  proto.set_event("events/" + email_token.event_id.ToString());
  proto.set_user("users/" + email_token.user_id.ToString());
  ToProto(email_token.create_time, proto.mutable_create_time());
  ToProto(email_token.expire_time, proto.mutable_expire_time());
  if (email_token.revoke_time) ToProto(*email_token.revoke_time, proto.mutable_revoke_time());
  proto.set_party(email_token.party.Shown());
}

}  // namespace

absl::Status TokenHandlers::GetEmailToken(const rpc::Call& call, const v1::GetEmailTokenRequest& request,
                                          v1::EmailToken& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const EmailTokenName sought = ParseEmailToken(call, request.name(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_ASSIGN_OR_RETURN(const EmailToken email_token,
                          data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return FindEmailToken(tx, call, sought, request.name());
                          }));
  PARLEY_RETURN_IF_ERROR(CheckNotGone(email_token, request.name()));
  Fill(email_token, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::ListEmailTokens(const rpc::Call& call, const v1::ListEmailTokensRequest& request,
                                            v1::ListEmailTokensResponse& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto event_id = rpc::ParseName(request.parent(), "events");
  if (!event_id) fields.Add("parent", "must be events/{event} with the event's id");
  CheckPageSize(request.page_size(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_ASSIGN_OR_RETURN(const Page page, ParsePage(signer_, "ListEmailTokens " + request.parent(),
                                                     request.page_size(), request.page_token()));
  // T4: a guest sees the own one alone, which names itself.
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMember(call), kEventType, request.parent()));

  auto read = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<EmailToken>> {
    PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find({*event_id}));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, *event_id, events.empty() ? nullptr : &events.front()));
    const auto user_id = IsStaff(call) ? std::nullopt : std::optional(call.principal.user_id);
    return EmailTokens(tx).List(*event_id, user_id, page.before, page.limit());
  };
  PARLEY_ASSIGN_OR_RETURN(auto email_tokens, data::Transact(pool_, call.deadline, read));
  response.set_next_page_token(EndPage(signer_, page, email_tokens));
  for (const EmailToken& email_token : email_tokens) Fill(email_token, *response.add_email_tokens());
  return absl::OkStatus();
}

absl::Status TokenHandlers::RevokeEmailToken(const rpc::Call& call, const v1::RevokeEmailTokenRequest& request,
                                             v1::EmailToken& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const EmailTokenName sought = ParseEmailToken(call, request.name(), fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  auto revoke = [&](data::Transaction& tx) -> absl::StatusOr<EmailToken> {
    const auto found = FindEmailToken(tx, call, sought, request.name());
    if (!found.ok() && found.status().code() != absl::StatusCode::kNotFound) return found.status();
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer_, request_id));
    PARLEY_RETURN_IF_ERROR(found.status());
    const EmailToken& email_token = *found;
    // `self` is another token for each guest.
    if (answered && answered->ids.front() != email_token.id) return RequestIdReused(request.request_id());
    if (!answered) {
      PARLEY_RETURN_IF_ERROR(CheckNotGone(email_token, request.name()));
      PARLEY_RETURN_IF_ERROR(EmailTokens(tx).Revoke({email_token.id}));
      PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer_, request_id, {{email_token.id}, 0}));
    }
    return FindEmailToken(tx, call, sought, request.name());
  };
  PARLEY_ASSIGN_OR_RETURN(const EmailToken email_token, data::Transact(pool_, call.deadline, revoke));
  Fill(email_token, response);
  return absl::OkStatus();
}

}  // namespace parley::token
