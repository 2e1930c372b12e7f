"""What thousands of open watchers cost: memory, the time until all are told of a change, and what they do to other
calls."""

import json
import subprocess
import sys

from system import resident_kib, say


def measure(bench):
    watchers = bench.options.watchers
    bench.details["watchers"] = {"number": watchers}
    alone = views(bench)
    # After calls: what a process takes for those is none of the watchers'.
    memory = {service: resident_kib(bench.parley.pid(service)) for service in ("event", "gateway")}
    command = bench.parley.load_command("watch", "--watchers", watchers, "--seconds", bench.options.seconds)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        say("watchers: opening them")
        # A line once all are open, and one once they have been told of the changes; they stay until they are told to
        # end.
        if watching.stdout.readline() != "open\n":
            sys.exit("tests/bench/run: the watchers failed")
        for service in memory:
            each = (resident_kib(bench.parley.pid(service)) - memory[service]) / watchers
            bench.promises[f"memory of watchers: {service}"].measured([each])
        told = json.loads(watching.stdout.readline() or sys.exit("tests/bench/run: the watchers failed"))
        bench.promises["watchers told"].measured([told["max_ms"]])
        bench.details["watchers"] |= {"p50_ms": told["p50_ms"], "changes": told["changes"]}
        bench.promises["calls beside watchers"].measured(views(bench), alone)
        watching.communicate("end\n")
    if watching.returncode:
        sys.exit("tests/bench/run: the watchers failed")


def views(bench):
    """The p99 of some calls in their rounds, well below what Parley can do."""
    return [bench.parley.load("get", *bench.times, "--names-file", bench.events, in_flight=8)["p99_ms"]
            for _ in range(bench.options.rounds)]
