"""What is measured, and what it is measured with: PostgreSQL, a Parley that was started on it, and the generators of
load. A command that fails ends everything."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
BENCH = TOP / "tests/bench"
POSTGRES = "/usr/lib/postgresql/15/bin/"
BIN = TOP / "build/bin"
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def say(what):
    print(what, file=sys.stderr, flush=True)


def run(*command, **options):
    """What the command prints."""
    command = [str(word) for word in command]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def wait(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"tests/bench/run: {what}")
        time.sleep(0.1)


def stat(pid):
    """The fields of /proc/.../stat behind the name: the state is the first."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def cpu_us(pid):
    return sum(int(field) for field in stat(pid)[11:13]) * TICK_US


def each(calls, before, after):
    """What was used for each of the calls."""
    return {name: (after[name] - before[name]) / calls for name in before}


def resident_kib(pid):
    return int(re.search(r"^VmRSS:\s*(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def place(state, name):
    """Where a state has what is not in its folder."""
    return re.search(rf"^{name}=(.*)", (state / "places").read_text(), re.M)[1]


class Postgres:
    """A cluster, which is started in a state folder."""

    def __init__(self, state):
        self.state = state
        run(TOP / "deploy/lib/cluster", "start", state, "--measured")
        self.host = place(state, "sockets") + "/postgresql"
        self.pid = int(run(TOP / "deploy/lib/cluster", "status", state))

    def url(self, user, database):
        return f"postgresql://{user}@/{database}?host={self.host}"

    def psql(self, database, *options):
        """The command, as the administrator."""
        return ["env", "PGOPTIONS=-c client_min_messages=warning -c search_path=parley,public", POSTGRES + "psql",
                "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
                f"--dbname={self.url('postgres', database)}", *options]

    def sql(self, database, statements, *options):
        return run(*self.psql(database, *options), input=statements).strip()

    def pgbench(self, name, connections, *options):
        """Runs baseline_NAME.sql on the database `baseline`."""
        before = self.used()
        said = run(POSTGRES + "pgbench", f"--host={self.host}", "--username=parley_owner", "--no-vacuum",
                   "--protocol=prepared", f"--file={BENCH}/baseline_{name}.sql", f"--client={connections}", "--jobs=2",
                   *options, "baseline", stderr=subprocess.DEVNULL)
        failed = re.search(r"^number of failed transactions: ([1-9]\d*)", said, re.M)
        if failed:
            sys.exit(f"tests/bench/run: pgbench: {failed[0]}")
        number = lambda what: float(re.search(rf"^{what}([0-9.]+)", said, re.M)[1])
        calls = number("number of transactions actually processed: ")
        return {"calls": calls, "per_second": number("tps = "), "average_ms": number("latency average = ")} | each(
            calls, before, self.used())

    def used(self):
        """The CPU time of all its processes so far, and what was written to the write-ahead log."""
        # Processes that have ended count for the first one.
        ticks = sum(int(field) for field in stat(self.pid)[11:15])
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                try:
                    ticks += sum(int(field) for field in stat(child)[11:13])
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return {"postgres_us": ticks * TICK_US,
                "wal_bytes": int(self.sql("postgres", "select pg_current_wal_insert_lsn() - '0/0'"))}


class Parley:
    """The services of a state folder, on a database of their own."""

    # All calls are one caller's, and nothing is to hold them back.
    SETTINGS = {
        "PARLEY_CALLS_PER_SECOND": "1000000", "PARLEY_BURST": "1000000", "PARLEY_VIEWS_PER_MINUTE": "1000000",
        "PARLEY_MAX_WATCHES": "1000000", "PARLEY_MAX_WATCHES_OF_CALLER": "1000000",
        "PARLEY_MAIL_FROM": "parley@example.com", "PARLEY_PUBLIC_ADDRESS": "https://parley.example.org",
        "PARLEY_SMTP_STARTTLS": "false", "PARLEY_MAILS_PER_SECOND": "1000000", "PARLEY_MAX_DAILY_MAILS": "1000000",
    }

    def __init__(self, postgres, state, database, options, settings):
        self.postgres, self.state, self.database, self.options = postgres, state, database, options
        self.address = free_address()
        if database != "parley":
            self.postgres.sql("postgres", f"create database {database} owner parley_owner")
        self.environment = os.environ | self.SETTINGS | settings | {
            "PARLEY_STATE": str(state), "PARLEY_GATEWAY_PORT": self.address.split(":")[1],
            "PARLEY_HTTP_PORT": free_address().split(":")[1],
            "PARLEY_DATABASE_URL": postgres.url("parley_service", database),
            "PARLEY_DATABASE_OWNER_URL": postgres.url("parley_owner", database)}
        run(TOP / "deploy/lib/start", env=self.environment)
        self.sockets = place(state, "sockets") + "/services"
        self.events = 0  # how many `fill` has made

    def end(self):
        """Also of its database nothing stays."""
        run(TOP / "deploy/down", "--wipe", env=self.environment)
        self.postgres.sql("postgres", f"drop database {self.database}")

    def sql(self, statements):
        return self.postgres.sql(self.database, statements)

    def rows(self):
        """How many events there are, and how many entries of logs."""
        return [int(count) for count in self.sql(
            "select (select count(*) from events), (select count(*) from log_entries)").split("|")]

    def check_rows(self, before, created, entries):
        """Each call that was acknowledged must have left its rows, and no other ones be there."""
        there = [after - former for after, former in zip(self.rows(), before)]
        if there != [created, entries]:
            sys.exit(f"tests/bench/run: {created} events and {entries} entries of logs were acknowledged, but "
                     f"{there[0]} and {there[1]} are there")

    def pid(self, service):
        return int((self.state / "processes" / service).read_text().split()[0])

    def command(self, service):
        """By which it was started, but for where it serves."""
        words = pathlib.Path(f"/proc/{self.pid(service)}/cmdline").read_text().split("\0")[:-1]
        listen = words.index("--listen")
        return words[:listen] + words[listen + 2:]

    def load_command(self, kind, *options, in_flight=None, address=None):
        return [str(word) for word in (
            BIN / "parley-bench-load", "--gateway", address or self.address, "--api-key-file",
            self.state / "keys/member", "--in-flight", in_flight or self.options.in_flight, "--users",
            self.options.users, kind, *options)]

    def load(self, kind, *options, **where):
        """What the generator says of its calls."""
        return json.loads(run(*self.load_command(kind, *options, **where)))

    def measure(self, kind, *options):
        """As load; also what was used for each call."""
        before = self.used()
        result = self.load(kind, *options)
        return result | each(result["answered"], before, self.used())

    def used(self):
        return {f"{service}_us": cpu_us(self.pid(service)) for service in ("gateway", "event", "token")} | (
            self.postgres.used())

    @contextlib.contextmanager
    def serving(self, name, address, *command, cpu=None):
        """Runs one more process for as long as the block lasts, from when it serves at the address on. Where there are two
        CPUs, on the one with this number alone, as deploy/lib/start does."""
        environment = {name: value for name, value in self.environment.items() if name != "PARLEY_DATABASE_OWNER_URL"}
        cpus = sorted(os.sched_getaffinity(0))
        if cpu is not None and len(cpus) == 2:
            command = "taskset", "--cpu-list", cpus[cpu], "chrt", "--batch", 0, *command
        command = [str(word) for word in (*command, "--listen", address)]
        with open(self.state / f"logs/{name}.log", "w") as log, subprocess.Popen(
                command, env=environment, stdout=log, stderr=log) as process:
            try:
                run(BIN / "parleyctl", "health", address, "--wait", 10)
                yield process
            finally:
                process.terminate()
