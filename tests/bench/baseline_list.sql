-- pgbench: the first 50 entries of the log of one of the last :listed of :events events, with their effectors' addresses.
\set event :events + random(1, :listed)
select l.sequence, l.create_time, l.occurrence, u.address, l.revision, l.data
from log_entries l join users u on u.user_id = l.effector_id
where l.event_id = :event
order by l.sequence limit 50;
