#include "services/notification/webhooks/event_client.h"

#include "common/rpc/grpc_status.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using event::v1::LogEntry;
using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;
using event::v1::WatchEventsRequest;
using event::v1::WatchEventsResponse;

constexpr char kSelf[] = "notification";
constexpr char kEventService[] = "the event service";
constexpr char kWatchEvent[] = "/parley.event.v1.EventService/WatchEvent";
constexpr char kWatchEvents[] = "/parley.event.v1.EventService/WatchEvents";

// Reads a stream until `take` has enough of it. OK where it has; else why the stream ended before.
template <class Reader, class Response, class Take>
absl::Status ReadUntil(grpc::ClientContext& context, Reader& reader, Response& response, Take take) {
  bool enough = false;
  while (!enough && reader.Read(&response)) enough = take(response);
  // One that has ended by itself says why.
  if (enough) context.TryCancel();
  const grpc::Status status = reader.Finish();
  if (enough) return absl::OkStatus();
  return status.ok() ? Unavailable(kEventService) : rpc::FromGrpc(status, kEventService);
}

}  // namespace

absl::StatusOr<std::string> EventClient::CurrentCursor(const std::string& call_id, absl::Time deadline) {
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kWatchEvents, call_id, deadline);
  WatchEventsRequest request;
  request.set_only_new(true);
  const auto reader = stub_->WatchEvents(&context, request);
  WatchEventsResponse response;
  PARLEY_RETURN_IF_ERROR(ReadUntil(context, *reader, response, [](const WatchEventsResponse&) { return true; }));
  return response.cursor();
}

absl::StatusOr<LogPart> EventClient::Read(const std::string& cursor, int max, const std::string& call_id,
                                          absl::Time deadline) {
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kWatchEvents, call_id, deadline);
  WatchEventsRequest request;
  request.set_cursor(cursor);
  // A VIEW confirms, and thereby closes an event, where the event's policy says so.
  request.add_occurrences(LogEntry::UPDATE);
  request.add_occurrences(LogEntry::VIEW);
  const auto reader = stub_->WatchEvents(&context, request);
  LogPart part;
  part.cursor = cursor;
  bool bad = false;
  const auto take = [&](WatchEventsResponse& message) {
    part.cursor = message.cursor();
    part.more = message.has_log_entry();
    if (!message.has_log_entry()) return true;
    const auto event_id = rpc::ParseName(message.event().name(), "events");
    bad = !event_id;
    if (bad) return true;
    part.entries.push_back(
        {*event_id, std::move(*message.mutable_log_entry()), std::move(*message.mutable_event()), message.cursor()});
    return static_cast<int>(part.entries.size()) >= max;
  };
  WatchEventsResponse response;
  const absl::Status status = ReadUntil(context, *reader, response, take);
  if (bad) return Internal("the event service tells of an event without a name");
  // What was read until then has been read.
  if (status.code() == absl::StatusCode::kDeadlineExceeded && !part.entries.empty()) return part;
  PARLEY_RETURN_IF_ERROR(status);
  return part;
}

absl::StatusOr<WatchedEntry> EventClient::Find(const Uuid& event_id, int64_t sequence, const std::string& call_id,
                                               absl::Time deadline) {
  grpc::ClientContext context;
  rpc::SignAsService(context, signer_, kSelf, kWatchEvent, call_id, deadline);
  WatchEventRequest request;
  request.set_name("events/" + event_id.ToString());
  request.set_after_sequence(sequence - 1);
  const auto reader = stub_->WatchEvent(&context, request);
  WatchEventResponse response;
  PARLEY_RETURN_IF_ERROR(
      ReadUntil(context, *reader, response, [](const WatchEventResponse& message) { return message.has_log_entry(); }));
  if (response.log_entry().sequence() != sequence) return Internal("the event service tells of another entry");
  return WatchedEntry{event_id, std::move(*response.mutable_log_entry()), std::move(*response.mutable_event()), ""};
}

}  // namespace parley::notification
