// The one way in which a call changes an event: lock, may the caller, decide, save, append to the log, commit.
#pragma once

#include <functional>

#include "common/rpc/call.h"
#include "services/event/event_server.h"
#include "services/event/requests.h"
#include "services/event/rules.h"

namespace parley::event {

// A rule, given the event as it stands and the database's time. Runs again where the transaction does.
using Decide = std::function<absl::StatusOr<Outcome>(const data::Event&, absl::Time)>;

// Whether the caller, who may see the event, may also do this to it.
using Permit = std::function<absl::Status(const data::Event&)>;

// The event as it stands after the call, also where that was made before. Errors: those of CheckEventAccess, of
// `permit`, of rpc::FindAnswered, of `decide` and of data::Transact.
absl::StatusOr<data::Event> ChangeEvent(const Context& context, const rpc::Call& call, const Target& target,
                                        const Permit& permit, const Decide& decide);

// For calls that whoever may see the event may make.
inline absl::Status Anybody(const data::Event&) { return absl::OkStatus(); }

// Whether the caller may make events at all (E2, T4, U6): PERMISSION_DENIED.
absl::Status CheckMayCreate(const rpc::Call& call);

// The event that a call made or changed, as it stood when that was done.
absl::StatusOr<data::Event> AnswerAgain(data::Transaction& tx, const data::RequestResult& answered);

}  // namespace parley::event
