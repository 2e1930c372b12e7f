#include "common/access/access.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"
#include "services/event/replay.h"

namespace parley::event {
namespace {

// The event's id.
absl::StatusOr<Uuid> Check(const Context& context, const GetItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, ParseGet(item.request));
  // Where a batch failed and is run again one by one, this one is counted twice: the limit is no exact one.
  PARLEY_RETURN_IF_ERROR(context.views.Take(item.call.principal.user_id.ToBytes() + id.ToBytes()));
  return id;
}

absl::StatusOr<Change> ParseItem(const Context& context, const GetItem& item) {
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, Check(context, item));
  auto view = [&item](const data::Event& event, absl::Time now) {
    return View(event, EffectorOf(item.call.principal), now);
  };
  return Change{item.call, {id, std::nullopt}, view};
}

// E11: of the log, not of the event, so it is no view.
absl::Status ReadRevision(const Context& context, GetItem& item) {
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, Check(context, item));
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<data::Event> {
    PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({id}));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(item.call, id, found.empty() ? nullptr : &found.front()));
    return ReadBackRevision(tx, found.front(), item.request.revision());
  };
  PARLEY_ASSIGN_OR_RETURN(const data::Event event, data::Transact(context.pool, item.call.deadline, read));
  ToProto(event, item.response);
  return absl::OkStatus();
}

}  // namespace

absl::Status GetEvents(const Context& context, absl::Span<GetItem* const> items, data::Turn& turn) {
  std::vector<GetItem*> views;
  for (GetItem* item : items) {
    if (item->request.revision() <= 0) views.push_back(item);
  }
  PARLEY_RETURN_IF_ERROR(ChangeEach(context, absl::MakeConstSpan(views), turn,
                                    [&](const GetItem& item) { return ParseItem(context, item); }));
  turn.Pass();
  for (GetItem* item : items) {
    if (item->request.revision() > 0) item->status = ReadRevision(context, *item);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
