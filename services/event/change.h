// The one way in which a call changes an event: lock, may the caller, decide, save, append to the log, commit.
#pragma once

#include <functional>

#include "common/rpc/call.h"
#include "services/event/event_server.h"
#include "services/event/rules.h"

namespace parley::event {

// A rule, given the event as it stands and the database's time. Runs again where the transaction does.
using Decide = std::function<absl::StatusOr<Outcome>(const data::Event&, absl::Time)>;

// The event as it stands after the call. Errors: those of CheckEventAccess, of `decide` and of data::Transact.
absl::StatusOr<data::Event> ChangeEvent(const Context& context, const rpc::Call& call, const Uuid& id,
                                        const Decide& decide);

}  // namespace parley::event
