// The calls that change an event: UpdateEvent, ConfirmEvent, DeleteEvent.
#include "common/access/access.h"
#include "services/event/change.h"
#include "services/event/event_server.h"

namespace parley::event {
namespace {

absl::StatusOr<Change> ParseItem(const Context& context, const UpdateItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(ParsedUpdate parsed, ParseUpdate(item.call, item.request, context.limits));
  auto update = [&call = item.call, command = std::move(parsed.command)](const data::Event& event, absl::Time now) {
    return Update(event, command, EffectorOf(call.principal), now);
  };
  return Change{item.call, std::move(parsed.target), std::move(update)};
}

absl::StatusOr<Change> ParseItem(const ConfirmItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(Target target, ParseTarget(item.call, item.request));
  auto permit = [&item](const data::Event& event) { return CheckMayConfirm(event, EffectorOf(item.call.principal)); };
  auto confirm = [&item](const data::Event& event, absl::Time now) {
    return Confirm(event, item.request.etag(), EffectorOf(item.call.principal), now);
  };
  return Change{item.call, std::move(target), confirm, permit};
}

absl::StatusOr<Change> ParseItem(const DeleteItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(Target target, ParseTarget(item.call, item.request));
  if (!IsStaff(item.call)) return Hidden(kEventType, item.request.name());
  auto remove = [&item](const data::Event& event, absl::Time now) {
    return Delete(event, item.request.etag(), EffectorOf(item.call.principal), now);
  };
  return Change{item.call, std::move(target), remove};
}

}  // namespace

absl::Status UpdateEvents(const Context& context, absl::Span<UpdateItem* const> items, data::Turn& turn) {
  return ChangeEach(context, items, turn, [&](const UpdateItem& item) { return ParseItem(context, item); });
}

absl::Status ConfirmEvents(const Context& context, absl::Span<ConfirmItem* const> items, data::Turn& turn) {
  return ChangeEach(context, items, turn, [](const ConfirmItem& item) { return ParseItem(item); });
}

absl::Status DeleteEvents(const Context& context, absl::Span<DeleteItem* const> items, data::Turn& turn) {
  return ChangeEach(context, items, turn, [](const DeleteItem& item) { return ParseItem(item); });
}

}  // namespace parley::event
