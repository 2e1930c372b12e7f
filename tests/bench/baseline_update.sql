-- pgbench: gives one of the first :events events three new slots in place of its own, as its initiator, who thereby
-- confirms them while the others' confirmations end, and appends the entry, in one statement and commit. It is a
-- compare-and-set: the caller says which revision he saw. pgbench cannot remember one for each event, so the comparison
-- is with a bound that always holds; it costs the same.
\set event random(1, :events)
\set revision 1
\set day random(1, 300)
with event as (
  update events set revision = revision + 1, update_time = now(), last_sequence = last_sequence + 1
  where event_id = :event and revision >= :revision and state = 'OPEN'
  returning event_id, revision, initiator_id, last_sequence
), removed as (
  delete from event_slots s using event e where s.event_id = e.event_id
), slots as (
  insert into event_slots (event_id, start_time, duration)
  select event_id, now() + n.day * interval '1 day', interval '1 hour'
  from event, (values (:day::int), (:day + 1), (:day + 2)) as n (day)
), parties as (
  update event_parties p set confirmed = p.user_id = e.initiator_id
  from event e where p.event_id = e.event_id and p.confirmed <> (p.user_id = e.initiator_id)
), entry as (
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, data)
  select event_id, last_sequence, now(), 'UPDATE', initiator_id, revision,
         'three new slots, affirmed; confirmed by one; state OPEN'
  from event
)
select event_id, revision from event;
