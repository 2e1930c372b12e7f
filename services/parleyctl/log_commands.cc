// `parleyctl log export`, `log verify` and `log new-origin`.
#include <fstream>
#include <iostream>

#include "absl/time/clock.h"
#include "common/data/schema.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"
#include "services/parleyctl/commands.h"
#include "services/parleyctl/log_reader.h"

namespace parley::ctl {
namespace {

// Whole logs take their time.
constexpr absl::Duration kDatabaseTime = absl::Hours(12);

absl::StatusOr<std::string> FirstLineOf(std::ifstream& stream, const std::string& file) {
  std::string line;
  if (!stream || !std::getline(stream, line)) return absl::InvalidArgumentError("cannot read " + file);
  return line;
}

absl::Status InLine(const absl::Status& status, const std::string& file, int64_t number) {
  return absl::Status(status.code(), absl::StrCat(file, ", line ", number, " ", std::string(status.message())));
}

// Each line behind the header, where all of them are lines of an export.
template <class Take>
absl::Status ReadLines(std::ifstream& stream, const std::string& file, Take take) {
  std::string line;
  for (int64_t number = 2; std::getline(stream, line); ++number) {
    const auto parsed = ParseLine(line);
    if (!parsed.ok()) return InLine(parsed.status(), file, number);
    take(*parsed);
  }
  return stream.eof() ? absl::OkStatus() : absl::InvalidArgumentError("cannot read " + file);
}

// From a checkpoint or an export; nothing where no file is named.
absl::StatusOr<std::optional<Older>> ReadOlder(const std::string& file) {
  if (file.empty()) return std::nullopt;
  std::ifstream stream(file);
  PARLEY_ASSIGN_OR_RETURN(const std::string first, FirstLineOf(stream, file));
  Older older;
  if (!first.starts_with("{")) {
    stream.seekg(0);
    older.checkpoint.assign(std::istreambuf_iterator<char>(stream), {});
    const auto parsed = tlog::Parse(older.checkpoint);
    if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat(file, ": ", parsed.status().message()));
    return older;
  }
  const auto header = ParseHeader(first);
  if (!header.ok()) return InLine(header.status(), file, 1);
  older.checkpoint = header->checkpoint;
  older.verifier_key = header->verifier_key;
  PARLEY_RETURN_IF_ERROR(ReadLines(stream, file, [&older](const ExportLine& line) {
    if (line.entry && line.entry->leaf) {
      older.leaves[{line.entry->event_id, line.entry->sequence}] = {*line.entry->leaf, line.entry->leaf_hash};
    }
  }));
  return older;
}

absl::StatusOr<std::string> VerifyFile(const std::string& file, std::optional<Older> older, const std::string& key) {
  std::ifstream stream(file);
  PARLEY_ASSIGN_OR_RETURN(const std::string first, FirstLineOf(stream, file));
  const auto header = ParseHeader(first);
  if (!header.ok()) return InLine(header.status(), file, 1);
  PARLEY_ASSIGN_OR_RETURN(LogVerifier verifier, LogVerifier::Begin(*header, std::move(older), key));
  PARLEY_RETURN_IF_ERROR(ReadLines(stream, file, [&verifier](const ExportLine& line) {
    line.entry ? verifier.Add(*line.entry) : verifier.Add(*line.person);
  }));
  return verifier.Finish();
}

absl::StatusOr<std::string> VerifyDatabase(data::Transaction& tx, const std::optional<Older>& older,
                                           const std::string& key) {
  LogReader reader(tx);
  PARLEY_ASSIGN_OR_RETURN(const ExportHeader header, reader.ReadHeader(std::nullopt, older));
  PARLEY_ASSIGN_OR_RETURN(LogVerifier verifier, LogVerifier::Begin(header, older, key));
  auto add = [&verifier](const auto& line) {
    verifier.Add(line);
    return absl::OkStatus();
  };
  PARLEY_RETURN_IF_ERROR(reader.Read(header, {add, add}));
  // First what can name an entry.
  PARLEY_RETURN_IF_ERROR(verifier.bad());
  PARLEY_RETURN_IF_ERROR(reader.CheckEvents(verifier));
  PARLEY_ASSIGN_OR_RETURN(std::string good, verifier.Finish());
  PARLEY_RETURN_IF_ERROR(reader.CheckNodes());
  return good;
}

absl::Status WriteLine(std::ostream& out, const std::string& line) {
  out << line << '\n';
  return out ? absl::OkStatus() : absl::UnavailableError("cannot write the export");
}

absl::Status Export(data::Transaction& tx, const std::optional<Uuid>& event_id, const std::optional<Older>& older,
                    std::ostream& out) {
  LogReader reader(tx);
  PARLEY_ASSIGN_OR_RETURN(const ExportHeader header, reader.ReadHeader(event_id, older));
  PARLEY_RETURN_IF_ERROR(WriteLine(out, ToJson(header)));
  PARLEY_RETURN_IF_ERROR(
      reader.Read(header, {[&out](const ExportEntry& line) { return WriteLine(out, ToJson(line)); },
                           [&out](const data::NamedUser& line) { return WriteLine(out, ToJson(line)); }}));
  out.flush();
  return out ? absl::OkStatus() : absl::UnavailableError("cannot write the export");
}

}  // namespace

absl::Status ExportLog(const std::string& database_url, const std::string& event, const std::string& older_file,
                       std::ostream& out) {
  std::optional<Uuid> event_id;
  if (!event.empty()) {
    PARLEY_ASSIGN_OR_RETURN(event_id, ParseEvent(event));
  } else if (!older_file.empty()) {
    return absl::InvalidArgumentError("--older goes with an EVENT: an export of all logs needs no proof");
  }
  PARLEY_ASSIGN_OR_RETURN(const auto older, ReadOlder(older_file));
  data::Pool pool(database_url, 1);
  const absl::Time deadline = absl::Now() + kDatabaseTime;
  PARLEY_RETURN_IF_ERROR(data::CheckSchema(pool, deadline));
  return data::Transact(
      pool, deadline,
      [&, begun = false](data::Transaction& tx) mutable {
        // What is written cannot be taken back.
        if (std::exchange(begun, true)) return absl::AbortedError("the database broke the export off: begin it anew");
        return Export(tx, event_id, older, out);
      },
      data::Isolation::kSnapshot);
}

absl::StatusOr<std::string> VerifyLog(const std::string& database_url, const std::string& export_file,
                                      const std::string& older_file, const std::string& key) {
  PARLEY_ASSIGN_OR_RETURN(auto older, ReadOlder(older_file));
  if (!export_file.empty()) return VerifyFile(export_file, std::move(older), key);
  data::Pool pool(database_url, 1);
  const absl::Time deadline = absl::Now() + kDatabaseTime;
  PARLEY_RETURN_IF_ERROR(data::CheckSchema(pool, deadline));
  return data::Transact(
      pool, deadline, [&](data::Transaction& tx) { return VerifyDatabase(tx, older, key); },
      data::Isolation::kSnapshot);
}

absl::StatusOr<std::string> NewOrigin(const std::string& owner_url) {
  data::Pool pool(owner_url, 1);
  return data::Transact(pool, absl::Now() + absl::Seconds(30), [](data::Transaction& tx) {
    const std::string origin = "parley/" + Uuid::TimeOrdered().ToString();
    const absl::Status begun = data::LogTree(tx).BeginOrigin(origin);
    return begun.ok() ? absl::StatusOr<std::string>(origin) : begun;
  });
}

}  // namespace parley::ctl
