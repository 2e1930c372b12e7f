-- The whole domain: deactivated users, events made from others, calls that are sent twice, requests for e-mail tokens.

alter table users drop constraint users_state_check,
  add constraint users_state_check check (state in ('INACTIVE', 'ACTIVE', 'DEACTIVATED'));

alter table events drop constraint events_state_check,
  add constraint events_state_check check (state in ('OPEN', 'AGREED', 'ABANDONED', 'SUPERSEDED')),
  add column predecessor_id uuid,                                 -- the event that it was made from
  add column successor_id uuid;                                   -- the one that was made from it

-- For lists in other orders than that of the ids. Statements must spell the conditions and expressions as they stand
-- here.
create index events_update_time on events (update_time, event_id) where delete_time is null;
create index events_first_slot on events (coalesce(lower(slots[1]), 'infinity'), event_id) where delete_time is null;

-- Calls with a request_id that succeeded: what is needed to answer them again.
create table request_records (
  user_id uuid not null,
  method text not null,                                           -- the full name of its request message
  request_id uuid not null,
  digest bytea not null,                                          -- of the request, keyed
  result_ids uuid[] not null,                                     -- of what the call made or changed
  sequence bigint not null,                                       -- of the event's log entry that it wrote, or 0
  create_time timestamptz not null,
  primary key (user_id, method, request_id)
);
create index request_records_create_time on request_records using brin (create_time);

create index email_tokens_event on email_tokens (event_id, email_token_id);
create index email_tokens_expire_time on email_tokens (expire_time);

alter table notifications drop constraint notifications_state_check,
  add constraint notifications_state_check
    check (state in ('PENDING', 'SENT', 'FAILED', 'CANCELLED', 'SUPPRESSED')),
  add column retried_after int not null default 0,                -- attempts begun before staff last asked for more
  add column requested boolean not null default false;            -- by RequestEmailToken
create index notifications_sender on notifications (sender_id, create_time);

-- Calls of RequestEmailToken that were not looked at yet. They say for whom without an address and without a key.
create table email_token_requests (
  email_token_request_id uuid primary key,
  key_hash bytea,                                                 -- SHA-256 of the key, where that was given
  event_id uuid,                                                  -- else the event
  address_mac bytea,                                              -- and a keyed digest of the address
  next_attempt_time timestamptz not null
);
create index email_token_requests_due on email_token_requests (next_attempt_time);

grant select, insert, update, delete on request_records, email_token_requests to parley_service;
grant delete on email_tokens to parley_service;                   -- long after they expired
