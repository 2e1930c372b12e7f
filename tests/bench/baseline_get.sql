-- pgbench: reads one of the first :events events with its parties and slots and appends the VIEW entry, in one
-- statement and commit. The row of the event counts its entries, so that their sequence has no gaps.
\set event random(1, :events)
with event as (
  update events set last_sequence = last_sequence + 1 where event_id = :event
  returning event_id, title, state, revision, quorum, confirmed_by, time_zone, initiator_id, create_time, update_time,
            last_sequence
), entry as (
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, data)
  select event_id, last_sequence, now(), 'VIEW', initiator_id, revision, 'state OPEN' from event
)
select e.event_id, e.title, e.state, e.revision, e.quorum, e.confirmed_by, e.time_zone, i.address, e.create_time,
       e.update_time,
       (select array_agg(row (u.address, p.confirmed) order by p.position)
        from event_parties p join users u using (user_id) where p.event_id = e.event_id) as parties,
       (select array_agg(row (s.start_time, s.duration) order by s.start_time, s.duration)
        from event_slots s where s.event_id = e.event_id) as slots
from event e join users i on i.user_id = e.initiator_id;
