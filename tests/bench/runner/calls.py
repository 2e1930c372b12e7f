"""The calls of each method against pgbench, which does the same on the textbook schema, one prepared statement and
commit for each call: with 8, 16 and 32 connections, of which the best counts."""

import statistics

from report import medians
from system import say

METHODS = {"create": "CreateEvent", "get": "GetEvent", "update": "UpdateEvent", "confirm": "ConfirmEvent",
           "list": "ListLogEntries"}


def measure(bench):
    bench.make_events()
    results = {}  # of each method and side, those of all rounds
    for round_number in range(bench.options.rounds):
        say(f"calls: round {round_number + 1} of {bench.options.rounds}")
        for method in METHODS:
            sides = [("parley", lambda: of_parley(bench, method))] + [
                (connections, lambda connections=connections: of_warm_baseline(bench, method, connections))
                for connections in bench.options.connections]
            # Neither side is always the first.
            for side, run in sides if round_number % 2 else reversed(sides):
                bench.checkpoint()
                results.setdefault((method, side), []).append(run())
    for method in METHODS:
        rates = {side: [result["per_second"] for result in results[method, side]]
                 for side in ("parley", *bench.options.connections)}
        parley = rates.pop("parley")
        best = max(rates, key=lambda side: statistics.median(rates[side]))
        bench.promises[method].measured(parley, rates[best], f"{best} connections")
        bench.details[f"{method}: calls/s of pgbench by connections"] = {
            str(side): statistics.median(values) for side, values in rates.items()}
        for side, name in ("parley", "Parley"), (best, "pgbench"):
            bench.details[f"{method}: {name}"] = medians(results[method, side])
        bench.peaks[method] = statistics.median(parley)
        bench.best_connections[method] = best


def of_parley(bench, method):
    rows = bench.parley.rows()
    result = bench.parley.measure(method, *bench.times, *bench.events_of(method))
    bench.parley.check_rows(rows, *rows_of(method, result["answered"]))
    return result


def rows_of(method, calls):
    """How many events and entries the calls make."""
    return calls if method == "create" else 0, 0 if method == "list" else calls


def of_baseline(bench, method, connections, seconds=None):
    return bench.postgres.pgbench(method, connections, f"--time={seconds or bench.options.seconds}", *bench.defines)


def of_warm_baseline(bench, method, connections):
    """What the first writes after a checkpoint cost counts for neither side."""
    of_baseline(bench, method, connections, 1)
    return of_baseline(bench, method, connections)
