-- pgbench: one event of three parties and three slots with its entry, in one statement and commit. The parties are
-- three different ones of :users users, known by their ids.
\set initiator random(1, :users)
\set second 1 + (:initiator - 1 + random(1, (:users - 1) / 2)) % :users
\set third 1 + (:second - 1 + random(1, (:users - 1) / 2)) % :users
\set day random(1, 300)
with event as (
  insert into events (title, state, revision, quorum, confirmed_by, time_zone, initiator_id, create_time, update_time,
                      last_sequence)
  values ('Planning of the next quarter', 'OPEN', 1, 'ALL', 'UPDATE', 'UTC', :initiator, now(), now(), 1)
  returning event_id
), parties as (
  insert into event_parties (event_id, user_id, position, confirmed)
  select event_id, user_id, position, confirmed
  from event, (values (:initiator::bigint, 0, true), (:second, 1, false), (:third, 2, false))
    as n (user_id, position, confirmed)
), slots as (
  insert into event_slots (event_id, start_time, duration)
  select event_id, now() + n.day * interval '1 day', interval '1 hour'
  from event, (values (:day::int), (:day + 1), (:day + 2)) as n (day)
), entry as (
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, data)
  select event_id, 1, now(), 'UPDATE', :initiator, 1,
         'opened with title, three parties, three slots, quorum ALL, confirmed by UPDATE, time zone UTC; state OPEN'
  from event
)
select event_id from event;
