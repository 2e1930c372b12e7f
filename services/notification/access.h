// Who may notify the parties of an event and read its notifications: the table at the end of domain.md, and the order
// in which a caller learns of it.
#pragma once

#include "common/data/events.h"
#include "common/rpc/call.h"

namespace parley::notification {

// UNAUTHENTICATED for nobody, PERMISSION_DENIED for what is not a user.
absl::Status CheckUser(const rpc::Call& call);
// Whether the user may do it for the event `id`, which is null where it does not exist. PERMISSION_DENIED to those who
// may not, whether or not it exists; NOT_FOUND where it is deleted, or absent and the caller staff.
absl::Status CheckAccess(const rpc::Call& call, const Uuid& id, const data::Event* event);

}  // namespace parley::notification
