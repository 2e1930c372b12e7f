-- The baseline's data, shaped as Parley's: :events events with :entries entries each, numbered on from those that are
-- there. The parties are three different ones of :users users; the first opened the event, all have viewed it in their
-- turn. The entries of an event lie as far apart in the table as they do where a thousand events are negotiated at a
-- time.
with event as (
  insert into events (title, state, revision, quorum, confirmed_by, time_zone, initiator_id, create_time, update_time,
                      last_sequence)
  select 'Planning of the next quarter', 'OPEN', 1, 'ALL', 'UPDATE', 'UTC', 1 + (random() * (:users - 1))::int, now(),
         now(), :entries
  from generate_series(1, :events)
  returning event_id, initiator_id
), party as (
  insert into event_parties (event_id, user_id, position, confirmed)
  select event_id, 1 + (initiator_id - 1 + position * (:users / 3)) % :users, position, position = 0
  from event, generate_series(0, 2) as position
  returning event_id, user_id, position
), slot as (
  insert into event_slots (event_id, start_time, duration)
  select event_id, now() + (event_id % 300 + day) * interval '1 day', interval '1 hour'
  from event, generate_series(0, 2) as day
)
insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, data)
select event_id, sequence, now(), case sequence when 1 then 'UPDATE' else 'VIEW' end, user_id, 1,
       case sequence when 1 then 'opened with title, three parties, three slots, quorum ALL, confirmed by UPDATE, '
                                  || 'time zone UTC; state OPEN'
                     else 'state OPEN' end
from generate_series(1, :entries) as sequence
join party on position = (sequence - 1) % 3
order by event_id / 1000, sequence, event_id;
