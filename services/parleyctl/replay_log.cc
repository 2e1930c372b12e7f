#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/data/schema.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"
#include "services/event/replay.h"
#include "services/parleyctl/commands.h"

namespace parley::ctl {
namespace {

constexpr absl::Duration kDatabaseTime = absl::Seconds(300);
constexpr int kPage = 1000;

std::string Line(const data::LogEntry& entry, const data::Event& event) {
  return absl::StrFormat("%6d  %s  %-6s  revision %-4d  %-10s  slots %2d  confirmed %d of %d\n", entry.sequence,
                         absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", entry.create_time, absl::UTCTimeZone()),
                         event::v1::LogEntry::Occurrence_Name(entry.occurrence), event.revision,
                         event.delete_time ? "deleted" : event::v1::Event::State_Name(event.state), event.slots.size(),
                         event.confirmed_ids.size(), event.parties.size());
}

absl::StatusOr<std::string> Replay(data::Transaction& tx, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({id}));
  if (found.empty()) return absl::NotFoundError(absl::StrCat("there is no events/", id.ToString()));
  const data::Event& stored = found.front();
  std::string lines;
  data::Event event;
  // What is appended meanwhile came after what is stored.
  while (event.last_sequence < stored.last_sequence) {
    const auto left = static_cast<int>(std::min<int64_t>(kPage, stored.last_sequence - event.last_sequence));
    PARLEY_ASSIGN_OR_RETURN(const auto entries, data::LogEntries(tx).List(id, event.last_sequence, left));
    if (entries.empty()) {
      return absl::DataLossError(
          absl::StrCat(stored.name(), ": the log ends at entry ", event.last_sequence, ", not ", stored.last_sequence));
    }
    for (const data::LogEntry& entry : entries) {
      PARLEY_RETURN_IF_ERROR(event::Apply(entry, event));
      lines += Line(entry, event);
    }
  }
  const auto differences = event::Differences(event, stored);
  if (!differences.empty())
    return absl::DataLossError(absl::StrCat(stored.name(), ": ", absl::StrJoin(differences, "; ")));
  absl::StrAppend(&lines, "the log tells what is stored: \"", absl::Utf8SafeCEscape(event.title), "\", ",
                  event::v1::Event::State_Name(event.state), ", revision ", event.revision, "\n");
  return lines;
}

}  // namespace

absl::StatusOr<Uuid> ParseEvent(const std::string& event) {
  const auto named = rpc::ParseName(event, "events");
  const auto id = named ? named : Uuid::Parse(event);
  if (!id) return absl::InvalidArgumentError("the event must be events/{event}, or its id");
  return *id;
}

absl::StatusOr<std::string> ReplayLog(const std::string& database_url, const std::string& event) {
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, ParseEvent(event));
  data::Pool pool(database_url, 1);
  const absl::Time deadline = absl::Now() + kDatabaseTime;
  PARLEY_RETURN_IF_ERROR(data::CheckSchema(pool, deadline));
  return data::Transact(pool, deadline, [&](data::Transaction& tx) { return Replay(tx, id); });
}

}  // namespace parley::ctl
