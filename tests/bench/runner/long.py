"""Calls of events with long logs and of ones with short logs, as many of either at a time, so that calls meet on them alike."""

from fill import fill
from system import say

# Pages of lists are as long on either side.
SHORT = {"list": "60", "get": "10", "update": "10"}
AT_A_TIME = 64


def measure(bench):
    # Of those with short logs there are more, so that they stay short.
    long, short = fill(bench.parley, AT_A_TIME, bench.options.long), fill(bench.parley, 50 * AT_A_TIME, 10)
    for method in SHORT:
        say(f"long: {method}")
        files = long, bench.listed if method == "list" else short
        rates = [], []
        for round_number in range(bench.options.rounds):
            for side in (0, 1) if round_number % 2 else (1, 0):
                bench.checkpoint()
                rates[side].append(bench.parley.load(method, *bench.times, "--names-file", files[side], "--events",
                                                     AT_A_TIME)["per_second"])
        bench.promises[f"long: {method}"].measured(*rates)
