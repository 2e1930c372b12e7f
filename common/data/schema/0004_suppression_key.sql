-- What the secret by which suppressed addresses are known makes of a constant: with another secret the notification
-- service does not start, since those who unsubscribed would be mailed again.
create table suppression_key (
  is_one boolean primary key default true check (is_one),         -- there is one row
  mac bytea not null
);

grant select, insert on suppression_key to parley_service;
