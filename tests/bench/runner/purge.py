"""What calls notice of it when old rows of each kind that is kept for a time only are purged beside them."""

import tail
from system import say, wait

# The tables, the columns by which their rows are old, and rows that are old since then.
OLD = {
    "email_tokens": ("expire_time", """
        insert into email_tokens (email_token_id, event_id, user_id, key_hash, create_time, expire_time)
        select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), sha256(int8send(n)), now() - interval '300 days',
               now() - interval '200 days' + n * interval '1 second'
        from generate_series(1, {rows}) as n"""),
    "request_records": ("create_time", """
        insert into request_records (user_id, method, request_id, digest, result_ids, sequence, create_time)
        select gen_random_uuid(), 'parley.event.v1.CreateEventRequest', gen_random_uuid(), sha256(int8send(n)),
               array[gen_random_uuid()], 1, now() - interval '200 days' + n * interval '1 second'
        from generate_series(1, {rows}) as n"""),
    "delivery_attempts": ("start_time", """
        insert into delivery_attempts (notification_id, attempt, start_time, end_time, outcome, detail, recipient_id)
        select gen_random_uuid(), 1, begin, begin, 'ACCEPTED', '250 2.0.0 Ok', gen_random_uuid()
        from generate_series(1, {rows}) as n, lateral (
          select now() - interval '200 days' + n * interval '1 second' as begin) b"""),
}


def measure(bench):
    alone = rounds(bench)
    for table, (_, insert) in OLD.items():
        say(f"purge: making {bench.options.old} rows of {table}")
        bench.parley.sql(insert.format(rows=bench.options.old))
    bench.parley.sql("vacuum analyze")
    before = oldest(bench)
    # Each service looks once a minute; of the token service the e-mail tokens come first.
    wait(100, lambda: all(oldest(bench)[table] != before[table] for table in ("email_tokens", "delivery_attempts")),
         "nothing is purged")
    left = left_over(bench)
    beside = rounds(bench)
    purged = {table: left[table] - rows for table, rows in left_over(bench).items()}
    bench.promises["purge"].measured(beside, alone)
    bench.details["purged meanwhile"] = purged


def rounds(bench):
    return [tail.at_half(bench, "get")["p99_ms"] for _ in range(bench.options.rounds)]


def oldest(bench):
    return {table: bench.parley.sql(f"select min({column}) from {table}") for table, (column, _) in OLD.items()}


def left_over(bench):
    return {table: int(bench.parley.sql(f"select count(*) from {table} where {column} < now() - interval '100 days'"))
            for table, (column, _) in OLD.items()}
