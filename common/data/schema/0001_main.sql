-- Users, events and their log, credentials, notifications.
--
-- Addresses stand in users, and the spelling of their local part per event in event_parties; all other tables name a
-- user by id, so that a person can be erased in one place. Enumerations hold the names of the contracts' enum values.
--
-- The tables that every call writes have no foreign keys to users: a foreign key locks the row that it points to, so that
-- all calls of one user would meet there. Users are never deleted, and ids are written by those who have just read them.
-- event_parties and log_entries have none at all: their rows are written by those who have just made or locked the event.

create table users (
  user_id uuid primary key,
  address_key text not null constraint users_address_key unique,  -- what is compared: the whole address in lower case
  local_part text not null,
  domain text not null,                                           -- IDNA A-form
  state text not null check (state in ('INACTIVE', 'ACTIVE')),
  role text not null check (role in ('MEMBER', 'STAFF')),
  create_time timestamptz not null
);

create table events (
  event_id uuid primary key,
  title text not null,
  slots tstzrange[] not null,                                     -- ordered by start, then by duration
  state text not null check (state in ('OPEN', 'AGREED', 'ABANDONED')),
  revision bigint not null,
  quorum text not null check (quorum in ('ALL', 'ALL_BUT_ONE')),
  confirmed_by text not null check (confirmed_by in ('UPDATE', 'VIEW')),
  time_zone text not null,
  initiator_id uuid not null,                                     -- a user
  confirmed_ids uuid[] not null,                                  -- the parties that have affirmed the present slots
  create_time timestamptz not null,
  update_time timestamptz not null,
  delete_time timestamptz,                                        -- set: the event is gone, its log stays
  last_sequence bigint not null                                   -- of its log; raised under the row's lock
) with (fillfactor = 80);                                         -- room for last_sequence to change in place

create table event_parties (
  event_id uuid not null,
  user_id uuid not null,
  position smallint not null,
  local_part text not null,                                       -- as it was given to this event
  primary key (event_id, user_id)
);
create index event_parties_user on event_parties (user_id, event_id);

create table log_entries (
  event_id uuid not null,
  sequence bigint not null,
  create_time timestamptz not null,
  occurrence text not null check (occurrence in ('UPDATE', 'NOTIFY', 'VIEW')),
  effector_id uuid not null,                                      -- a user
  revision bigint not null,
  slots tstzrange[] not null,
  data bytea not null,                                            -- parley.internal.data.v1.EntryData
  primary key (event_id, sequence)
);

create table api_keys (
  api_key_id uuid primary key,
  user_id uuid not null references users,
  key_hash bytea not null unique,                                 -- SHA-256
  create_time timestamptz not null,
  revoke_time timestamptz
);
create index api_keys_user on api_keys (user_id, api_key_id);

create table email_tokens (
  email_token_id uuid primary key,
  event_id uuid not null references events,
  user_id uuid not null references users,
  key_hash bytea not null unique,                                 -- SHA-256
  create_time timestamptz not null,
  expire_time timestamptz not null,
  revoke_time timestamptz
);

create table notifications (
  notification_id uuid primary key,
  event_id uuid not null references events,
  recipient_id uuid not null references users,
  sender_id uuid not null references users,
  state text not null check (state in ('PENDING', 'SENT', 'FAILED', 'CANCELLED')),
  create_time timestamptz not null,
  attempts int not null,                                          -- begun so far
  next_attempt_time timestamptz not null                          -- while an attempt is under way: the end of its lease
);
create index notifications_event on notifications (event_id, notification_id);
create index notifications_pending on notifications (next_attempt_time) where state = 'PENDING';

create table delivery_attempts (
  notification_id uuid not null references notifications,
  attempt int not null,                                           -- 1, 2, 3 ... for each notification
  start_time timestamptz not null,
  end_time timestamptz,
  outcome text check (outcome in ('ACCEPTED', 'DEFERRED', 'REFUSED', 'UNKNOWN')),
  detail text not null,
  primary key (notification_id, attempt)
);

-- The log can be added to and read, nothing else. No service deletes anything.
grant usage on schema parley to parley_service;
grant select, insert on log_entries, event_parties to parley_service;
grant select, insert, update on users, events, api_keys, email_tokens, notifications, delivery_attempts
  to parley_service;
