"""The part of tests/bench/run that measures."""

import argparse
import fcntl
import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import calls
import checkpoints
import counts
import echo
import growth
import long
import mails
import purge
import replicas
import report
import start
import tail
import watchers
from calls import METHODS
from fill import LISTED_ENTRIES, fill, fill_baseline
from report import Promise
from system import TOP, Parley, Postgres, free_address, run, say

# In the order in which they are measured.
PARTS = {module.__name__: module for module in (
    calls, counts, tail, echo, growth, long, checkpoints, watchers, mails, purge, replicas, start)}
QUICK = ("calls", "tail", "echo", "checkpoints", "watchers", "mails", "start")


def promises(options):
    grown = f"{options.grown:,} events against {options.events:,}"
    return {
        "create": Promise("CreateEvent (3 parties, 3 slots)", "/s", at_least=1.2),
        "get": Promise("GetEvent with its VIEW entry", "/s", at_least=1.2),
        "update": Promise("UpdateEvent (three new slots)", "/s", at_least=1.0),
        "confirm": Promise("ConfirmEvent", "/s", at_least=1.0),
        "list": Promise("ListLogEntries, page of 50", "/s", at_least=0.6),
        "echo": Promise("echo through the gateway against direct", "/s", at_least=0.3),
        "echo: gateway": Promise("echo: CPU of the gateway for a call", " us", at_most=70),
        **{f"grown: {method}": Promise(f"{grown}: {name}", "/s", at_least=0.85) for method, name in METHODS.items()},
        **{f"long: {method}": Promise(f"a log of {options.long:,} entries against {short}: {METHODS[method]}", "/s",
                                      at_least=0.9)
           for method, short in long.SHORT.items()},
        **{f"tail: {method}": Promise(f"{METHODS[method]} at half of the peak: p99 against p50", " ms", at_most=5)
           for method in tail.METHODS},
        "checkpoint": Promise("an entry is in a checkpoint, at most", " ms", at_most=1000),
        "memory of watchers: event": Promise("a watcher's memory in event", " KiB", at_most=20),
        "memory of watchers: gateway": Promise("a watcher's memory in the gateway", " KiB", at_most=40),
        "watchers told": Promise("all watchers are told of an entry, at most", " ms", at_most=1000),
        "calls beside watchers": Promise("GetEvent's p99 beside watchers against without", " ms", at_most=2),
        "dispatch": Promise("mails to a local SMTP sink", "/s", at_least=0.5),
        "dispatch, kept connections": Promise("the same, the baseline keeps its connections", "/s"),
        "purge": Promise("GetEvent's p99 while old rows are purged against without", " ms", at_most=2),
        **{f"replicas: {method}": Promise(f"{METHODS[method]}: two of each service against one", "/s")
           for method in ("create", "get")},
        **{f"start: {service}": Promise(f"start to SERVING: {service}", " s", at_most=0.5)
           for service in start.SERVICES},
        **{f"memory: {service}": Promise(f"memory at rest: {service}", " MiB", at_most=40)
           for service in start.SERVICES},
    }


def count(text):
    """Of what there must be one at least."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: must be a number from 1 on")
    return int(text)


def parts(text):
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(map(repr, unknown))}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def parse():
    what = "\n".join(f"  {name:12} {PARTS[name].__doc__.split('.')[0].split(': ')[0]}".replace("\n", f"\n{'':15}")
                     for name in PARTS)
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures what Parley promises of its speed. As root, or with all packages there already. Exits with\n"
                    "0 where all could be measured, whether it is kept or not.",
        epilog=f"parts:\n{what}\n\n--quick measures {', '.join(QUICK)}, unless --only names others.")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--only", type=parts, metavar="PART,...", help="measure these parts, in the order in which they stand below")
    parser.add_argument("--rounds", type=count, metavar="N", help="how often all is measured; the median counts (5; quick: 1)")
    parser.add_argument("--seconds", type=count, metavar="S", help="how long calls are made each time (5; quick: 1)")
    parser.add_argument("--in-flight", type=count, default=64, metavar="N", help="calls under way at any time (64)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the file for what was measured (build/bench.json)")
    options = parser.parse_args()
    try:
        if options.json:
            options.json.open("a").close()
    except OSError as error:
        parser.error(f"--json: {error}")
    quick = options.quick
    options.json = options.json or TOP / "build/bench.json"
    options.only = options.only or (QUICK if quick else list(PARTS))
    options.rounds = options.rounds or (1 if quick else 5)
    options.seconds = options.seconds or (1 if quick else 5)
    options.warm_up = 0.5 if quick else 1
    options.connections = (8, 16, 32)
    options.users = 10000
    options.events = 2000 if quick else 10000
    options.listed = 500
    options.grown = 20000 if quick else 1000000
    options.long = 1000 if quick else 10000
    options.watchers = 500 if quick else 5000
    options.old = 100000 if quick else 1000000
    options.mails = 2000 if quick else 20000
    return options


class Bench:
    """What is measured, and what was."""

    def __init__(self, options, state, sink):
        self.options, self.state, self.sink, self.promises, self.details = options, state, sink, promises(options), {}
        # By method: calls in a second, and the number of connections at which pgbench is the fastest.
        self.peaks, self.best_connections = {}, {}
        self.postgres = Postgres(state)
        self.parley = self.start("parley", state)
        # Their names; with them come the users, so that no call that counts meets a new one.
        self.events = fill(self.parley, options.events, 10)
        self.times = "--seconds", options.seconds, "--warm-up", options.warm_up
        self.defines = [f"--define={name}={getattr(options, name)}" for name in ("users", "events", "listed")]

    def start(self, database, state):
        """A Parley of its own on the same PostgreSQL."""
        return Parley(self.postgres, state, database, self.options, {
            "PARLEY_SMTP_URL": f"smtp://{self.sink}", "PARLEY_SENDERS": str(mails.SENDERS)})

    @functools.cached_property
    def listed(self):
        """Names of events with more entries than a page."""
        return fill(self.parley, self.options.listed, LISTED_ENTRIES)

    @functools.cached_property
    def baseline(self):
        fill_baseline(self.postgres, self.options)

    def make_events(self):
        """On either side, those that there are not yet."""
        return self.listed, self.baseline

    def events_of(self, method):
        if method == "list":
            return "--names-file", self.listed, "--entries", LISTED_ENTRIES
        return () if method == "create" else ("--names-file", self.events)

    def peak(self, method):
        """Calls in a second."""
        if method not in self.peaks:
            self.peaks[method] = self.parley.load(method, *self.times, *self.events_of(method))["per_second"]
        return self.peaks[method]

    def compare(self, name, parley, baseline):
        """The rates of two sides' rounds, both of them Parley's, and what calls used on each."""
        rates = ([result["per_second"] for result in results] for results in (parley, baseline))
        self.promises[name].measured(*rates)
        for side, results in ("Parley", parley), ("baseline", baseline):
            self.details[f"{name}, {side}"] = report.medians(results)

    def checkpoint(self):
        """What was written before is written out, and concerns no later round."""
        self.postgres.sql("postgres", "checkpoint")

    def about(self):
        model = next((line.split(": ")[1] for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), "unknown")
        settings = json.loads(self.postgres.sql("postgres", """
            select json_object_agg(name, current_setting(name) order by name) from pg_settings
            where name in ('fsync', 'full_page_writes', 'max_wal_size', 'server_version', 'shared_buffers',
                           'synchronous_commit', 'wal_compression', 'wal_sync_method')"""))
        return {
            "machine": {"cores": os.cpu_count(), "processor": model, "load average before": self.load_average},
            "settings": {name: getattr(self.options, name) for name in (
                "quick", "rounds", "seconds", "in_flight", "users", "events", "grown", "long", "old", "watchers",
                "mails")},
            "PostgreSQL": settings,
        }


def prepare(state):
    """Everything that is needed, and nothing that a run that was killed has left. Answers with the lock that keeps
    others away for as long as it is open."""
    state.parent.mkdir(mode=0o700, exist_ok=True)
    lock = open(state.parent / "bench.lock", "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("tests/bench/run: another one is under way in this clone")
    for command in (["packages", TOP / "deploy/packages", TOP / "deploy/packages-postfix"],
                    ["build", "services", "parley-bench-load", "parley-bench-fill", "parley-bench-echo",
                     "parley-bench-gateway"]):
        if subprocess.run([TOP / "deploy/lib" / command[0], *command[1:]], stdout=sys.stderr).returncode:
            sys.exit(1)  # the reason was told
    run(TOP / "deploy/down", "--wipe")
    return lock


def main():
    options = parse()
    state = pathlib.Path(os.environ["PARLEY_STATE"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began, load_average = time.monotonic(), os.getloadavg()[0]
    lock = prepare(state)
    commit = subprocess.run(["git", "-c", "safe.directory=*", "-C", TOP, "describe", "--always", "--dirty"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip() or "unknown"
    sink = free_address()
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    with lock, subprocess.Popen(["/usr/sbin/smtp-sink", *user, sink, "1024"], stderr=subprocess.DEVNULL) as sinking:
        try:
            bench = Bench(options, state, sink)
            bench.load_average = load_average
            for part in options.only:
                say(f"== {part}")
                PARTS[part].measure(bench)
            about = bench.about()
        finally:
            # Whoever is in a hurry would leave all of it running.
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_IGN)
            sinking.terminate()
            run(TOP / "deploy/down", "--wipe")
    about["run"] = {"commit": commit, "end": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "seconds": round(time.monotonic() - began)}
    measured = [promise for promise in bench.promises.values() if promise.parley]
    print(report.text(measured, bench.details, about))
    if options.quick:
        print("A first look: one short round, with little data, decides nothing.")
    report.write(measured, bench.details, about, options.json)


try:
    main()
except subprocess.CalledProcessError as error:
    sys.exit(f"tests/bench/run: {error}")
except KeyboardInterrupt:
    sys.exit(128 + signal.SIGINT)
