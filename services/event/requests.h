// What the requests of EventService say, checked as far as no database is needed: INVALID_ARGUMENT names all bad
// fields.
#pragma once

#include <string>

#include "common/rpc/request_id.h"
#include "parley/event/v1/event_service.pb.h"
#include "services/event/rules.h"

namespace parley::event {

struct Limits {
  int max_parties = 100;
  int max_slots = 30;
};

// Which event a call is to change, and its request_id.
struct Target {
  Uuid id;
  std::optional<rpc::RequestId> request_id;
};

struct ParsedCreate {
  CreateCommand command;  // without a title where the request has none
  std::optional<rpc::RequestId> request_id;
};
absl::StatusOr<ParsedCreate> ParseCreate(const rpc::Call& call, const v1::CreateEventRequest& request,
                                         const Limits& limits);

struct ParsedUpdate {
  Target target;
  UpdateCommand command;
};
absl::StatusOr<ParsedUpdate> ParseUpdate(const rpc::Call& call, const v1::UpdateEventRequest& request,
                                         const Limits& limits);

struct ParsedReopen {
  Target target;
  ReopenCommand command;
};
absl::StatusOr<ParsedReopen> ParseReopen(const rpc::Call& call, const v1::ReopenEventRequest& request,
                                         const Limits& limits);

// Of a request that has a name, an etag and a request_id, and nothing else.
absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const v1::ConfirmEventRequest& request);
absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const v1::DeleteEventRequest& request);

struct ParsedList {
  std::optional<Address> party;
  data::EventQuery query;  // without parties
};
absl::StatusOr<ParsedList> ParseList(const v1::ListEventsRequest& request);

// The id of the event.
absl::StatusOr<Uuid> ParseGet(const v1::GetEventRequest& request);

}  // namespace parley::event
