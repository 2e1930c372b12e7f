// An export of logs: proto/README.md, "Exports", says what each part means and how it is written. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/log_entries.h"

namespace parley::ctl {

struct ExportHeader {
  struct Consistency {
    int64_t first_size = 0;
    std::vector<std::string> hashes;
  };

  std::optional<Uuid> event_id;  // of one event; nothing where it is all
  std::string checkpoint;
  std::string verifier_key;
  std::optional<Consistency> consistency;
};

struct ExportEntry {
  Uuid event_id;
  int64_t sequence = 0;
  std::optional<int64_t> leaf;
  std::string leaf_hash;
  bool pending = false;
  std::optional<std::vector<std::string>> proof;
  std::optional<data::LogEntry> entry;  // nothing where it is gone
};

// A line each, without its end.
std::string ToJson(const ExportHeader& header);
std::string ToJson(const ExportEntry& entry);
std::string ToJson(const data::NamedUser& person);

// INVALID_ARGUMENT where the line is none of these. A line after the header is an entry or a person.
absl::StatusOr<ExportHeader> ParseHeader(const std::string& line);
struct ExportLine {
  std::optional<ExportEntry> entry;
  std::optional<data::NamedUser> person;
};
absl::StatusOr<ExportLine> ParseLine(const std::string& line);

}  // namespace parley::ctl
