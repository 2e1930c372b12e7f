#include "services/event/change.h"

#include "common/access/access.h"

namespace parley::event {

absl::StatusOr<data::Event> ChangeEvent(const Context& context, const rpc::Call& call, const Uuid& id,
                                        const Decide& decide) {
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<data::Event> {
    data::Events events(tx);
    PARLEY_ASSIGN_OR_RETURN(const auto locked, events.Lock({id}));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(call, id, locked.empty() ? nullptr : &locked.front()));
    PARLEY_ASSIGN_OR_RETURN(const Outcome outcome, decide(locked.front(), tx.now()));
    PARLEY_RETURN_IF_ERROR(events.Save(outcome.event));
    PARLEY_RETURN_IF_ERROR(data::LogEntries(tx).Append({outcome.entry}));
    return outcome.event;
  });
}

}  // namespace parley::event
