"""How long calls take at half of the rate that Parley reaches at most: they begin when they are due, whatever is under
way."""

from report import number
from system import say

METHODS = ("create", "get", "update")


def measure(bench):
    for method in METHODS:
        say(f"tail: {method}")
        p99, p50 = [], []
        for _ in range(bench.options.rounds):
            result = at_half(bench, method)
            p99.append(result["p99_ms"])
            p50.append(result["p50_ms"])
        bench.promises[f"tail: {method}"].measured(p99, p50, f"at {number(bench.peak(method) / 2)}/s")


def at_half(bench, method):
    bench.checkpoint()
    return bench.parley.load(method, *bench.times, *bench.events_of(method), "--rate", f"{bench.peak(method) / 2:.0f}")
