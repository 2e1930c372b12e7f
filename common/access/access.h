// Who may see an event, and the order in which a caller learns of it: the table in proto/README.md, as far as the
// event service and the notification service share it. Thread-safe.
#pragma once

#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/rpc/call.h"

namespace parley {

// UNAUTHENTICATED for nobody, PERMISSION_DENIED for what is not a user.
absl::Status CheckUser(const rpc::Call& call);
// As CheckUser, and not a guest: PERMISSION_DENIED.
absl::Status CheckMember(const rpc::Call& call);

// Whether the caller has the rights of staff, which no guest has, whoever its user is.
bool IsStaff(const rpc::Call& call);

// Whether the user may see and change the event `id`, which is null where it does not exist, or may see what is left of
// it after its deletion. PERMISSION_DENIED to those who may not see it, exists or not; NOT_FOUND to staff where it does
// not exist, to guests where it is deleted.
absl::Status CheckLogAccess(const rpc::Call& call, const Uuid& id, const data::Event* event);
// NOT_FOUND where it is deleted. Asked last of those who may: a call that was answered before is answered again.
absl::Status CheckNotDeleted(const data::Event& event);
// Both.
absl::Status CheckEventAccess(const rpc::Call& call, const Uuid& id, const data::Event* event);

// The caller, as the log names him.
data::Effector EffectorOf(const rpc::Principal& principal);

}  // namespace parley
