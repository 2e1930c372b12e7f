#include "services/notification/access.h"

#include "common/status/status.h"

namespace parley::notification {
namespace {

constexpr char kEventType[] = "parley.event.v1.Event";

bool MaySee(const rpc::Principal& principal, const Uuid& id, const data::Event* event) {
  // An e-mail token opens its one event alone, whoever its user is.
  if (principal.guest() && principal.event_id != id) return false;
  if (principal.staff && !principal.guest()) return true;
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

absl::Status CheckAccess(const rpc::Call& call, const Uuid& id, const data::Event* event) {
  const std::string name = "events/" + id.ToString();
  if (!MaySee(call.principal, id, event)) return Hidden(kEventType, name);
  if (event == nullptr || event->delete_time) return NotFound(kEventType, name);
  return absl::OkStatus();
}

}  // namespace parley::notification
