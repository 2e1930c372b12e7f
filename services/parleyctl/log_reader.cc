#include "services/parleyctl/log_reader.h"

#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/data/entry_record.h"
#include "common/status/status.h"

namespace parley::ctl {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

constexpr int64_t kPage = 1000;

// Columns: the leaf and its hash, whether the entry waits to be one, which entry, then the entry itself.
ExportEntry EntryOf(const Row& row) {
  ExportEntry line;
  if (!row.IsNull(0)) {
    line.leaf = row.GetInt(0);
    line.leaf_hash = row.GetText(1);
  }
  line.pending = row.GetBool(2);
  line.event_id = row.GetUuid(3);
  line.sequence = row.GetInt(4);
  if (row.IsNull(5)) return line;
  line.entry = data::LogEntryOf(row, 5);
  // Bytes that are nobody stand as somebody whom no entry can name: an export is as bad as its entry.
  std::string& named = line.entry->named;
  if (const size_t rest = named.size() % data::kNamedSize; rest != 0) {
    named.replace(named.size() - rest, rest, data::kNamedSize, '\0');
  }
  return line;
}

// Who is no user any more is erased, also where that has still to be done here: nothing of him is told.
data::NamedUser PersonOf(const data::NamedUser& user) {
  return user.address.domain.empty() ? data::NamedUser{user.event_id, user.user_id, {}, ""} : user;
}

}  // namespace

absl::StatusOr<ExportHeader> LogReader::ReadHeader(const std::optional<Uuid>& event_id,
                                                   const std::optional<Older>& older) {
  PARLEY_ASSIGN_OR_RETURN(const data::TreeHead head, tree_.Head());
  if (!head.checkpoint) {
    return absl::FailedPreconditionError("there is no checkpoint yet: the event service signs one when it runs");
  }
  ExportHeader header;
  header.event_id = event_id;
  header.checkpoint = head.checkpoint->note;
  header.verifier_key = head.checkpoint->verifier_key;
  if (!event_id || !older) return header;
  PARLEY_ASSIGN_OR_RETURN(const tlog::Checkpoint before, tlog::Parse(older->checkpoint));
  if (before.origin != head.origin) {
    return absl::FailedPreconditionError(
        absl::StrCat("the older checkpoint is of ", before.origin, ", the log is ", head.origin));
  }
  if (before.size > head.checkpoint->size) {
    return absl::FailedPreconditionError(
        absl::StrCat("the older tree has ", before.size, " leaves, the present one ", head.checkpoint->size));
  }
  PARLEY_ASSIGN_OR_RETURN(auto hashes, tlog::ConsistencyProof(tree_, before.size, head.checkpoint->size));
  header.consistency = {before.size, std::move(hashes)};
  return header;
}

absl::Status LogReader::Read(const ExportHeader& header, const ExportSink& sink) {
  const auto checkpoint = tlog::Parse(header.checkpoint);
  if (!checkpoint.ok()) return absl::DataLossError(absl::StrCat("the checkpoint: ", checkpoint.status().message()));
  if (header.event_id) return ReadEvent(*header.event_id, checkpoint->size, sink);
  PARLEY_RETURN_IF_ERROR(ReadTree(checkpoint->size, sink));
  PARLEY_RETURN_IF_ERROR(ReadBehindTree(sink));
  return ReadPeople(sink);
}

// A time that is null is none that we have written; the other columns can be read even so.
#define PARLEY_ENTRY                                                                                                \
  "e.event_id, e.sequence, coalesce(e.create_time, 'infinity'), e.occurrence, e.effector_id, e.revision, e.slots, " \
  "e.data, e.named, e.hash"

// Entries are looked up one by one: left to itself, PostgreSQL might read the whole log for each page.
constexpr Statement kReadTree{"export_tree",
                              "select l.leaf_index, l.hash, false, l.event_id, l.sequence, " PARLEY_ENTRY R"sql(
  from (select * from log_leaves where leaf_index >= $1 order by leaf_index limit $2) l
  left join lateral (
    select * from log_entries where event_id = l.event_id and sequence = l.sequence offset 0) e on true
  order by l.leaf_index)sql"};

absl::Status LogReader::ReadTree(int64_t checkpoint_size, const ExportSink& sink) {
  int64_t next = std::numeric_limits<int64_t>::min();  // also what stands before the first leaf
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kReadTree, Params().Add(next).Add(kPage)));
    for (int i = 0; i < result.size(); ++i) {
      ExportEntry line = EntryOf(result[i]);
      line.pending = *line.leaf >= checkpoint_size;
      next = *line.leaf + 1;
      PARLEY_RETURN_IF_ERROR(sink.entry(line));
    }
    if (result.size() < kPage) return absl::OkStatus();
  }
}

constexpr Statement kReadBehindTree{"export_behind_tree", R"sql(
  with waiting as materialized (
    select distinct event_id, sequence from unsequenced_entries, unnest(event_ids, sequences) as w (event_id, sequence)
  )
  select null::int8, null::bytea, w.event_id is not null, e.event_id, e.sequence, )sql" PARLEY_ENTRY R"sql(
  from log_entries e left join waiting w on w.event_id = e.event_id and w.sequence = e.sequence
  where (e.event_id, e.sequence) > ($1, $2)
    and not exists (select from log_leaves l where l.event_id = e.event_id and l.sequence = e.sequence)
  order by e.event_id, e.sequence limit $3)sql"};

absl::Status LogReader::ReadBehindTree(const ExportSink& sink) {
  Uuid event_id;
  int64_t sequence = std::numeric_limits<int64_t>::min();
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const Result result,
                            tx_.Execute(kReadBehindTree, Params().Add(event_id).Add(sequence).Add(kPage)));
    for (int i = 0; i < result.size(); ++i) {
      const ExportEntry line = EntryOf(result[i]);
      event_id = line.event_id;
      sequence = line.sequence;
      PARLEY_RETURN_IF_ERROR(sink.entry(line));
    }
    if (result.size() < kPage) return absl::OkStatus();
  }
}

constexpr Statement kReadPeople{"export_people", R"sql(
  select n.event_id, n.user_id, n.local_part, (select domain from users u where u.user_id = n.user_id), n.salt
  from ((select event_id, user_id, local_part, salt from event_parties
         where (event_id, user_id) > ($1, $2) order by event_id, user_id limit $3)
        union all
        (select event_id, user_id, local_part, salt from event_staff
         where (event_id, user_id) > ($1, $2) order by event_id, user_id limit $3)) n
  order by n.event_id, n.user_id limit $3)sql"};

absl::Status LogReader::ReadPeople(const ExportSink& sink) {
  Uuid event_id, user_id;
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const Result result,
                            tx_.Execute(kReadPeople, Params().Add(event_id).Add(user_id).Add(kPage)));
    for (int i = 0; i < result.size(); ++i) {
      const Row row = result[i];
      event_id = row.GetUuid(0);
      user_id = row.GetUuid(1);
      const Address address{std::string(row.GetText(2)), std::string(row.GetText(3))};
      PARLEY_RETURN_IF_ERROR(sink.person(PersonOf({event_id, user_id, address, std::string(row.GetText(4))})));
    }
    if (result.size() < kPage) return absl::OkStatus();
  }
}

constexpr Statement kReadEvent{"export_event", R"sql(
  select l.leaf_index, l.hash,
         exists (select from unsequenced_entries, unnest(event_ids, sequences) as w (event_id, sequence)
                 where w.event_id = $1 and w.sequence = k.sequence),
         $1, k.sequence, )sql" PARLEY_ENTRY R"sql(
  from (select sequence from log_entries where event_id = $1 union select sequence from log_leaves where event_id = $1) k
  left join log_leaves l on l.event_id = $1 and l.sequence = k.sequence
  left join log_entries e on e.event_id = $1 and e.sequence = k.sequence
  where k.sequence > $2 order by k.sequence limit $3)sql"};

absl::Status LogReader::ReadEvent(const Uuid& event_id, int64_t checkpoint_size, const ExportSink& sink) {
  // Its first sequence might be anything.
  int64_t sequence = std::numeric_limits<int64_t>::min();
  bool found = false;
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const Result result,
                            tx_.Execute(kReadEvent, Params().Add(event_id).Add(sequence).Add(kPage)));
    found = found || !result.empty();
    for (int i = 0; i < result.size(); ++i) {
      ExportEntry line = EntryOf(result[i]);
      sequence = line.sequence;
      if (line.leaf) line.pending = *line.leaf >= checkpoint_size;
      if (line.leaf && *line.leaf >= 0 && !line.pending) {
        PARLEY_ASSIGN_OR_RETURN(line.proof, tlog::InclusionProof(tree_, *line.leaf, checkpoint_size));
      }
      PARLEY_RETURN_IF_ERROR(sink.entry(line));
    }
    if (result.size() < kPage) break;
  }
  if (!found) return absl::NotFoundError(absl::StrCat("there is no events/", event_id.ToString()));
  PARLEY_ASSIGN_OR_RETURN(const auto named, data::LogEntries(tx_).ListNamed({event_id}));
  for (const data::NamedUser& user : named) PARLEY_RETURN_IF_ERROR(sink.person(PersonOf(user)));
  return absl::OkStatus();
}

constexpr Statement kReadEvents{"export_event_heads", R"sql(
  select event_id, last_sequence, last_hash from events where event_id > $1 order by event_id limit $2)sql"};

absl::Status LogReader::CheckEvents(const LogVerifier& verifier) {
  Uuid event_id;
  absl::flat_hash_set<Uuid> found;
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kReadEvents, Params().Add(event_id).Add(kPage)));
    for (int i = 0; i < result.size(); ++i) {
      const Row row = result[i];
      event_id = row.GetUuid(0);
      found.insert(event_id);
      const auto last = verifier.events().find(event_id);
      const bool ends = last != verifier.events().end() && last->second.sequence == row.GetInt(1) &&
                        last->second.hash == row.GetText(2);
      if (ends) continue;
      return absl::DataLossError(
          absl::StrCat(data::NameOf(event_id, row.GetInt(1)), ": the log does not end with it, as the event says"));
    }
    if (result.size() < kPage) break;
  }
  for (const auto& [id, last] : verifier.events()) {
    if (!found.contains(id)) return absl::DataLossError(data::NameOf(id, last.sequence) + ": its event is gone");
  }
  return absl::OkStatus();
}

absl::Status LogReader::CheckNodes() {
  constexpr int64_t kChildren = int64_t{1} << tlog::kHeightStep;
  PARLEY_ASSIGN_OR_RETURN(const data::TreeHead head, tree_.Head());
  for (int height = tlog::kHeightStep; head.size >> height > 0; height += tlog::kHeightStep) {
    for (int64_t position = 0; position < head.size >> height; ++position) {
      PARLEY_ASSIGN_OR_RETURN(const auto children,
                              tree_.Read(height - tlog::kHeightStep, position * kChildren, kChildren));
      PARLEY_ASSIGN_OR_RETURN(const auto node, tree_.Read(height, position, 1));
      if (node.front() == tlog::Fold(children)) continue;
      return absl::DataLossError(
          absl::StrCat("the tree: node ", position, " of height ", height, " is not what is below it makes"));
    }
  }
  return absl::OkStatus();
}

}  // namespace parley::ctl
