#include "common/data/entry_record.h"

#include <openssl/rand.h>

#include <array>
#include <cstdlib>

#include "common/data/key.h"

namespace parley::data {
namespace {

constexpr uint8_t kVersion = 1;

// Big-endian.
template <class Number>
void Put(std::string& out, Number value) {
  for (int shift = 8 * (static_cast<int>(sizeof(Number)) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
}

void Put(std::string& out, const Uuid& id) { out.append(reinterpret_cast<const char*>(id.bytes.data()), 16); }

void Put(std::string& out, absl::Time time) { Put(out, static_cast<int64_t>(absl::ToUnixMicros(time))); }

}  // namespace

std::string RecordOf(const LogEntry& entry, std::string_view previous_hash) {
  std::string record;
  record.reserve(128 + 16 * entry.slots.size() + entry.data_bytes.size() + entry.named.size());
  Put(record, kVersion);
  Put(record, entry.event_id);
  Put(record, entry.sequence);
  Put(record, entry.create_time);
  Put(record, static_cast<uint8_t>(entry.occurrence));
  Put(record, entry.effector_id);
  Put(record, entry.revision);
  Put(record, static_cast<uint32_t>(entry.slots.size()));
  for (const Slot& slot : entry.slots) {
    Put(record, slot.start);
    Put(record, slot.end());
  }
  Put(record, static_cast<uint32_t>(entry.data_bytes.size()));
  record += entry.data_bytes;
  Put(record, static_cast<uint32_t>(entry.named.size() / kNamedSize));
  record += entry.named;
  record += previous_hash;
  return record;
}

std::string MakeSalt() {
  std::array<unsigned char, kSaltSize> random;
  // Without randomness an address could be guessed: there is nothing to go on with.
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) std::abort();
  return {reinterpret_cast<const char*>(random.data()), random.size()};
}

std::string Commitment(std::string_view salt, const Address& address) {
  return HashKey(std::string(salt) + address.ToString());
}

std::string Named(const Uuid& user_id, std::string_view salt, const Address& address) {
  return user_id.ToBytes() + Commitment(salt, address);
}

}  // namespace parley::data
