#include "services/parleyctl/log_export.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "common/data/entry_record.h"

namespace parley::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string Hex(std::string_view bytes) { return absl::BytesToHexString({bytes.data(), bytes.size()}); }

// What is not of the form throws; ParseHeader and ParseLine catch it.
std::string Bytes(const Json& hex) {
  const auto& text = hex.get_ref<const std::string&>();
  const bool digits = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!digits || text.size() % 2 != 0) throw std::invalid_argument("bytes must be in lower-case hexadecimal");
  return absl::HexStringToBytes(text);
}

std::string BytesOf(const Json& hex, size_t size) {
  std::string bytes = Bytes(hex);
  if (bytes.size() != size) throw std::invalid_argument(absl::StrCat("there must be ", size, " bytes"));
  return bytes;
}

Uuid IdOf(const Json& text) {
  const auto id = Uuid::Parse(text.get_ref<const std::string&>());
  if (!id) throw std::invalid_argument("an id must be a UUID");
  return *id;
}

int64_t NumberOf(const Json& number) {
  if (!number.is_number_integer()) throw std::invalid_argument("a number must be an integer");
  if (number.is_number_unsigned() && number.get<uint64_t>() > uint64_t{INT64_MAX}) {
    throw std::invalid_argument("a number must fit into 64 bits");
  }
  return number.get<int64_t>();
}

Json HashesOf(const std::vector<std::string>& hashes) {
  Json json = Json::array();
  for (const std::string& hash : hashes) json.push_back(Hex(hash));
  return json;
}

std::vector<std::string> HashesIn(const Json& json) {
  std::vector<std::string> hashes;
  if (!json.is_array()) throw std::invalid_argument("hashes must be a list");
  for (const Json& hash : json) hashes.push_back(Bytes(hash));
  return hashes;
}

const Json& PairIn(const Json& json) {
  if (!json.is_array() || json.size() != 2) throw std::invalid_argument("there must be two of it");
  return json;
}

data::LogEntry EntryIn(const Json& json) {
  data::LogEntry entry;
  entry.event_id = IdOf(json.at("event"));
  entry.sequence = NumberOf(json.at("sequence"));
  entry.hash = Bytes(json.at("hash"));
  entry.create_time = absl::FromUnixMicros(NumberOf(json.at("time")));
  const int64_t occurrence = NumberOf(json.at("occurrence"));
  if (occurrence < 0 || occurrence > 255) throw std::invalid_argument("an occurrence must fit into a byte");
  entry.occurrence = static_cast<data::LogEntry::Occurrence>(occurrence);
  entry.effector_id = IdOf(json.at("effector"));
  entry.revision = NumberOf(json.at("revision"));
  for (const Json& slot : json.at("slots")) {
    const absl::Time start = absl::FromUnixMicros(NumberOf(PairIn(slot).at(0)));
    entry.slots.push_back({start, absl::FromUnixMicros(NumberOf(slot.at(1))) - start});
  }
  entry.data_bytes = Bytes(json.at("data"));
  for (const Json& named : json.at("named")) {
    entry.named += IdOf(PairIn(named).at(0)).ToBytes() + BytesOf(named.at(1), data::kNamedSize - 16);
  }
  return entry;
}

// As an export tells it, whatever throws.
template <class Parse>
auto Parsed(const std::string& line, Parse parse) -> absl::StatusOr<decltype(parse(Json()))> {
  try {
    return parse(Json::parse(line));
  } catch (const std::exception& wrong) {
    return absl::InvalidArgumentError(absl::StrCat("is no line of an export: ", wrong.what()));
  }
}

}  // namespace

std::string ToJson(const ExportHeader& header) {
  Json json{{"parley_log_export", 1}};
  if (header.event_id) json["event"] = header.event_id->ToString();
  json["checkpoint"] = header.checkpoint;
  json["verifier_key"] = header.verifier_key;
  if (header.consistency) {
    json["consistency"] = {{"first_size", header.consistency->first_size},
                           {"hashes", HashesOf(header.consistency->hashes)}};
  }
  return json.dump();
}

std::string ToJson(const ExportEntry& line) {
  Json json{{"event", line.event_id.ToString()}, {"sequence", line.sequence}};
  if (line.leaf) {
    json["leaf"] = *line.leaf;
    json["leaf_hash"] = Hex(line.leaf_hash);
  }
  if (line.pending) json["pending"] = true;
  if (line.proof) json["proof"] = HashesOf(*line.proof);
  if (!line.entry) return json.dump();
  const data::LogEntry& entry = *line.entry;
  json["hash"] = Hex(entry.hash);
  json["time"] = absl::ToUnixMicros(entry.create_time);
  json["occurrence"] = static_cast<int>(entry.occurrence);
  json["effector"] = entry.effector_id.ToString();
  json["revision"] = entry.revision;
  json["slots"] = Json::array();
  for (const Slot& slot : entry.slots) {
    json["slots"].push_back({absl::ToUnixMicros(slot.start), absl::ToUnixMicros(slot.end())});
  }
  json["data"] = Hex(entry.data_bytes);
  json["named"] = Json::array();
  for (size_t at = 0; at + data::kNamedSize <= entry.named.size(); at += data::kNamedSize) {
    const auto id = Uuid::FromBytes(std::string_view(entry.named).substr(at, 16));
    json["named"].push_back({id->ToString(), Hex(entry.named.substr(at + 16, data::kNamedSize - 16))});
  }
  return json.dump();
}

std::string ToJson(const data::NamedUser& person) {
  const Address& address = person.address;
  return Json{{"event", person.event_id.ToString()},
              {"user", person.user_id.ToString()},
              {"address", address.erased() ? "" : address.ToString()},
              {"salt", Hex(person.salt)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<ExportHeader> ParseHeader(const std::string& line) {
  return Parsed(line, [](const Json& json) {
    if (NumberOf(json.at("parley_log_export")) != 1) throw std::invalid_argument("it is of another version");
    ExportHeader header;
    if (json.contains("event")) header.event_id = IdOf(json.at("event"));
    header.checkpoint = json.at("checkpoint").get<std::string>();
    header.verifier_key = json.at("verifier_key").get<std::string>();
    if (json.contains("consistency")) {
      const Json& consistency = json.at("consistency");
      header.consistency = {NumberOf(consistency.at("first_size")), HashesIn(consistency.at("hashes"))};
    }
    return header;
  });
}

absl::StatusOr<ExportLine> ParseLine(const std::string& line) {
  return Parsed(line, [](const Json& json) {
    ExportLine parsed;
    if (json.contains("user")) {
      const auto& text = json.at("address").get_ref<const std::string&>();
      const size_t at = text.rfind('@');
      Address address;
      if (at != std::string::npos) address = {text.substr(0, at), text.substr(at + 1)};
      if (address.erased() && !text.empty())
        throw std::invalid_argument("an address has a part before and behind its @");
      parsed.person = {IdOf(json.at("event")), IdOf(json.at("user")), std::move(address), Bytes(json.at("salt"))};
      return parsed;
    }
    ExportEntry& entry = parsed.entry.emplace();
    entry.event_id = IdOf(json.at("event"));
    entry.sequence = NumberOf(json.at("sequence"));
    if (json.contains("leaf")) {
      entry.leaf = NumberOf(json.at("leaf"));
      entry.leaf_hash = Bytes(json.at("leaf_hash"));
    }
    if (json.contains("pending")) entry.pending = json.at("pending").get<bool>();
    if (json.contains("proof")) entry.proof = HashesIn(json.at("proof"));
    if (json.contains("hash")) entry.entry = EntryIn(json);
    return parsed;
  });
}

}  // namespace parley::ctl
