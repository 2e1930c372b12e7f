-- A log that proves itself: each entry is chained to the one before it by a hash (proto/README.md, "The log as bytes"),
-- all entries are the leaves of one Merkle tree, and whoever an entry names stands in it as a commitment.
--
-- Services from before cannot append any more: stop them first (deploy/up restarts them at once).

lock table events, event_parties, log_entries in access exclusive mode;  -- in the order of those who write them

alter table log_entries
  add column named bytea not null default '',                     -- whom this entry is the first of its log to name
  add column hash bytea;

alter table events add column last_hash bytea;                    -- of the entry last_sequence

-- What is needed to show, and to check, the address behind a commitment: of parties, and of staff who stand on the log
-- of an event without being its party.
alter table event_parties add column salt bytea;
create table event_staff (
  event_id uuid not null,
  user_id uuid not null,
  local_part text not null,                                       -- as it was when the log first named the user
  salt bytea not null,
  primary key (event_id, user_id)
);
create index event_staff_user on event_staff (user_id, event_id);

-- A random UUID has 122 random bits: of two of them 128 are left.
update event_parties set salt = substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16);
insert into event_staff (event_id, user_id, local_part, salt)
  select s.event_id, s.user_id, u.local_part,
         substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16)
  from (
    select event_id, effector_id as user_id from log_entries
    union
    -- EntryData: field 1 is the e-mail token, field 2 who acted for the effector; 16 bytes each.
    select event_id, encode(substr(data, 3, 16), 'hex')::uuid from log_entries where substr(data, 1, 2) = '\x1210' and length(data) >= 18
    union
    select event_id, encode(substr(data, 21, 16), 'hex')::uuid from log_entries
    where substr(data, 1, 2) = '\x0a10' and substr(data, 19, 2) = '\x1210' and length(data) >= 36
  ) s
  join users u using (user_id)
  where not exists (select from event_parties p where p.event_id = s.event_id and p.user_id = s.user_id);
alter table event_parties alter column salt set not null;

-- Of the logs that are there the first entries name all.
update log_entries e set named = n.named
  from (
    select event_id, string_agg(uuid_send(user_id) || sha256(salt || convert_to(address, 'UTF8')), ''::bytea
                                order by position, user_id) as named
    from (
      select p.event_id, p.user_id, p.salt, p.local_part || '@' || u.domain as address, p.position
      from event_parties p join users u using (user_id)
      union all
      select s.event_id, s.user_id, s.salt, s.local_part || '@' || u.domain, 32767
      from event_staff s join users u using (user_id)
    ) a
    group by event_id
  ) n
  where e.event_id = n.event_id and e.sequence = 1;

do $$
declare
  entry record;
  event uuid;
  previous bytea;
begin
  for entry in
    select event_id, sequence,
           uuid_send(event_id) || int8send(sequence) || int8send((extract(epoch from create_time) * 1000000)::int8)
           || case occurrence when 'UPDATE' then '\x01'::bytea when 'NOTIFY' then '\x02' else '\x03' end
           || uuid_send(effector_id) || int8send(revision)
           || int4send(cardinality(slots))
           || coalesce((select string_agg(int8send((extract(epoch from lower(slot)) * 1000000)::int8)
                                          || int8send((extract(epoch from upper(slot)) * 1000000)::int8), ''::bytea
                                          order by position)
                        from unnest(slots) with ordinality as s (slot, position)), '')
           || int4send(length(data)) || data || int4send(length(named) / 48) || named as record
    from log_entries order by event_id, sequence
  loop
    if event is distinct from entry.event_id then
      event := entry.event_id;
      previous := decode(repeat('00', 32), 'hex');
    end if;
    -- 0 is a leaf's prefix (RFC 6962), 1 the version of the layout.
    previous := sha256('\x0001'::bytea || entry.record || previous);
    update log_entries set hash = previous where event_id = entry.event_id and sequence = entry.sequence;
  end loop;
end $$;
alter table log_entries alter column hash set not null, alter column named drop default;
update events e set last_hash = coalesce((select hash from log_entries l
                                          where l.event_id = e.event_id and l.sequence = e.last_sequence), '');
alter table events alter column last_hash set not null;

-- Entries that are not in the tree yet, a row for each statement that appended some. Its rows are seen, and taken, once
-- their transactions have committed, however late that is.
create table unsequenced_entries (
  event_ids uuid[] not null,
  sequences bigint[] not null,
  hashes bytea[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table unsequenced_entries alter column hashes set storage external;  -- what is random cannot be compressed

-- The leaves of the tree, in their order for ever.
create table log_leaves (
  leaf_index bigint primary key,
  event_id uuid not null,
  sequence bigint not null,
  hash bytea not null,                                            -- the entry's
  unique (event_id, sequence)                                     -- no entry is in the tree twice
);
insert into log_leaves (leaf_index, event_id, sequence, hash)
  select row_number() over (order by event_id, sequence) - 1, event_id, sequence, hash from log_entries;

-- The nodes of the tree above 2^height leaves, at the heights 8, 16, 24 ...
create table log_nodes (
  height smallint not null,
  position bigint not null,                                       -- 0, 1, 2 ... from the first leaf on
  hash bytea not null,
  primary key (height, position)
);

create table log_tree (
  is_one boolean primary key default true check (is_one),         -- there is one row
  origin text not null,                                           -- names the log in its checkpoints
  size bigint not null,                                           -- leaves whose nodes are there
  checkpoint text,                                                -- the last one, a signed note; null before the first
  checkpoint_size bigint not null,
  checkpoint_time timestamptz,
  verifier_key text                                               -- by which its signature is checked
);
insert into log_tree (origin, size, checkpoint_size) values ('parley/' || gen_random_uuid(), 0, 0);

grant select, insert on event_staff, log_leaves, log_nodes to parley_service;
grant select, insert, delete on unsequenced_entries to parley_service;
grant select, update (size, checkpoint, checkpoint_size, checkpoint_time, verifier_key) on log_tree to parley_service;
