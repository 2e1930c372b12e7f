-- pgbench: the first 50 entries of the log of one of the :listed events behind the first :events, with their effectors'
-- addresses. These are looked up for each entry by itself: a join is planned well or badly by how many users there are.
\set event :events + random(1, :listed)
select sequence, create_time, occurrence, (select address from users where user_id = effector_id), revision, data
from log_entries where event_id = :event
order by sequence limit 50;
