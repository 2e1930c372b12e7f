"""How long a service takes from its start until it serves, and what memory it needs when nobody calls."""

import datetime
import json
import time

from system import resident_kib

SERVICES = ("gateway", "event", "token", "notification")


def measure(bench):
    parley = bench.parley
    for service in SERVICES:
        seconds, memory = [], []
        for _ in range(5):
            # One more, with the arguments of the one that runs.
            command = parley.command(service)
            began = time.time()
            with parley.serving("started", f"unix:{parley.sockets}/started.sock", *command) as process:
                # At rest: what the start itself takes for a moment is no part of it.
                time.sleep(0.5)
                memory.append(resident_kib(process.pid) / 1024)
            seconds.append(serving_since(parley.state / "logs/started.log") - began)
        bench.promises[f"start: {service}"].measured(seconds)
        bench.promises[f"memory: {service}"].measured(memory)
        bench.details.setdefault("memory after load, MiB", {})[service] = resident_kib(parley.pid(service)) / 1024


def serving_since(log):
    """When it said that it serves, right before its health did."""
    line = next(line for line in map(json.loads, log.read_text().splitlines()) if line["message"] == "serving")
    return datetime.datetime.fromisoformat(line["time"]).timestamp()
