"""The same calls with many events and with few: of two Parleys on one PostgreSQL, in turn."""

import calls
from fill import fill
from system import say

ENTRIES = 10  # of each event


def measure(bench):
    grown, small = (bench.start(name, bench.state / name) for name in ("grown", "small"))
    sides = [(grown, fill(grown, bench.options.grown, ENTRIES)), (small, fill(small, bench.options.events, ENTRIES))]
    before = [parley.rows() for parley, _ in sides]
    acknowledged = [[0, 0], [0, 0]]
    # First what leaves the events as they are, last what makes more of them.
    for method in ("list", "get", "confirm", "update", "create"):
        say(f"growth: {method}")
        results = [], []
        for round_number in range(bench.options.rounds):
            for side in (0, 1) if round_number % 2 else (1, 0):
                parley, names = sides[side]
                bench.checkpoint()
                results[side].append(parley.measure(
                    method, *bench.times, *() if method == "create" else ("--names-file", names),
                    *("--entries", ENTRIES) if method == "list" else ()))
                for kind, rows in enumerate(calls.rows_of(method, results[side][-1]["answered"])):
                    acknowledged[side][kind] += rows
        bench.compare(f"grown: {method}", *results)
    for (parley, _), rows, made in zip(sides, before, acknowledged):
        parley.check_rows(rows, *made)
        parley.end()
