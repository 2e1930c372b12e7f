// The rules of negotiation (proto/README.md, E1 to E10 and A1 to A5) as pure functions: an event as it stands, what is
// asked, by whom and when, to the event as it then stands and the entry for its log, or an error. No database, no gRPC.
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
  std::vector<Address> parties;                // without repeats
  std::string parties_path = "event.parties";  // where in the request they stand, for errors
  GivenSlots given;
  std::vector<Slot> present;  // those that were there already (E6): the predecessor's
  data::Event::Quorum quorum = v1::AgreementPolicy::ALL;
  data::Event::ConfirmedBy confirmed_by = v1::AgreementPolicy::UPDATE;
  std::string time_zone;
  std::optional<Uuid> predecessor_id;
};

struct UpdateCommand {
  std::string etag;
  std::optional<std::string> title;
  std::optional<GivenSlots> given;
  std::optional<std::string> time_zone;
};

// What is not given is the old event's.
struct ReopenCommand {
  std::string etag;
  std::vector<Address> parties;  // without repeats
  std::optional<GivenSlots> given;
};

// What a call does to an event.
struct Outcome {
  data::Event event;
  data::LogEntry entry;
};

// E6: a slot that is added must end in the future.
void CheckAdded(const GivenSlots& given, const std::vector<Slot>& present, absl::Time now, FieldViolations& fields);

// The parties of the event to be: those named, and the creator where it is a member (E2). INVALID_ARGUMENT where they
// are none or more than `max_parties`, or where slots have ended (E6).
absl::StatusOr<std::vector<Address>> PartiesToBe(const CreateCommand& command, const data::User& creator,
                                                 int max_parties, absl::Time now);
// `parties` are those of PartiesToBe, with their ids and salts. Creating affirms for a creator who is a party, and
// closes nothing.
Outcome Create(const CreateCommand& command, std::vector<data::Party> parties, const data::User& creator,
               const data::Effector& caller, const Uuid& id, absl::Time now);

absl::StatusOr<Outcome> Update(const data::Event& event, const UpdateCommand& command, const data::Effector& caller,
                               absl::Time now);
// A1: PERMISSION_DENIED for who is not a party.
absl::Status CheckMayConfirm(const data::Event& event, const data::Effector& caller);
absl::StatusOr<Outcome> Confirm(const data::Event& event, const std::string& etag, const data::Effector& caller,
                                absl::Time now);
// A7: the log tells that this user, whom it names, was erased. In any state; a party no longer counts.
Outcome Erase(const data::Event& event, const Uuid& erased, const data::Effector& caller, absl::Time now);

absl::StatusOr<Outcome> Delete(const data::Event& event, const std::string& etag, const data::Effector& caller,
                               absl::Time now);

// A5: what Create is to make of an old event. EVENT_REOPENED, ETAG_MISMATCH.
absl::StatusOr<CreateCommand> Succession(const data::Event& old, const ReopenCommand& command);
// What becomes of the old event once `successor` is made of it.
Outcome Succeeded(const data::Event& old, const data::Event& successor, const data::Effector& caller, absl::Time now);

// A7: the party, where it is one, counts no longer, and its confirmation is gone.
void SetErased(data::Event& event, const Uuid& user_id);

// A party affirms the present slots: A1, then A3. Says whether that closed the event.
bool Affirm(data::Event& event, const Uuid& party);

// Whether a view by this caller would confirm the slots (A2).
bool ViewConfirms(const data::Event& event, const data::Effector& caller);
Outcome View(const data::Event& event, const data::Effector& caller, absl::Time now);

}  // namespace parley::event
