#include "services/notification/webhooks/event_client.h"

#include "common/rpc/grpc_status.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;

constexpr char kSelf[] = "notification";
constexpr char kEventService[] = "the event service";
constexpr char kWatchEvent[] = "/parley.event.v1.EventService/WatchEvent";

}  // namespace

absl::StatusOr<WatchedEntry> EventClient::Find(const Uuid& event_id, int64_t sequence, const std::string& call_id,
                                               absl::Time deadline, const std::stop_token& stop) {
  grpc::ClientContext context;
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  rpc::SignAsService(context, signer_, kSelf, kWatchEvent, call_id, deadline);
  WatchEventRequest request;
  request.set_name("events/" + event_id.ToString());
  request.set_after_sequence(sequence - 1);
  const auto reader = stub_->WatchEvent(&context, request);
  WatchEventResponse response;
  bool found = false;
  while (!found && reader->Read(&response)) found = response.has_log_entry();
  // One that has ended by itself says why.
  if (found) context.TryCancel();
  const grpc::Status status = reader->Finish();
  // A call that goes on when the service ends may be CANCELLED.
  const bool ended = status.ok() || (status.error_code() == grpc::StatusCode::CANCELLED && !stop.stop_requested());
  if (!found) return ended ? Unavailable(kEventService) : rpc::FromGrpc(status, kEventService);
  if (response.log_entry().sequence() != sequence) return Internal("the event service tells of another entry");
  return WatchedEntry{std::move(*response.mutable_log_entry()), std::move(*response.mutable_event())};
}

}  // namespace parley::notification
