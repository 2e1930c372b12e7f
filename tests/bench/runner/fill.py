"""Fills the databases of Parley by parley-bench-fill, faster than by calls."""

import subprocess

from system import BENCH, BIN, run, say, wait

# The columns that fill.cc writes, of each table.
COLUMNS = {
    "users": "user_id, address_key, local_part, domain, state, role, create_time",
    "event_parties": "event_id, user_id, position, local_part, salt",
    "events": "event_id, title, slots, state, revision, quorum, confirmed_by, time_zone, initiator_id, confirmed_ids, "
              "create_time, update_time, last_sequence, last_hash",
    "log_entries": "event_id, sequence, create_time, occurrence, effector_id, revision, slots, data, named, hash",
    # Last: from then on Parley's own sequencer puts the entries into the tree.
    "unsequenced_entries": "event_ids, sequences, hashes",
}

# More than a page of a list.
LISTED_ENTRIES = 60


def fill(parley, events, entries):
    """Adds events with so many entries each, of the benchmark's member and two other users; a file with their names for
    the generator of load."""
    say(f"{parley.database}: making {events} events with {entries} entries each")
    member = parley.sql("select user_id from users where address_key = 'member@example.com'")
    options = ("--member", member, "--users", parley.options.users, "--first", parley.events, "--events", events,
               "--entries", entries)
    for table, columns in COLUMNS.items():
        # The users of the first events are those of all.
        if table != "users" or parley.events == 0:
            copy(parley, table, columns, options)
    names = parley.state / f"names.{parley.events}"
    names.write_text(run(BIN / "parley-bench-fill", "names", *options))
    parley.events += events
    wait(600, lambda: sequenced(parley), "the tree of the log does not grow")
    parley.sql("vacuum analyze")
    return names


def copy(parley, table, columns, options):
    command = [str(word) for word in (BIN / "parley-bench-fill", table, *options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as rows:
        run(*parley.postgres.psql(parley.database, f"--command=copy {table} ({columns}) from stdin (format binary)"),
            stdin=rows.stdout)
    if rows.returncode:
        raise subprocess.CalledProcessError(rows.returncode, command)


def sequenced(parley):
    return parley.sql("""
        select checkpoint_size = (select coalesce(max(leaf_index) + 1, 0) from log_leaves)
               and not exists (select from unsequenced_entries) from log_tree""") == "t"


def fill_baseline(postgres, options):
    say("making the baseline's events")
    postgres.sql("postgres", "create database baseline owner parley_owner")
    postgres.sql("baseline", f"""
        set role parley_owner;
        {(BENCH / "baseline.sql").read_text()}
        insert into users (address, state, role)
          select 'user-' || n || '@example.com', 'ACTIVE', 'MEMBER' from generate_series(1, {options.users}) as n""")
    for events, entries in (options.events, 10), (options.listed, LISTED_ENTRIES):
        postgres.sql("baseline", (BENCH / "baseline_fill.sql").read_text(), f"--set=users={options.users}",
                     f"--set=events={events}", f"--set=entries={entries}")
    postgres.sql("baseline", "vacuum analyze")
