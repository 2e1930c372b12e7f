// What the requests of EventService say, checked as far as no database is needed: INVALID_ARGUMENT names all bad
// fields.
#pragma once

#include <string>

#include "parley/event/v1/event_service.pb.h"
#include "services/event/rules.h"

namespace parley::event {

struct Limits {
  int max_parties = 100;
  int max_slots = 30;
};

// Without a title where the request has none.
absl::StatusOr<CreateCommand> ParseCreate(const v1::CreateEventRequest& request, const Limits& limits);

struct ParsedUpdate {
  Uuid id;
  UpdateCommand command;
};
absl::StatusOr<ParsedUpdate> ParseUpdate(const v1::UpdateEventRequest& request, const Limits& limits);

// The id in `events/{event}`, which stands in the request's `field`.
absl::StatusOr<Uuid> ParseEventName(std::string_view name, std::string_view field);
// As ParseEventName of `name`, with an etag that is required.
absl::StatusOr<Uuid> ParseNameAndEtag(std::string_view name, std::string_view etag);

}  // namespace parley::event
