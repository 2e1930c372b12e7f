#include "common/data/erasures.h"

#include "common/data/users.h"
#include "common/status/status.h"

namespace parley::data {

// The number is this lock's alone.
#define PARLEY_ERASURE_LOCK "7261951308"

constexpr Statement kHold{"hold_erasures", "select pg_advisory_xact_lock_shared(" PARLEY_ERASURE_LOCK ")"};

absl::Status Erasures::Hold() { return tx_.Execute(kHold).status(); }

constexpr Statement kAwaitHolders{"await_erasure_holders", "select pg_advisory_xact_lock(" PARLEY_ERASURE_LOCK ")"};

// In this order: keys point to their user. While whoever erases goes on with it, which a call may for 30 seconds,
// nobody else does.
constexpr Statement kErase{"erase_user", R"sql(
  with keys as (delete from api_keys where user_id = $1)
  insert into erasures (user_id, effector_id, acted_by_id, create_time, next_attempt_time)
  values ($1, $2, $3, now(), now() + interval '40 seconds'))sql"};

constexpr Statement kDeleteUser{"delete_user", "delete from users where user_id = $1"};

absl::StatusOr<bool> Erasures::Erase(const Uuid& user_id, const Effector& effector) {
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kAwaitHolders).status());
  PARLEY_ASSIGN_OR_RETURN(const auto user, Users(tx_).Lock(user_id));
  if (!user) return false;
  Params params;
  params.Add(user_id).Add(effector.user_id);
  effector.acted_by_id ? params.Add(*effector.acted_by_id) : params.AddNull();
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kErase, params).status());
  PARLEY_RETURN_IF_ERROR(tx_.Execute(kDeleteUser, Params().Add(user_id)).status());
  return true;
}

// Until all is blank, after_event_id is the last one that is; then it begins anew, with those that are told.
constexpr Statement kBlankSome{"blank_erased_user", R"sql(
  with erasure as (
    select after_event_id from erasures where user_id = $1 and not blanked for update
  ), next as (
    select n.event_id
    from erasure cross join lateral (
      (select event_id from event_parties where user_id = $1 and event_id > after_event_id order by event_id limit $2)
      union
      (select event_id from event_staff where user_id = $1 and event_id > after_event_id order by event_id limit $2)) n
    order by n.event_id limit $2
  ), parties as (
    update event_parties p set local_part = '', salt = '' from next where p.event_id = next.event_id and p.user_id = $1
  ), staff as (
    update event_staff s set local_part = '', salt = '' from next where s.event_id = next.event_id and s.user_id = $1
  ), tokens as (
    delete from email_tokens t using next where t.event_id = next.event_id and t.user_id = $1
  ), records as (
    select method, request_id from request_records where user_id = $1 limit $2
  ), forgotten as (
    delete from request_records r using records
    where r.user_id = $1 and r.method = records.method and r.request_id = records.request_id
  ), done as (
    -- Of those that were found: others may delete them as well.
    select (select count(*) from next) < $2 and (select count(*) from records) < $2 as all_of_it
  )
  update erasures e
  set blanked = all_of_it,
      after_event_id = case when all_of_it then '00000000-0000-0000-0000-000000000000'
                            else coalesce((select event_id from next order by event_id desc limit 1), e.after_event_id)
                       end,
      next_attempt_time = case when all_of_it then now() else next_attempt_time end
  from done where user_id = $1 and not e.blanked
  returning not e.blanked)sql"};

absl::StatusOr<bool> Erasures::BlankSome(const Uuid& user_id) {
  constexpr int64_t kSome = 2000;
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kBlankSome, Params().Add(user_id).Add(kSome)));
  return !result.empty() && result[0].GetBool(0);
}

constexpr Statement kLock{"lock_erasure", R"sql(
  select user_id, effector_id, acted_by_id, blanked from erasures where next_attempt_time <= now()
  order by blanked, next_attempt_time limit 1 for update skip locked)sql"};

absl::StatusOr<std::optional<Erasure>> Erasures::TryLock() {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLock));
  if (result.empty()) return std::nullopt;
  Erasure erasure{result[0].GetUuid(0), {result[0].GetUuid(1), std::nullopt, std::nullopt}, result[0].GetBool(3)};
  if (!result[0].IsNull(2)) erasure.effector.acted_by_id = result[0].GetUuid(2);
  return erasure;
}

constexpr Statement kNextEvent{"next_event_of_erasure", R"sql(
  select n.event_id
  from erasures e cross join lateral (
    (select event_id from event_parties where user_id = e.user_id and event_id > e.after_event_id
     order by event_id limit 1)
    union all
    (select event_id from event_staff where user_id = e.user_id and event_id > e.after_event_id
     order by event_id limit 1)) n
  where e.user_id = $1 order by n.event_id limit 1)sql"};

absl::StatusOr<std::optional<Uuid>> Erasures::NextEvent(const Uuid& user_id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kNextEvent, Params().Add(user_id)));
  if (result.empty()) return std::nullopt;
  return result[0].GetUuid(0);
}

constexpr Statement kTold{"told_erasure", R"sql(
  with party as (update event_parties set erased = true where event_id = $2 and user_id = $1)
  update erasures set after_event_id = $2, next_attempt_time = now() where user_id = $1)sql"};

absl::Status Erasures::Told(const Uuid& user_id, const Uuid& event_id) {
  return tx_.Execute(kTold, Params().Add(user_id).Add(event_id)).status();
}

constexpr Statement kDelete{"delete_erasure", "delete from erasures where user_id = $1"};

absl::Status Erasures::Delete(const Uuid& user_id) { return tx_.Execute(kDelete, Params().Add(user_id)).status(); }

constexpr Statement kPostpone{"postpone_erasure", R"sql(
  update erasures set next_attempt_time = now() + $2 * interval '1 microsecond' where user_id = $1)sql"};

absl::Status Erasures::Postpone(const Uuid& user_id, absl::Duration pause) {
  return tx_.Execute(kPostpone, Params().Add(user_id).Add(absl::ToInt64Microseconds(pause))).status();
}

}  // namespace parley::data
