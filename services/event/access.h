// Who may do what with events: the table at the end of domain.md, and the order in which a caller learns of it.
#pragma once

#include <string>

#include "common/data/events.h"
#include "common/rpc/call.h"
#include "services/event/rules.h"

namespace parley::event {

inline constexpr char kEventType[] = "parley.event.v1.Event";

// UNAUTHENTICATED for nobody, PERMISSION_DENIED for what is not a user.
absl::Status CheckUser(const rpc::Call& call);
// As CheckUser, and not a guest: PERMISSION_DENIED.
absl::Status CheckMember(const rpc::Call& call);

// Whether the user may see and change the event `name`. `event` is null where it does not exist. PERMISSION_DENIED to
// those who may not see it, exists or not; NOT_FOUND where it is deleted, or absent and the caller staff.
absl::Status CheckAccess(const rpc::Call& call, const std::string& name, const data::Event* event);
// As CheckAccess, but staff and parties with a key may see what is left of a deleted event.
absl::Status CheckLogAccess(const rpc::Call& call, const std::string& name, const data::Event* event);

Caller CallerOf(const rpc::Call& call);

}  // namespace parley::event
