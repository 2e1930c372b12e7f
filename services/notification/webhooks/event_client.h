// The event service, as far as webhooks need it: what its log tells of all events, in the order of WatchEvents.
// Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "parley/event/v1/event_service.grpc.pb.h"

namespace parley::notification {

struct WatchedEntry {
  Uuid event_id;
  event::v1::LogEntry log_entry;
  event::v1::Event event;  // as it stood after the entry
  std::string cursor;      // behind the entry
};

struct LogPart {
  std::vector<WatchedEntry> entries;
  std::string cursor;  // behind all that was looked at
  bool more = false;   // whether there was more than could be read
};

// Errors of all: UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED; INTERNAL where what is answered cannot be read.
class EventClient {
 public:
  // The signer must outlive it.
  EventClient(const rpc::Signer& signer, const std::string& address)
      : signer_(signer), stub_(event::v1::EventService::NewStub(rpc::MakeChannel(address))) {}

  // The cursor of now: what is written from now on follows it.
  absl::StatusOr<std::string> CurrentCursor(const std::string& call_id, absl::Time deadline);
  // What follows the cursor (all where it is empty), at most `max` entries; those that do nothing to their event are
  // left out where that is known without looking closer. INVALID_ARGUMENT (INVALID_FIELDS, of the field `cursor`),
  // OUT_OF_RANGE (CURSOR_INVALID).
  absl::StatusOr<LogPart> Read(const std::string& cursor, int max, const std::string& call_id, absl::Time deadline);
  // One entry, and the event as it stood after it. NOT_FOUND.
  absl::StatusOr<WatchedEntry> Find(const Uuid& event_id, int64_t sequence, const std::string& call_id,
                                    absl::Time deadline);

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<event::v1::EventService::StubInterface> stub_;
};

}  // namespace parley::notification
