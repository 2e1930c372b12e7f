// The rules of negotiation (domain.md, E1 to E10 and A1 to A4) as pure functions: an event as it stands, what is asked,
// by whom and when, to the event as it then stands and the entry for its log, or an error. No database, no gRPC.
//
// Order of checks: state, etag, then what depends on the present slots.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/data/users.h"
#include "common/status/status.h"

namespace parley::event {

// Slots as a request gave them.
struct GivenSlots {
  std::vector<Slot> slots;         // a set
  std::vector<std::string> paths;  // where in the request each of them stands, for errors: `event.slots[2]`
};

struct CreateCommand {
  std::string title;
  std::vector<Address> parties;  // without repeats
  GivenSlots given;
  data::Event::Quorum quorum = v1::AgreementPolicy::ALL;
  data::Event::ConfirmedBy confirmed_by = v1::AgreementPolicy::UPDATE;
  std::string time_zone;
};

struct UpdateCommand {
  std::string etag;
  std::optional<std::string> title;
  std::optional<GivenSlots> given;
  std::optional<std::string> time_zone;
};

// What a call does to an event.
struct Outcome {
  data::Event event;
  data::LogEntry entry;
};

// The parties of the event to be: those named, and the creator where it is a member (E2). INVALID_ARGUMENT where they
// are none or more than `max_parties`, or where slots have ended (E6).
absl::StatusOr<std::vector<Address>> PartiesToBe(const CreateCommand& command, const data::User& creator,
                                                 int max_parties, absl::Time now);
// `parties` are those of PartiesToBe, with their ids. Creating affirms for a creator who is a party, and closes
// nothing.
Outcome Create(const CreateCommand& command, std::vector<data::Party> parties, const data::User& creator,
               const data::Effector& caller, const Uuid& id, absl::Time now);

absl::StatusOr<Outcome> Update(const data::Event& event, const UpdateCommand& command, const data::Effector& caller,
                               absl::Time now);
absl::StatusOr<Outcome> Confirm(const data::Event& event, const std::string& etag, const data::Effector& caller,
                                absl::Time now);
absl::StatusOr<Outcome> Delete(const data::Event& event, const std::string& etag, const data::Effector& caller,
                               absl::Time now);

// Whether a view by this caller would confirm the slots (A2).
bool ViewConfirms(const data::Event& event, const data::Effector& caller);
Outcome View(const data::Event& event, const data::Effector& caller, absl::Time now);

}  // namespace parley::event
