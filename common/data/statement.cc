#include "common/data/statement.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "absl/strings/numbers.h"

namespace parley::data {
namespace {

// Object ids of PostgreSQL's own types: fixed for ever (src/include/catalog/pg_type.dat).
constexpr uint32_t kBool = 16, kBytea = 17, kInt8 = 20, kText = 25, kTimestamptz = 1184, kUuid = 2950,
                   kTstzrange = 3910;
constexpr uint32_t kBoolArray = 1000, kByteaArray = 1001, kTextArray = 1009, kInt8Array = 1016,
                   kTimestamptzArray = 1185, kUuidArray = 2951, kTstzrangeArray = 3911;

// timestamptz counts microseconds from 2000-01-01.
const absl::Time kEpoch = absl::FromUnixSeconds(946684800);

void Put32(std::string& out, int32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(static_cast<uint32_t>(value) >> shift));
}

void Put64(std::string& out, int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
}

// Reads what PostgreSQL's binary send functions wrote. Walking past the end is a bug of ours, not input.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  int32_t Get32() { return static_cast<int32_t>(Number(4)); }
  int64_t Get64() { return static_cast<int64_t>(Number(8)); }
  std::string_view Get(size_t size) {
    if (size > bytes_.size()) std::abort();
    const auto part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }

 private:
  uint64_t Number(size_t size) {
    uint64_t value = 0;
    for (const char c : Get(size)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string_view bytes_;
};

int64_t MicrosOf(absl::Time time) { return absl::ToInt64Microseconds(time - kEpoch); }
// Its first and last value are -infinity and infinity.
absl::Time TimeOf(int64_t micros) {
  if (micros == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  if (micros == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  return kEpoch + absl::Microseconds(micros);
}

// array_send: dimensions, null flag, element type, then length and lower bound, then each element behind its size.
template <class Values, class Encode>
std::string EncodeArray(uint32_t type, const Values& values, Encode encode) {
  std::string out;
  Put32(out, values.empty() ? 0 : 1);
  Put32(out, 0);
  Put32(out, static_cast<int32_t>(type));
  if (values.empty()) return out;
  Put32(out, static_cast<int32_t>(values.size()));
  Put32(out, 1);
  for (const auto& value : values) {
    const size_t size_at = out.size();
    Put32(out, 0);
    encode(out, value);
    std::string size;
    Put32(size, static_cast<int32_t>(out.size() - size_at - 4));
    out.replace(size_at, 4, size);
  }
  return out;
}

// Nobody of us writes an element that is null, nor arrays in arrays: these are read as an element of no bytes.
template <class Value, class Decode>
std::vector<Value> DecodeArray(std::string_view bytes, Decode decode) {
  std::vector<Value> values;
  Reader reader(bytes);
  const int32_t dimensions = bytes.empty() ? 0 : reader.Get32();
  if (dimensions > 1) values.push_back(decode({}));
  if (dimensions != 1) return values;
  reader.Get(8);
  const int32_t size = reader.Get32();
  reader.Get(4);
  for (int32_t i = 0; i < size; ++i) {
    values.push_back(decode(reader.Get(static_cast<size_t>(std::max(reader.Get32(), 0)))));
  }
  return values;
}

// range_send: flags, then each bound behind its size.
constexpr char kLowerBoundIncluded = 2;

void EncodeSlot(std::string& out, const Slot& slot) {
  out.push_back(kLowerBoundIncluded);
  Put32(out, 8);
  Put64(out, MicrosOf(slot.start));
  Put32(out, 8);
  Put64(out, MicrosOf(slot.end()));
}

// A range without two bounds, or with other ones than [start, end), is none that we have written; as a slot without a
// duration it does no harm.
Slot DecodeSlot(std::string_view bytes) {
  constexpr size_t kBytes = 1 + 2 * (4 + 8);
  if (bytes.size() != kBytes || bytes[0] != kLowerBoundIncluded) return {};
  Reader reader(bytes);
  reader.Get(5);
  const absl::Time start = TimeOf(reader.Get64());
  reader.Get(4);
  return {start, TimeOf(reader.Get64()) - start};
}

void PutBytes(std::string& out, const std::string& value) { out.append(value); }

}  // namespace

Params& Params::Add(const Uuid& value) {
  values_.push_back({kUuid, value.ToBytes()});
  return *this;
}

Params& Params::Add(int64_t value) {
  values_.push_back({kInt8, ""});
  Put64(values_.back().bytes, value);
  return *this;
}

Params& Params::Add(bool value) {
  values_.push_back({kBool, std::string(1, value ? 1 : 0)});
  return *this;
}

Params& Params::Add(absl::Time value) {
  values_.push_back({kTimestamptz, ""});
  Put64(values_.back().bytes, MicrosOf(value));
  return *this;
}

Params& Params::Add(std::string_view text) {
  values_.push_back({kText, std::string(text)});
  return *this;
}

Params& Params::AddBytes(std::string_view bytes) {
  values_.push_back({kBytea, std::string(bytes)});
  return *this;
}

Params& Params::AddUuids(absl::Span<const Uuid> values) {
  auto put = [](std::string& out, const Uuid& id) { out.append(id.ToBytes()); };
  values_.push_back({kUuidArray, EncodeArray(kUuid, values, put)});
  return *this;
}

Params& Params::AddInts(absl::Span<const int64_t> values) {
  values_.push_back({kInt8Array, EncodeArray(kInt8, values, Put64)});
  return *this;
}

Params& Params::AddBools(const std::vector<bool>& values) {
  auto put = [](std::string& out, bool value) { out.push_back(value ? 1 : 0); };
  values_.push_back({kBoolArray, EncodeArray(kBool, values, put)});
  return *this;
}

Params& Params::AddTimes(absl::Span<const absl::Time> values) {
  auto put = [](std::string& out, absl::Time time) { Put64(out, MicrosOf(time)); };
  values_.push_back({kTimestamptzArray, EncodeArray(kTimestamptz, values, put)});
  return *this;
}

Params& Params::AddTexts(absl::Span<const std::string> values) {
  values_.push_back({kTextArray, EncodeArray(kText, values, PutBytes)});
  return *this;
}

Params& Params::AddByteStrings(absl::Span<const std::string> values) {
  values_.push_back({kByteaArray, EncodeArray(kBytea, values, PutBytes)});
  return *this;
}

Params& Params::AddSlots(absl::Span<const Slot> values) {
  values_.push_back({kTstzrangeArray, EncodeArray(kTstzrange, values, EncodeSlot)});
  return *this;
}

Params& Params::AddNull() {
  values_.push_back({0, "", true});
  return *this;
}

bool Row::IsNull(int column) const { return PQgetisnull(result_, row_, column) != 0; }

std::string_view Row::Bytes(int column) const {
  return {PQgetvalue(result_, row_, column), static_cast<size_t>(PQgetlength(result_, row_, column))};
}

Uuid Row::GetUuid(int column) const { return Uuid::FromBytes(Bytes(column)).value_or(Uuid{}); }

int64_t Row::GetInt(int column) const {
  const std::string_view bytes = Bytes(column);
  int64_t value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (const char c : bytes) value = static_cast<int64_t>(static_cast<uint64_t>(value) << 8 | static_cast<uint8_t>(c));
  return value;
}

bool Row::GetBool(int column) const { return Bytes(column) == std::string_view("\1", 1); }

absl::Time Row::GetTime(int column) const { return TimeOf(Reader(Bytes(column)).Get64()); }

std::string_view Row::GetText(int column) const { return Bytes(column); }

std::vector<Uuid> Row::GetUuids(int column) const {
  return DecodeArray<Uuid>(Bytes(column),
                           [](std::string_view bytes) { return Uuid::FromBytes(bytes).value_or(Uuid{}); });
}

std::vector<std::string> Row::GetTexts(int column) const {
  return DecodeArray<std::string>(Bytes(column), [](std::string_view bytes) { return std::string(bytes); });
}

std::vector<Slot> Row::GetSlots(int column) const { return DecodeArray<Slot>(Bytes(column), DecodeSlot); }

int Result::size() const { return PQntuples(result_.get()); }

std::string_view Result::command() const { return PQcmdStatus(result_.get()); }

int64_t Result::affected() const {
  int64_t count = 0;
  return absl::SimpleAtoi(PQcmdTuples(result_.get()), &count) ? count : 0;
}

void Result::Clear(PGresult* result) { PQclear(result); }

}  // namespace parley::data
