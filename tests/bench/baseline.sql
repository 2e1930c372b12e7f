-- The textbook schema that Parley's speed is compared with: one row for each thing, primary and foreign keys, the
-- smallest keys there are, nothing else. It is fixed: it stays as it is whatever becomes of Parley's own.

create table users (
  user_id bigint generated always as identity primary key,
  address text not null unique,
  state text not null,
  role text not null,
  create_time timestamptz not null default now()
);

create table events (
  event_id bigint generated always as identity primary key,
  title text not null,
  state text not null,
  revision bigint not null,
  quorum text not null,
  confirmed_by text not null,
  time_zone text not null,
  initiator_id bigint not null references users,
  create_time timestamptz not null,
  update_time timestamptz not null,
  last_sequence bigint not null
);

create table event_parties (
  event_id bigint not null references events,
  user_id bigint not null references users,
  position int not null,
  confirmed boolean not null,
  primary key (event_id, user_id)
);

create table event_slots (
  event_id bigint not null references events,
  start_time timestamptz not null,
  duration interval not null,
  primary key (event_id, start_time, duration)
);

create table log_entries (
  event_id bigint not null references events,
  sequence bigint not null,
  create_time timestamptz not null,
  occurrence text not null,
  effector_id bigint not null references users,
  revision bigint not null,
  data text not null,
  primary key (event_id, sequence)
);
