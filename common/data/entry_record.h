// The bytes of a log entry that its hash covers (domain rule L5), as proto/README.md lays them out, and the commitments
// by which entries name people: no address stands on the log. Pure. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/address/address.h"
#include "common/data/log_entries.h"

namespace parley::data {

// The record of an entry, from its `data_bytes`, behind the entry with this hash. The entry's own hash is
// tlog::LeafHash of it.
std::string RecordOf(const LogEntry& entry, std::string_view previous_hash);

// 128 random bits, for one user on one log.
std::string MakeSalt();
inline constexpr size_t kSaltSize = 16;

// SHA-256, which says nothing of the address without the salt, and fits no other address with it.
std::string Commitment(std::string_view salt, const Address& address);

// A user in LogEntry::named: the id, then the commitment to the address; 48 bytes.
std::string Named(const Uuid& user_id, std::string_view salt, const Address& address);
inline constexpr size_t kNamedSize = 48;

}  // namespace parley::data
