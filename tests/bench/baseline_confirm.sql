-- pgbench: the initiator of one of the first :events events confirms its slots, with the entry, in one statement and
-- commit: the event is agreed where one slot is left and all others have confirmed. It is a compare-and-set, as in
-- baseline_update.sql.
\set event random(1, :events)
\set revision 1
with event as (
  update events e
  set last_sequence = last_sequence + 1,
      state = case when (select count(*) from event_slots s where s.event_id = e.event_id) = 1
                        and not exists (select from event_parties p where p.event_id = e.event_id
                                        and p.user_id <> e.initiator_id and not p.confirmed)
                   then 'AGREED' else state end
  where event_id = :event and revision >= :revision and state = 'OPEN'
  returning event_id, revision, state, initiator_id, last_sequence
), party as (
  update event_parties p set confirmed = true from event e where p.event_id = e.event_id and p.user_id = e.initiator_id and not p.confirmed
), entry as (
  insert into log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, data)
  select event_id, last_sequence, now(), 'UPDATE', initiator_id, revision, 'affirmed; confirmed by one; state ' || state
  from event
)
select event_id, revision, state from event;
