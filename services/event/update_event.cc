// The calls that change an event: UpdateEvent, ConfirmEvent, DeleteEvent.
#include "services/event/access.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {

absl::Status UpdateEvent(const Context& context, const rpc::Call& call, const v1::UpdateEventRequest& request,
                         v1::Event& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const ParsedUpdate parsed, ParseUpdate(request, context.limits));
  PARLEY_ASSIGN_OR_RETURN(
      const data::Event event,
      ChangeEvent(context, call, request.event().name(), parsed.id, [&](const data::Event& before, absl::Time now) {
        return Update(before, parsed.command, CallerOf(call), now);
      }));
  ToProto(event, response);
  return absl::OkStatus();
}

absl::Status ConfirmEvent(const Context& context, const rpc::Call& call, const v1::ConfirmEventRequest& request,
                          v1::Event& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, ParseNameAndEtag(request.name(), request.etag()));
  PARLEY_ASSIGN_OR_RETURN(
      const data::Event event,
      ChangeEvent(context, call, request.name(), id, [&](const data::Event& before, absl::Time now) {
        return Confirm(before, request.etag(), CallerOf(call), now);
      }));
  ToProto(event, response);
  return absl::OkStatus();
}

absl::Status DeleteEvent(const Context& context, const rpc::Call& call, const v1::DeleteEventRequest& request,
                         google::protobuf::Empty&) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, ParseNameAndEtag(request.name(), request.etag()));
  if (!call.principal.staff) return Hidden(kEventType, request.name());
  return ChangeEvent(context, call, request.name(), id,
                     [&](const data::Event& before, absl::Time now) {
                       return Delete(before, request.etag(), CallerOf(call), now);
                     })
      .status();
}

}  // namespace parley::event
