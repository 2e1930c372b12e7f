// The event service, as far as webhooks need it: an entry of the log as it is told. Thread-safe.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "common/rpc/channel.h"
#include "common/rpc/principal.h"
#include "parley/event/v1/event_service.grpc.pb.h"

namespace parley::notification {

struct WatchedEntry {
  event::v1::LogEntry log_entry;
  event::v1::Event event;  // as it stood after the entry
};

class EventClient {
 public:
  // The signer must outlive it.
  EventClient(const rpc::Signer& signer, const std::string& address)
      : signer_(signer), stub_(event::v1::EventService::NewStub(rpc::MakeChannel(address))) {}

  // One entry, and the event as it stood after it. Errors: NOT_FOUND; UNAVAILABLE, DEADLINE_EXCEEDED,
  // RESOURCE_EXHAUSTED where the event service cannot answer now; CANCELLED once `stop` is asked for; what else it
  // answers, INTERNAL where that cannot be read.
  absl::StatusOr<WatchedEntry> Find(const Uuid& event_id, int64_t sequence, const std::string& call_id,
                                    absl::Time deadline, const std::stop_token& stop);

 private:
  const rpc::Signer& signer_;
  const std::unique_ptr<event::v1::EventService::StubInterface> stub_;
};

}  // namespace parley::notification
