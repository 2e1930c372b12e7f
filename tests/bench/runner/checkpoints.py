"""How long it takes, while events are created as fast as they can be, until a signed checkpoint has an entry."""

import json
import subprocess

from system import run


def measure(bench):
    seconds = bench.options.rounds * bench.options.seconds
    creating = subprocess.Popen(bench.parley.load_command("create", "--seconds", seconds), stdout=subprocess.PIPE)
    with creating:
        lag = bench.parley.load("lag", "--seconds", seconds)
        created = json.loads(creating.stdout.read())
    if creating.returncode:
        raise subprocess.CalledProcessError(creating.returncode, creating.args)
    bench.promises["checkpoint"].measured([lag["max_ms"]])
    bench.details["checkpoints"] = {"p50_ms": lag["p50_ms"], "entries": lag["entries"],
                                    "events/s meanwhile": created["per_second"]}
