"""The same calls with many events and with few: of two Parleys on one PostgreSQL, in turn."""

import calls
from fill import fill
from system import say


def measure(bench):
    grown, small = (bench.start(name, bench.state / name) for name in ("grown", "small"))
    sides = [(grown, fill(grown, bench.options.grown, 10)), (small, fill(small, bench.options.events, 10))]
    before = [parley.rows() for parley, _ in sides]
    acknowledged = [[0, 0], [0, 0]]
    # First what leaves the events as they are, last what makes more of them.
    for method in ("list", "get", "confirm", "update", "create"):
        say(f"growth: {method}")
        rates = [], []
        for round_number in range(bench.options.rounds):
            for side in (0, 1) if round_number % 2 else (1, 0):
                parley, names = sides[side]
                bench.checkpoint()
                result = parley.load(method, *bench.times, *(() if method == "create" else ("--names-file", names)))
                rates[side].append(result["per_second"])
                for kind, rows in enumerate(calls.rows_of(method, result["answered"])):
                    acknowledged[side][kind] += rows
        bench.promises[f"grown: {method}"].measured(*rates)
    for (parley, _), rows, made in zip(sides, before, acknowledged):
        parley.check_rows(rows, *made)
        parley.end()
