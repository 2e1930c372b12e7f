// Events and entries as the contract shows them.
#pragma once

#include <map>

#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "parley/event/v1/event.pb.h"
#include "parley/event/v1/log_entry.pb.h"

namespace parley::event {

void ToProto(const data::Event& event, v1::Event& proto);

// The users that an entry names: to be looked up before ToProto.
std::vector<Uuid> UsersOf(const data::LogEntry& entry);
// `addresses` holds those of UsersOf.
void ToProto(const data::LogEntry& entry, const std::map<Uuid, std::string>& addresses, v1::LogEntry& proto);

}  // namespace parley::event
