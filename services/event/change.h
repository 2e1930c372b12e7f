// The one way in which calls change an event that is there, but for what makes another of it (ReopenEvent): lock, may
// the caller, decide, append to the log, save, commit; the calls of a batch together.
#pragma once

#include <functional>
#include <vector>

#include "common/rpc/call.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"
#include "services/event/requests.h"
#include "services/event/rules.h"

namespace parley::event {

// A rule, given the event as it stands and the database's time. Runs again where the transaction does.
using Decide = std::function<absl::StatusOr<Outcome>(const data::Event&, absl::Time)>;

// Whether the caller, who may see the event, may also do this to it.
using Permit = std::function<absl::Status(const data::Event&)>;

// For calls that whoever may see the event may make.
inline absl::Status Anybody(const data::Event&) { return absl::OkStatus(); }

// What one call of a batch does.
struct Change {
  const rpc::Call& call;
  Target target;
  Decide decide;
  Permit permit = Anybody;
  // The event as it stands after the call, also where that was made before. Errors: those of CheckEventAccess, of
  // `permit`, of rpc::FindAnswered and of `decide`; they keep nothing else of the batch from being done.
  absl::StatusOr<data::Event> result = absl::UnknownError("not decided yet");
};

// Gives each change its result. Errors are those of data::Transact: nothing of the batch was done.
absl::Status ChangeEvents(const Context& context, std::vector<Change>& changes, absl::Time deadline, data::Turn& turn);

// A batch of a method: `parse` makes a Change of an item, or says why it is none.
template <class Item, class Parse>
absl::Status ChangeEach(const Context& context, absl::Span<Item* const> items, data::Turn& turn, const Parse& parse) {
  std::vector<Change> changes;
  std::vector<Item*> parsed;
  for (Item* item : items) {
    absl::StatusOr<Change> change = parse(*item);
    item->status = change.status();
    if (!change.ok()) continue;
    changes.push_back(*std::move(change));
    parsed.push_back(item);
  }
  if (changes.empty()) return absl::OkStatus();
  PARLEY_RETURN_IF_ERROR(ChangeEvents(context, changes, BatchDeadline(items), turn));
  for (size_t i = 0; i < changes.size(); ++i) {
    parsed[i]->status = changes[i].result.status();
    if (changes[i].result.ok()) ToProto(*changes[i].result, parsed[i]->response);
  }
  return absl::OkStatus();
}

// Whether the caller may make events at all (E2, T4, U6): PERMISSION_DENIED.
absl::Status CheckMayCreate(const rpc::Call& call);

// The event that a call made or changed, as it stood when that was done.
absl::StatusOr<data::Event> AnswerAgain(data::Transaction& tx, const data::RequestResult& answered);

}  // namespace parley::event
