"""What each call costs in statements, commits and flushes of the write-ahead log, by PostgreSQL's own statistics: of
runs of their own, so that to count costs neither side anything in those that are timed."""

import time

import calls
from system import say

# A connection that is at rest tells what it has counted after as long.
TOLD = 11
COUNTED = "statements", "commits", "WAL flushes"


def measure(bench):
    bench.make_events()
    bench.postgres.sql("postgres", "create extension pg_stat_statements")
    time.sleep(TOLD)
    # What Parley does without calls is none of theirs.
    resting = of_parley(bench, lambda: 1, [0] * len(COUNTED))
    for method in calls.METHODS:
        say(f"counts: {method}")
        connections = bench.best_connections.get(method, 16)
        bench.details[f"{method}: Parley, in PostgreSQL a call"] = of_parley(bench, lambda: (
            bench.parley.load(method, *bench.times, *bench.events_of(method))["answered"]), resting.values())
        bench.details[f"{method}: pgbench, in PostgreSQL a call"] = of_pgbench(
            bench, lambda: calls.of_baseline(bench, method, connections)["calls"])


def of_parley(bench, load, resting):
    return count(bench, bench.parley.database, load, TOLD, resting)


def of_pgbench(bench, load):
    # Its connections have ended with it.
    return count(bench, "baseline", load, 0, [0] * len(COUNTED))


def count(bench, database, load, told, resting):
    bench.checkpoint()
    bench.postgres.sql("postgres", "alter system set pg_stat_statements.track = 'top'; select pg_reload_conf()")
    before = read(bench, database)
    answered = load()
    time.sleep(told)
    after = read(bench, database)
    bench.postgres.sql("postgres", "alter system reset pg_stat_statements.track; select pg_reload_conf()")
    return {name: max(0, end - begin - rest) / answered
            for name, begin, end, rest in zip(COUNTED, before, after, resting)}


def read(bench, database):
    return [int(field) for field in bench.postgres.sql("postgres", f"""
        select (select coalesce(sum(calls), 0) from pg_stat_statements where dbid = datid),
               xact_commit, wal_sync
        from pg_stat_database, pg_stat_wal where datname = '{database}'""").split("|")]
