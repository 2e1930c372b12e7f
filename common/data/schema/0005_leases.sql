-- A mail costs few index entries: an attempt that begins changes no indexed column of its notification, one that ends
-- none of its own, and rows have room for their next versions beside them (heap-only updates).
--
-- Notification services from before cannot begin attempts any more, and do not see the leases of new ones.

-- What a recipient was sent, or may have been, within a day.
alter table delivery_attempts
  add column recipient_id uuid,
  set (fillfactor = 70);
update delivery_attempts a set recipient_id = n.recipient_id
  from notifications n where n.notification_id = a.notification_id;
alter table delivery_attempts alter column recipient_id set not null;
create index delivery_attempts_recipient on delivery_attempts (recipient_id, start_time);

alter table notifications
  add column lease_end_time timestamptz,                          -- until then an attempt is under way; null: none
  set (fillfactor = 50);
update notifications n set lease_end_time = next_attempt_time
  where state = 'PENDING' and exists (select from delivery_attempts a
                                      where a.notification_id = n.notification_id and a.outcome is null);
-- Lists by state. Nearly all are SENT: they need no index of their own.
drop index notifications_state;
create index notifications_unsent on notifications (state, notification_id) where state <> 'SENT';
-- Of an event there are few: notifications_event finds them, also those of one recipient.
drop index notifications_event_recipient;
drop index notifications_recipient_sent;
