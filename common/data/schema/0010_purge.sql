-- What is kept for a time only goes in the order of time, each step beginning where the last one ended. A block range
-- index is no such order any more once rows of all ages share the blocks that others have left.
drop index request_records_create_time;
create index request_records_create_time on request_records (create_time);
create index delivery_attempts_start_time on delivery_attempts (start_time);

-- What is left of attempts that were purged: the highest SEQUENCE of a REQUEST that the recipient may have been sent, and
-- of a CANCEL that was accepted (N7).
alter table notifications
  add column calendar_request bigint,
  add column calendar_cancel bigint;

grant delete on delivery_attempts to parley_service;
