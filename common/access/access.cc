#include "common/access/access.h"

#include "common/status/status.h"

namespace parley {
namespace {

bool MaySee(const rpc::Call& call, const Uuid& id, const data::Event* event) {
  const rpc::Principal& principal = call.principal;
  // An e-mail token opens its one event alone, whoever its user is.
  if (principal.guest() && principal.event_id != id) return false;
  if (IsStaff(call)) return true;
  return event != nullptr && event->FindParty(principal.user_id) != nullptr;
}

}  // namespace

absl::Status CheckUser(const rpc::Call& call) {
  switch (call.principal.kind) {
    case rpc::Principal::Kind::kNobody:
      return CredentialMissing();
    case rpc::Principal::Kind::kService:
      return Forbidden("this call is for users");
    case rpc::Principal::Kind::kUser:
      return absl::OkStatus();
  }
  return CredentialMissing();
}

absl::Status CheckMember(const rpc::Call& call) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  if (call.principal.guest()) return Forbidden("an e-mail token opens its one event alone");
  return absl::OkStatus();
}

bool IsStaff(const rpc::Call& call) { return call.principal.staff && !call.principal.guest(); }

absl::Status CheckLogAccess(const rpc::Call& call, const Uuid& id, const data::Event* event) {
  const std::string name = "events/" + id.ToString();
  if (!MaySee(call, id, event)) return Hidden(kEventType, name);
  const bool gone = event == nullptr || (event->delete_time && call.principal.guest());
  return gone ? NotFound(kEventType, name) : absl::OkStatus();
}

absl::Status CheckNotDeleted(const data::Event& event) {
  return event.delete_time ? NotFound(kEventType, event.name()) : absl::OkStatus();
}

absl::Status CheckEventAccess(const rpc::Call& call, const Uuid& id, const data::Event* event) {
  PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, id, event));
  return CheckNotDeleted(*event);
}

data::Effector EffectorOf(const rpc::Principal& principal) {
  data::Effector effector;
  effector.user_id = principal.user_id;
  if (principal.guest()) effector.email_token_id = principal.credential_id;
  effector.acted_by_id = principal.acting_id;
  return effector;
}

}  // namespace parley
