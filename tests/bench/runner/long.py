"""Calls of events with long logs and of ones with short logs, as many of either at a time, so that calls meet on them
alike."""

from fill import LISTED_ENTRIES, fill
from system import say

# Pages of lists are as long on either side.
SHORT = {"list": LISTED_ENTRIES, "get": 10, "update": 10}
AT_A_TIME = 64


def measure(bench):
    # Of those with short logs there are more, so that they stay short.
    long, short = fill(bench.parley, AT_A_TIME, bench.options.long), fill(bench.parley, 50 * AT_A_TIME, SHORT["get"])
    for method, entries in SHORT.items():
        say(f"long: {method}")
        sides = (long, bench.options.long), (bench.listed if method == "list" else short, entries)
        results = [], []
        for round_number in range(bench.options.rounds):
            for side in (0, 1) if round_number % 2 else (1, 0):
                names, length = sides[side]
                bench.checkpoint()
                results[side].append(bench.parley.measure(
                    method, *bench.times, "--names-file", names, "--events", AT_A_TIME,
                    *("--entries", length) if method == "list" else ()))
        bench.compare(f"long: {method}", *results)
