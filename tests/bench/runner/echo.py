"""What the gateway costs: a service that answers at once, through a gateway that knows its contract, and direct."""

from system import BIN, cpu_us, free_address


def measure(bench):
    parley = bench.parley
    direct, through = free_address(), free_address()
    # The gateway reaches services as it does in deploy/.
    behind = f"unix:{parley.sockets}/echo.sock"
    gateway = (BIN / "parley-bench-gateway", "--principal-secrets-file", parley.state / "keys/principal-secrets",
               "--token-address", f"unix:{parley.sockets}/token.sock", "--routes", f"parley.bench.={behind}")
    rates, gateway_us = {direct: [], through: []}, []
    with (parley.serving("echo", direct, BIN / "parley-bench-echo", cpu=1),
          parley.serving("echo-behind", behind, BIN / "parley-bench-echo", cpu=1),
          parley.serving("echo-gateway", through, *gateway, cpu=0) as process):
        for round_number in range(bench.options.rounds):
            for address in (through, direct) if round_number % 2 else (direct, through):
                before = cpu_us(process.pid)
                result = parley.load("echo", *bench.times, address=address)
                rates[address].append(result["per_second"])
                if address == through:
                    gateway_us.append((cpu_us(process.pid) - before) / result["answered"])
    bench.promises["echo"].measured(rates[through], rates[direct])
    bench.promises["echo: gateway"].measured(gateway_us)
