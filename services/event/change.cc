#include "services/event/change.h"

#include "common/access/access.h"
#include "services/event/replay.h"

namespace parley::event {

absl::Status CheckMayCreate(const rpc::Call& call) {
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  return call.principal.active ? absl::OkStatus() : Forbidden("only registered users create events");
}

absl::StatusOr<data::Event> AnswerAgain(data::Transaction& tx, const data::RequestResult& answered) {
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(answered.ids));
  if (events.empty()) return Internal("a call is remembered whose event does not exist");
  return ReadBackEntry(tx, events.front(), answered.sequence);
}

absl::StatusOr<data::Event> ChangeEvent(const Context& context, const rpc::Call& call, const Target& target,
                                        const Permit& permit, const Decide& decide) {
  auto change = [&](data::Transaction& tx) -> absl::StatusOr<data::Event> {
    data::Events events(tx);
    PARLEY_ASSIGN_OR_RETURN(const auto locked, events.Lock({target.id}));
    absl::Status may = CheckLogAccess(call, target.id, locked.empty() ? nullptr : &locked.front());
    if (may.ok()) may = permit(locked.front());
    // To staff, whether it exists is told later.
    if (!may.ok() && !(IsStaff(call) && may.code() == absl::StatusCode::kNotFound)) return may;
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, target.request_id));
    if (answered) return AnswerAgain(tx, *answered);
    PARLEY_RETURN_IF_ERROR(may);
    const data::Event& event = locked.front();
    PARLEY_RETURN_IF_ERROR(CheckNotDeleted(event));

    PARLEY_ASSIGN_OR_RETURN(const Outcome outcome, decide(event, tx.now()));
    PARLEY_RETURN_IF_ERROR(events.Save(outcome.event));
    PARLEY_RETURN_IF_ERROR(data::LogEntries(tx).Append({outcome.entry}).status());
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, context.signer, target.request_id, {{event.id}, outcome.entry.sequence}));
    return outcome.event;
  };
  auto changed = data::Transact(context.pool, call.deadline, change);
  if (changed.ok()) context.wrote(target.id);
  return changed;
}

}  // namespace parley::event
