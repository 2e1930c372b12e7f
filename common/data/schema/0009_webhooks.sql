-- Webhooks: programs elsewhere that are told, by HTTP, what happens to events. Who created an event, and for whom, is
-- named by ids alone; what is sent is made from the log each time.

create table webhooks (
  webhook_id uuid primary key,
  url text not null,                                              -- may hold secrets; empty once it was deleted
  kinds text[] not null check (cardinality(kinds) > 0),
  initiator_id uuid,                                              -- null: of all events
  create_time timestamptz not null,
  delete_time timestamptz,                                        -- what it was told is removed in steps after that
  cursor text not null,                                           -- up to there the log has been looked through for it
  position bigint not null generated always as (split_part(cursor, '-', 1)::bigint) stored  -- of the cursor
) with (fillfactor = 50);

-- An entry of the log that a webhook is told.
create table webhook_deliveries (
  webhook_id uuid not null,
  event_id uuid not null,
  sequence bigint not null,
  leaf_index bigint not null,                                     -- where the entry is in the tree: the order of lists
  kinds text[] not null,
  cursor text not null,                                           -- behind the entry
  state text not null check (state in ('PENDING', 'DELIVERED', 'FAILED')),
  create_time timestamptz not null,                               -- when it was made, or last replayed
  attempts bigint not null default 0,                             -- begun so far
  replayed_after bigint not null default 0,                       -- those that do not count for pauses any more
  next_attempt_time timestamptz not null,
  lease_end_time timestamptz,                                     -- until then an attempt is under way; null: none
  settle_time timestamptz,                                        -- when it was delivered, or has failed
  primary key (webhook_id, event_id, sequence)
) with (fillfactor = 70);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_time, leaf_index)
  where state = 'PENDING';
-- What is pending of an event, however much of it is settled.
create index webhook_deliveries_pending on webhook_deliveries (webhook_id, event_id, sequence) where state = 'PENDING';
create index webhook_deliveries_oldest on webhook_deliveries (create_time, leaf_index) where state = 'PENDING';
create index webhook_deliveries_leaf on webhook_deliveries (webhook_id, leaf_index);
create index webhook_deliveries_state on webhook_deliveries (webhook_id, state, leaf_index);
create index webhook_deliveries_settled on webhook_deliveries (settle_time) where settle_time is not null;

create table webhook_attempts (
  webhook_id uuid not null,
  event_id uuid not null,
  sequence bigint not null,
  attempt bigint not null,                                        -- 1, 2, 3 ...
  start_time timestamptz not null,
  end_time timestamptz,                                           -- null: under way, or nobody will say any more
  http_status integer not null default 0,
  detail text not null default '',
  primary key (webhook_id, event_id, sequence, attempt)
) with (fillfactor = 70);

grant select, insert, update, delete on webhooks, webhook_deliveries, webhook_attempts to parley_service;
