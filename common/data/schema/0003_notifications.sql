-- Notifications that can be followed: why there is one, what its mail did to the recipient's calendar, addresses that
-- are sent nothing, and events whose calendar entries are to be taken back.

alter table notifications
  add column cause text not null default 'NOTIFY_PARTIES'
    check (cause in ('NOTIFY_PARTIES', 'REQUEST_EMAIL_TOKEN', 'CANCEL_CALENDAR_ENTRY')),
  add column pending_since timestamptz;                           -- made, or retried; it is given up so long after it
update notifications set pending_since = create_time;
update notifications set cause = 'REQUEST_EMAIL_TOKEN' where requested;
alter table notifications
  alter column cause drop default,
  alter column pending_since set not null,
  drop column requested;

-- Lists by state; the limits of a day and what a party's calendar holds; what a recipient was sent: next_attempt_time
-- says when, where the state is SENT.
create index notifications_state on notifications (state, notification_id);
create index notifications_event_recipient on notifications (event_id, recipient_id, create_time);
create index notifications_recipient_sent on notifications (recipient_id, next_attempt_time) where state = 'SENT';

alter table delivery_attempts
  add column calendar_method text check (calendar_method in ('REQUEST', 'CANCEL')),  -- of the mail's iCalendar part
  add column calendar_sequence bigint;                            -- and its SEQUENCE

-- Each mail writes into these: a foreign key would look at, and lock, rows that are never deleted.
alter table notifications
  drop constraint notifications_event_id_fkey,
  drop constraint notifications_recipient_id_fkey,
  drop constraint notifications_sender_id_fkey;
alter table delivery_attempts drop constraint delivery_attempts_notification_id_fkey;
alter table email_tokens drop constraint email_tokens_event_id_fkey, drop constraint email_tokens_user_id_fkey;

-- Addresses that are sent nothing.
create table suppressions (
  suppression_id uuid primary key,
  address_mac bytea not null unique,                              -- a keyed hash: no address stands here
  reason text not null check (reason in ('UNSUBSCRIBED', 'ADDRESS_REFUSED')),
  detail text not null,                                           -- what the mail server said
  create_time timestamptz not null
);

-- The entries of the log by which an event was deleted, reopened or abandoned, until the notification service has
-- taken back the calendar entries of that event. Written along with the log's entry.
create table ended_events (
  event_id uuid not null,
  sequence bigint not null,
  next_attempt_time timestamptz not null,                         -- when to look at it (again)
  primary key (event_id, sequence)
);
create index ended_events_due on ended_events (next_attempt_time);

grant select, insert, update, delete on suppressions, ended_events to parley_service;
