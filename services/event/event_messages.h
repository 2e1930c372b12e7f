// Events and entries as the contract shows them.
#pragma once

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "google/protobuf/empty.pb.h"
#include "parley/event/v1/event.pb.h"
#include "parley/event/v1/log_entry.pb.h"

namespace parley::event {

void ToProto(const data::Event& event, v1::Event& proto);
// Of one that is deleted nothing is shown.
inline void ToProto(const data::Event&, google::protobuf::Empty&) {}

// The users that an entry names.
std::vector<Uuid> UsersOf(const data::LogEntry& entry);

// How the logs of events show the users that they name: by event and user.
using Addresses = absl::flat_hash_map<std::pair<Uuid, Uuid>, std::string>;

// Of all whom the entries of the logs name. `events` holds those of the entries.
absl::StatusOr<Addresses> AddressesOf(data::Transaction& tx, const std::vector<data::Event>& events,
                                      absl::Span<const std::vector<data::LogEntry>> logs);

void ToProto(const data::LogEntry& entry, const Addresses& addresses, v1::LogEntry& proto);

}  // namespace parley::event
