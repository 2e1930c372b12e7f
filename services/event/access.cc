#include "services/event/access.h"

#include "common/status/status.h"

namespace parley::event {
namespace {

bool MaySee(const rpc::Principal& principal, const data::Event* event) {
  if (principal.staff) return true;
  if (event == nullptr) return false;
  if (principal.guest() && principal.event_id != event->id) return false;
  return event->FindParty(principal.user_id) != nullptr;
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

absl::Status CheckLogAccess(const rpc::Call& call, const std::string& name, const data::Event* event) {
  if (!MaySee(call.principal, event)) return Hidden(kEventType, name);
  const bool gone = event == nullptr || (event->delete_time && call.principal.guest());
  return gone ? NotFound(kEventType, name) : absl::OkStatus();
}

absl::Status CheckAccess(const rpc::Call& call, const std::string& name, const data::Event* event) {
  PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, name, event));
  return event->delete_time ? NotFound(kEventType, name) : absl::OkStatus();
}

Caller CallerOf(const rpc::Call& call) {
  Caller caller;
  caller.user_id = call.principal.user_id;
  caller.staff = call.principal.staff;
  if (call.principal.guest()) caller.email_token_id = call.principal.credential_id;
  caller.acted_by_id = call.principal.acting_id;
  return caller;
}

}  // namespace parley::event
