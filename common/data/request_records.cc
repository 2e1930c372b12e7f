#include "common/data/request_records.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

struct Columns {
  explicit Columns(absl::Span<const RequestKey> keys) {
    for (const RequestKey& key : keys) {
      users.push_back(key.user_id);
      methods.push_back(key.method);
      ids.push_back(key.request_id);
    }
  }
  std::vector<Uuid> users, ids;
  std::vector<std::string> methods;
};

}  // namespace

// In one order, so that two that want the same keys wait for each other instead of locking up.
constexpr Statement kLock{"lock_requests", R"sql(
  select pg_advisory_xact_lock(key)
  from (select distinct hashtextextended(name, 7261951307) as key from unnest($1::text[]) as name order by 1) k)sql"};

absl::Status RequestRecords::Lock(absl::Span<const RequestKey> keys) {
  std::vector<std::string> names;
  for (const RequestKey& key : keys) {
    names.push_back(absl::StrCat(key.user_id.ToString(), " ", key.method, " ", key.request_id.ToString()));
  }
  return tx_.Execute(kLock, Params().AddTexts(names)).status();
}

constexpr Statement kFind{"find_requests", R"sql(
  select r.user_id, r.method, r.request_id, r.digest, r.result_ids, r.sequence
  from unnest($1::uuid[], $2::text[], $3::uuid[]) as k (user_id, method, request_id)
  join request_records r using (user_id, method, request_id)
  where r.create_time > now() - interval '24 hours')sql"};

absl::StatusOr<std::map<RequestKey, RequestRecord>> RequestRecords::Find(absl::Span<const RequestKey> keys) {
  const Columns columns(keys);
  PARLEY_ASSIGN_OR_RETURN(
      const Result result,
      tx_.Execute(kFind, Params().AddUuids(columns.users).AddTexts(columns.methods).AddUuids(columns.ids)));
  std::map<RequestKey, RequestRecord> records;
  for (int i = 0; i < result.size(); ++i) {
    const Row row = result[i];
    RequestKey key{row.GetUuid(0), std::string(row.GetText(1)), row.GetUuid(2)};
    RequestRecord record{key, std::string(row.GetText(3)), {row.GetUuids(4), row.GetInt(5)}};
    records.emplace(std::move(key), std::move(record));
  }
  return records;
}

// One that is there already is too old to count. Its ids are a part of one array: PostgreSQL has no arrays of arrays of
// different lengths.
constexpr Statement kInsert{"insert_requests", R"sql(
  insert into request_records (user_id, method, request_id, digest, result_ids, sequence, create_time)
  select user_id, method, request_id, digest, ($5::uuid[])[first_id:last_id], sequence, now()
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $6::int8[], $7::int8[], $8::int8[])
    as n (user_id, method, request_id, digest, first_id, last_id, sequence)
  on conflict (user_id, method, request_id) do update
    set digest = excluded.digest, result_ids = excluded.result_ids, sequence = excluded.sequence,
        create_time = excluded.create_time)sql"};

absl::Status RequestRecords::Insert(absl::Span<const RequestRecord> records) {
  std::vector<RequestKey> keys;
  std::vector<std::string> digests;
  std::vector<Uuid> ids;
  std::vector<int64_t> first_ids, last_ids, sequences;
  for (const RequestRecord& record : records) {
    keys.push_back(record.key);
    digests.push_back(record.digest);
    first_ids.push_back(static_cast<int64_t>(ids.size()) + 1);
    ids.insert(ids.end(), record.result.ids.begin(), record.result.ids.end());
    last_ids.push_back(static_cast<int64_t>(ids.size()));
    sequences.push_back(record.result.sequence);
  }
  const Columns columns(keys);
  Params params;
  params.AddUuids(columns.users).AddTexts(columns.methods).AddUuids(columns.ids).AddByteStrings(digests).AddUuids(ids);
  params.AddInts(first_ids).AddInts(last_ids).AddInts(sequences);
  return tx_.Execute(kInsert, params).status();
}

// One that is remembered anew meanwhile is not old any more.
constexpr Statement kPurge{"purge_requests", R"sql(
  with old as (
    select id, create_time
    from (select ctid as id, create_time from request_records where create_time >= $1
          order by create_time limit )sql" PARLEY_PURGE_ROWS R"sql() as oldest
    where create_time <= now() - interval '25 hours'
  ), gone as (
    delete from request_records where ctid = any(array(
      select ctid from request_records
      where ctid = any(array(select id from old)) and create_time <= now() - interval '25 hours'
      for update skip locked))
    returning true
  )
  select (select count(*) from gone), count(*), max(create_time) from old)sql"};

absl::StatusOr<Purged> RequestRecords::Purge(absl::Time from) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kPurge, Params().Add(from)));
  return PurgedOf(result);
}

}  // namespace parley::data
