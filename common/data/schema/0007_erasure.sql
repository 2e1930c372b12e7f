-- Erasure: a person can be removed, and the log stays what it is. From now on users are deleted; that nobody writes the
-- address of one who is gone, common/data/erasures.h sees to.

-- Of an erased person local_part and salt are empty from the erasure on; `erased` says that the log tells of it, from where
-- on the party no longer counts (A7).
alter table event_parties add column erased boolean not null default false;

-- Whose erasure is still to be told on the logs of events. Its events, by id, up to after_event_id have been told.
create table erasures (
  user_id uuid primary key,                                       -- who is no user any more
  effector_id uuid not null,
  acted_by_id uuid,
  blanked boolean not null default false,                         -- whether all that shows the address is empty
  after_event_id uuid not null default '00000000-0000-0000-0000-000000000000',
  create_time timestamptz not null,
  next_attempt_time timestamptz not null
);
create index erasures_due on erasures (next_attempt_time);

grant update (local_part, salt, erased) on event_parties to parley_service;
grant update (local_part, salt) on event_staff to parley_service;
grant delete on users, api_keys to parley_service;
grant select, insert, update, delete on erasures to parley_service;
