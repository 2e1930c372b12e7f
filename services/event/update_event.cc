// The calls that change an event: UpdateEvent, ConfirmEvent, DeleteEvent.
#include "common/access/access.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {

absl::Status UpdateEvent(const Context& context, const rpc::Call& call, const v1::UpdateEventRequest& request,
                         v1::Event& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const ParsedUpdate parsed, ParseUpdate(call, request, context.limits));
  auto update = [&](const data::Event& event, absl::Time now) {
    return Update(event, parsed.command, EffectorOf(call.principal), now);
  };
  PARLEY_ASSIGN_OR_RETURN(const data::Event event, ChangeEvent(context, call, parsed.target, Anybody, update));
  ToProto(event, response);
  return absl::OkStatus();
}

absl::Status ConfirmEvent(const Context& context, const rpc::Call& call, const v1::ConfirmEventRequest& request,
                          v1::Event& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  auto permit = [&](const data::Event& event) { return CheckMayConfirm(event, EffectorOf(call.principal)); };
  auto confirm = [&](const data::Event& event, absl::Time now) {
    return Confirm(event, request.etag(), EffectorOf(call.principal), now);
  };
  PARLEY_ASSIGN_OR_RETURN(const data::Event event, ChangeEvent(context, call, target, permit, confirm));
  ToProto(event, response);
  return absl::OkStatus();
}

absl::Status DeleteEvent(const Context& context, const rpc::Call& call, const v1::DeleteEventRequest& request,
                         google::protobuf::Empty&) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  if (!IsStaff(call)) return Hidden(kEventType, request.name());
  auto remove = [&](const data::Event& event, absl::Time now) {
    return Delete(event, request.etag(), EffectorOf(call.principal), now);
  };
  return ChangeEvent(context, call, target, Anybody, remove).status();
}

}  // namespace parley::event
