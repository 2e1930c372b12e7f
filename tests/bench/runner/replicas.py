"""What it costs, on one machine, to have two gateways, two event and two token services instead of one of each."""

import contextlib
import json
import socket
import subprocess
import threading

from system import BIN, free_address, say

HOSTS = "127.0.0.1", "127.0.0.2"


def measure(bench):
    parley = bench.parley
    with contextlib.ExitStack() as stack:
        serve = lambda *what: stack.enter_context(parley.serving(*what))
        dns = stack.enter_context(names())
        ports = {service: free_address().split(":")[1] for service in ("event", "token")}
        for service, port in ports.items():
            for host in HOSTS:
                serve(f"{service}-{host}", f"{host}:{port}", *parley.command(service))
        one, two, other = free_address(), free_address(), free_address()
        serve("gateway-one", one, *gateway(parley, {name: f"{HOSTS[0]}:{port}" for name, port in ports.items()}))
        for address in two, other:
            serve(f"gateway-{address}", address, *gateway(
                parley, {name: f"dns://{dns}/{name}.parley.test:{port}" for name, port in ports.items()}))
        for method in "create", "get":
            say(f"replicas: {method}")
            rates = {(one,): [], (two, other): []}
            for round_number in range(bench.options.rounds):
                for addresses in reversed(rates) if round_number % 2 else rates:
                    bench.checkpoint()
                    rates[addresses].append(rate(bench, method, addresses))
            bench.promises[f"replicas: {method}"].measured(rates[two, other], rates[one,])


def gateway(parley, addresses):
    return (BIN / "parley-gateway", "--principal-secrets-file", parley.state / "keys/principal-secrets",
            "--token-address", addresses["token"], "--routes",
            ",".join(f"parley.{name}.={address}" for name, address in addresses.items()))


def rate(bench, method, addresses):
    """Of all of them together, with as many calls under way as in other runs."""
    commands = [bench.parley.load_command(method, *bench.times, *bench.events_of(method), address=address,
                                          in_flight=bench.options.in_flight // len(addresses)) for address in addresses]
    loads = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    results = [json.loads(load.communicate()[0] or "{}") for load in loads]
    for load in loads:
        if load.returncode:
            raise subprocess.CalledProcessError(load.returncode, load.args)
    return sum(result["per_second"] for result in results)


@contextlib.contextmanager
def names():
    """A name server for which each name is that of all the hosts (RFC 1035, 4.1)."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        yield "127.0.0.1:%d" % server.getsockname()[1]


def answer(server):
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5  # of the question: a name, its type, its class
        is_a = query[end - 4:end - 2] == b"\0\1"
        # The name as a pointer to the question, A, IN, a second to live, four bytes.
        records = [b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(host) for host in HOSTS] if is_a else []
        server.sendto(query[:2] + b"\x81\x80\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0" + query[12:end] +
                      b"".join(records), client)
