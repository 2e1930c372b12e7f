// A Parley that has been used for long: the rows of many events and of their logs, as PostgreSQL's COPY ... (FORMAT
// BINARY) takes them. The logs are chained as Parley chains them, so that they verify; the tree over them grows by
// itself, from unsequenced_entries.
//
//   parley-bench-fill TABLE    users, events, event_parties, log_entries or unsequenced_entries: the columns that
//                              tests/bench/runner/fill.py names
//   parley-bench-fill names    the events' names and etags, for parley-bench-load
//
// All follows from the numbers of users, events and entries, so that the tables, each from a run of its own, fit.
#include <iostream>
#include <map>
#include <span>

#include "common/config/config.h"
#include "common/data/entry_record.h"
#include "common/data/key.h"
#include "common/tlog/merkle.h"

namespace parley::bench {
namespace {

using data::LogEntry;

struct Settings {
  Uuid member;  // the initiator and first party of all events
  int users = 10000;
  int first = 0;  // the number of the first event: several runs for one database must not meet
  int events = 10000;
  int entries = 10;  // of each log
};

// Events are as many seconds apart, and end long from now.
const absl::Time kBegin = absl::FromUnixSeconds(1735689600);     // 2025-01-01
const absl::Time kFirstDay = absl::FromUnixSeconds(2524608000);  // 2050-01-01
// So many events are negotiated at a time: the entries of each lie as far apart in the table.
constexpr int kBeside = 1000;

// 32 bytes that look random, the same for the same word and number.
std::string Bytes(const std::string& word, int64_t number) { return data::HashKey(absl::StrCat(word, number)); }

// As Uuid::TimeOrdered would have made it.
Uuid IdOf(const std::string& word, int64_t number, absl::Time time) {
  Uuid id = *Uuid::FromBytes(Bytes(word, number).substr(0, 16));
  std::ranges::copy_n(Uuid::Earliest(time).bytes.begin(), 6, id.bytes.begin());
  id.bytes[6] = static_cast<uint8_t>(0x70 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

// ---- what there is

data::Party UserOf(int number) {
  return {IdOf("user", number, kBegin), {absl::StrCat("user-", number), "example.com"}};
}

data::Event EventOf(const Settings& settings, int number) {
  data::Event event;
  const absl::Time time = kBegin + absl::Seconds(number);
  event.id = IdOf("event", number, time);
  event.title = "Planning of the next quarter";
  const std::string chosen = Bytes("chosen", number);
  const auto choose = [&](size_t at, int count) {
    return static_cast<int>((static_cast<uint8_t>(chosen[at]) << 16 | static_cast<uint8_t>(chosen[at + 1]) << 8 |
                             static_cast<uint8_t>(chosen[at + 2])) %
                            count);
  };
  const int second = choose(0, settings.users);
  const int third = (second + 1 + choose(3, settings.users - 1)) % settings.users;
  event.parties = {{settings.member, {"member", "example.com"}}, UserOf(second), UserOf(third)};
  for (size_t i = 0; i < event.parties.size(); ++i) {
    event.parties[i].salt = Bytes(absl::StrCat("salt", i, "of"), number).substr(0, data::kSaltSize);
  }
  for (int day = 0; day < 3; ++day) {
    event.slots.push_back({kFirstDay + absl::Hours(24 * (choose(6, 300) + day)), absl::Hours(1)});
  }
  event.initiator_id = settings.member;
  event.confirmed_ids = {settings.member};
  event.create_time = event.update_time = time;
  return event;
}

// The event's next entry: it is opened by its initiator, then viewed by its parties in their turn. Moves the event on.
LogEntry Append(data::Event& event) {
  const int64_t sequence = ++event.last_sequence;
  const auto& effector = event.parties[static_cast<size_t>(sequence - 1) % event.parties.size()];
  LogEntry entry = EntryOf(event, sequence == 1 ? event::v1::LogEntry::UPDATE : event::v1::LogEntry::VIEW,
                           {effector.user_id, {}, {}}, event.create_time + absl::Seconds(kBeside * (sequence - 1)));
  if (sequence == 1) {
    auto& opened = *entry.data.mutable_opened();
    opened.set_title(event.title);
    for (const data::Party& party : event.parties) {
      opened.add_party_ids(party.user_id.ToBytes());
      entry.named += data::Named(party.user_id, party.salt, party.address);
    }
    opened.set_quorum(event.quorum);
    opened.set_confirmed_by(event.confirmed_by);
    opened.set_time_zone(event.time_zone);
    entry.data.set_affirmed(true);
  }
  entry.data.set_state(event.state);
  for (const Uuid& id : event.confirmed_ids) entry.data.add_confirmed_ids(id.ToBytes());
  entry.data_bytes = entry.data.SerializeAsString();
  entry.hash = event.last_hash = tlog::LeafHash(data::RecordOf(entry, event.last_hash));
  return entry;
}

// ---- COPY's binary format: PostgreSQL's documentation, "COPY", and the send functions of its types

class Rows {
 public:
  Rows() { out_.append("PGCOPY\n\377\r\n\0", 11).append(8, '\0'); }
  ~Rows() {
    Put<int16_t>(-1);
    std::cout << out_;
  }

  void Begin(int16_t columns) {
    if (out_.size() > kBuffer) {
      std::cout << out_;
      out_.clear();
    }
    Put(columns);
  }
  void Add(int16_t value) { AddNumber(value); }
  void Add(int64_t value) { AddNumber(value); }
  void Add(absl::Time value) { AddNumber(MicrosOf(value)); }
  void Add(const Uuid& value) { Add(value.ToBytes()); }
  void Add(std::string_view bytes) {
    Put(static_cast<int32_t>(bytes.size()));
    out_ += bytes;
  }
  void Add(std::span<const Uuid> values) {
    AddArray(kUuid, values, [](const Uuid& value) { return value.ToBytes(); });
  }
  void Add(std::span<const int64_t> values) { AddArray(kInt8, values, &Big<int64_t>); }
  void Add(std::span<const std::string> values) {
    AddArray(kBytea, values, [](const std::string& value) { return value; });
  }
  void Add(std::span<const Slot> values) {
    // [lower, upper)
    AddArray(kTstzrange, values, [](const Slot& slot) {
      return "\2" + Big<int32_t>(8) + Big(MicrosOf(slot.start)) + Big<int32_t>(8) + Big(MicrosOf(slot.end()));
    });
  }

 private:
  static constexpr int32_t kBytea = 17, kInt8 = 20, kUuid = 2950, kTstzrange = 3910;
  static constexpr size_t kBuffer = 1 << 20;

  static int64_t MicrosOf(absl::Time time) { return absl::ToUnixMicros(time) - int64_t{946684800} * 1000000; }

  template <class Number>
  static std::string Big(const Number& value) {
    std::string bytes;
    for (int shift = 8 * sizeof(Number) - 8; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
    return bytes;
  }
  template <class Number>
  void Put(Number value) {
    out_ += Big(value);
  }
  template <class Number>
  void AddNumber(Number value) {
    Put(static_cast<int32_t>(sizeof(Number)));
    Put(value);
  }
  template <class Value, class Encode>
  void AddArray(int32_t type, std::span<const Value> values, Encode encode) {
    std::string array =
        Big<int32_t>(1) + Big<int32_t>(0) + Big(type) + Big(static_cast<int32_t>(values.size())) + Big<int32_t>(1);
    for (const Value& value : values) {
      const std::string bytes = encode(value);
      array += Big(static_cast<int32_t>(bytes.size())) + bytes;
    }
    Add(array);
  }

  std::string out_;
};

// ---- the tables

void WriteUsers(const Settings& settings) {
  Rows rows;
  for (int number = 0; number < settings.users; ++number) {
    const data::Party user = UserOf(number);
    rows.Begin(7);
    rows.Add(user.user_id);
    rows.Add(user.address.Key());
    rows.Add(user.address.local_part);
    rows.Add(user.address.domain);
    rows.Add("INACTIVE");
    rows.Add("MEMBER");
    rows.Add(kBegin);
  }
}

void WriteParties(const Settings& settings) {
  Rows rows;
  for (int number = settings.first; number < settings.first + settings.events; ++number) {
    const data::Event event = EventOf(settings, number);
    for (size_t i = 0; i < event.parties.size(); ++i) {
      rows.Begin(5);
      rows.Add(event.id);
      rows.Add(event.parties[i].user_id);
      rows.Add(static_cast<int16_t>(i));
      rows.Add(event.parties[i].address.local_part);
      rows.Add(event.parties[i].salt);
    }
  }
}

void WriteNames(const Settings& settings) {
  for (int number = settings.first; number < settings.first + settings.events; ++number) {
    const data::Event event = EventOf(settings, number);
    std::cout << event.name() << " " << event.etag() << "\n";
  }
}

// Does something with each entry, and with the event that it made, in the order in which they were written.
template <class Function>
void ForEachEntry(const Settings& settings, Function function) {
  const int end = settings.first + settings.events;
  for (int first = settings.first; first < end; first += kBeside) {
    std::vector<data::Event> events;
    for (int number = first; number < std::min(first + kBeside, end); ++number) {
      events.push_back(EventOf(settings, number));
    }
    for (int i = 0; i < settings.entries; ++i) {
      for (data::Event& event : events) function(Append(event), event);
    }
  }
}

void WriteEvents(const Settings& settings) {
  Rows rows;
  ForEachEntry(settings, [&](const LogEntry& entry, const data::Event& event) {
    if (entry.sequence < settings.entries) return;
    rows.Begin(14);
    rows.Add(event.id);
    rows.Add(event.title);
    rows.Add(std::span<const Slot>(event.slots));
    rows.Add(event::v1::Event::State_Name(event.state));
    rows.Add(event.revision);
    rows.Add(event::v1::AgreementPolicy::Quorum_Name(event.quorum));
    rows.Add(event::v1::AgreementPolicy::ConfirmedBy_Name(event.confirmed_by));
    rows.Add(event.time_zone);
    rows.Add(event.initiator_id);
    rows.Add(std::span<const Uuid>(event.confirmed_ids));
    rows.Add(event.create_time);
    rows.Add(event.update_time);
    rows.Add(event.last_sequence);
    rows.Add(event.last_hash);
  });
}

void WriteEntries(const Settings& settings) {
  Rows rows;
  ForEachEntry(settings, [&](const LogEntry& entry, const data::Event&) {
    rows.Begin(10);
    rows.Add(entry.event_id);
    rows.Add(entry.sequence);
    rows.Add(entry.create_time);
    rows.Add(event::v1::LogEntry::Occurrence_Name(entry.occurrence));
    rows.Add(entry.effector_id);
    rows.Add(entry.revision);
    rows.Add(std::span<const Slot>(entry.slots));
    rows.Add(entry.data_bytes);
    rows.Add(entry.named);
    rows.Add(entry.hash);
  });
}

// A row for each batch, as Parley's statements write them.
void WriteUnsequenced(const Settings& settings) {
  constexpr size_t kBatch = 100;
  Rows rows;
  std::vector<Uuid> events;
  std::vector<int64_t> sequences;
  std::vector<std::string> hashes;
  const auto write = [&] {
    rows.Begin(3);
    rows.Add(std::span<const Uuid>(events));
    rows.Add(std::span<const int64_t>(sequences));
    rows.Add(std::span<const std::string>(hashes));
    events.clear(), sequences.clear(), hashes.clear();
  };
  ForEachEntry(settings, [&](const LogEntry& entry, const data::Event&) {
    events.push_back(entry.event_id);
    sequences.push_back(entry.sequence);
    hashes.push_back(entry.hash);
    if (events.size() == kBatch) write();
  });
  if (!events.empty()) write();
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  using namespace parley::bench;
  Settings settings;
  std::string table, member;
  parley::Config config("parley-bench-fill", "The rows of a Parley that has been used for long.");
  config.AddArgument("table", table, "users, events, event_parties, log_entries, unsequenced_entries, or names.");
  config.Add("member", member, "The user who initiates all events and is their first party: a UUID.");
  config.Required();
  config.Add("users", settings.users, "From how many users the other parties are chosen.", 2, 10000000);
  config.Add("first", settings.first, "The number of the first event.", 0, 100000000);
  config.Add("events", settings.events, "How many there are.", 1, 100000000);
  config.Add("entries", settings.entries, "How many the log of each has.", 1, 1000000);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const std::map<std::string, void (*)(const Settings&)> tables = {
      {"users", &WriteUsers},         {"events", &WriteEvents}, {"event_parties", &WriteParties},
      {"log_entries", &WriteEntries}, {"names", &WriteNames},   {"unsequenced_entries", &WriteUnsequenced},
  };
  const auto id = parley::Uuid::Parse(member);
  if (!id || !tables.contains(table)) {
    std::cerr << "parley-bench-fill: " << (id ? "no such table: " + table : "--member is no UUID") << "\n";
    return 2;
  }
  settings.member = *id;
  std::ios::sync_with_stdio(false);
  tables.at(table)(settings);
  std::cout.flush();
  return std::cout ? 0 : 1;
}
