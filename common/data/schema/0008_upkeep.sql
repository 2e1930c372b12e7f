-- What keeps the queue of the tree and erasures quick beside long readers and long work.

-- An entry waits for the tree under the transaction that appended it. Transactions below taken_below were all over when
-- the tree last grew, so that none of theirs waits any more, and rows of theirs need no look: those that were taken stay
-- in the table as long as a reader (an export, a copy of the database) was there before. All this within one cluster:
-- in another one, numbers of transactions begin anew.
alter table unsequenced_entries add column transaction_id xid8 not null default pg_current_xact_id();
create index unsequenced_entries_transaction on unsequenced_entries (transaction_id);
alter table log_tree
  add column taken_below xid8 not null default '0',
  add column taken_in bigint not null default 0;                  -- the cluster's system identifier
grant update (taken_below, taken_in) on log_tree to parley_service;

-- There are few, and they take turns.
drop index erasures_due;

-- Statistics are a place too where the address of an erased person would stay. Giving a column its type again drops
-- those that are there.
alter table users
  alter column address_key set statistics 0, alter column address_key type text,
  alter column local_part set statistics 0, alter column local_part type text;
alter table event_parties alter column local_part set statistics 0, alter column local_part type text;
alter table event_staff alter column local_part set statistics 0, alter column local_part type text;
