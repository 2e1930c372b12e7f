"""A mail server that does as it is told: Debian's aiosmtpd, with faults. For tests.

Each mail that it was sent, whatever it said of it, is one .eml file in the folder, named so that names sort by arrival.
Its first lines say how it came: X-MailFrom, X-RcptTo, X-Connection (1, 2, 3 ...), X-Tls and X-Login.

Recipients whose local part starts with `refuse` are refused for good (550 5.1.1), with `defer` for now (451), with
`reply-` for good by what follows it: `reply-5.1.0` by 550 5.1.0.
"""

import argparse
import asyncio
import itertools
import os
import signal
import ssl
import time

from aiosmtpd.smtp import SMTP, AuthResult

FAULTS = (
    "none",
    "slow",  # each reply comes late
    "hang-at-greeting",  # says nothing at all
    "refuse-greeting",  # 554
    "refuse-login",  # 530 to MAIL
    "refuse-sender",  # 550 5.1.1 to MAIL
    "close-before-mail",  # closes in place of a reply to DATA
    "close-amid-mail",  # closes when a part of the mail has come
    "close-after-mail",  # takes the mail, and closes without a reply
    "hang-after-mail",  # takes the mail, and says nothing
    "refuse-mail",  # 554 to the mail as a whole, in several lines
    "defer-mail",  # 451 to the mail as a whole
    "close-after-reply",  # takes the mail, says so, and closes
)


class Server(SMTP):
    """One connection."""

    def __init__(self, settings, number, **options):
        super().__init__(Keeper(settings, self), hostname="localhost", **options)
        self.settings = settings
        self.number = number
        self.fault = settings.fault if number <= settings.times else "none"

    async def push(self, status):
        if self.fault == "slow":
            await asyncio.sleep(self.settings.delay)
        await super().push(status)

    async def _handle_client(self):
        if self.fault == "hang-at-greeting":
            await asyncio.Event().wait()
        if self.fault == "refuse-greeting":
            await self.push("554 no service")
            self.transport.close()
            return
        await super()._handle_client()

    async def smtp_DATA(self, arg):
        if self.fault == "close-before-mail":
            self.transport.close()
            return
        if self.fault == "close-amid-mail":
            await self.push("354 go on")
            await self._reader.readuntil()
            self.transport.abort()
            return
        await super().smtp_DATA(arg)
        self.settings.moment("accepted")
        if self.fault == "close-after-reply":
            self.transport.close()


class Keeper:
    def __init__(self, settings, server):
        self.settings = settings
        self.server = server

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.server.fault == "refuse-login":
            return "530 5.7.0 authentication required"
        if self.server.fault == "refuse-sender":
            return "550 5.1.1 we do not know you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refuse"):
            return "550 5.1.1 there is no such mailbox"
        if address.startswith("reply-"):
            return f"550 {address.removeprefix('reply-').partition('@')[0]} is what {address} is replied"
        if address.startswith("defer"):
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.settings.keep(self.server, session, envelope)
        self.settings.moment("data")
        if self.server.fault == "close-after-mail":
            self.server.transport.close()
            await asyncio.Event().wait()
        if self.server.fault == "hang-after-mail":
            await asyncio.Event().wait()
        if self.server.fault == "refuse-mail":
            return "554-5.6.0 not for <bob@example.com>\r\n554 5.6.0 at all"
        if self.server.fault == "defer-mail":
            return "451 4.2.2 the mailbox of <bob@example.com> is full"
        return "250 OK"


def all_stopped(pid):
    """Whether all threads of the process are (proc(5): the state stands behind the name, which is in brackets)."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as file:
            if file.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True


class Settings:
    def __init__(self, arguments):
        self.folder = arguments.folder
        self.fault = arguments.fault
        self.times = arguments.times
        self.delay = arguments.delay_ms / 1000
        self.login = arguments.login
        self.signal_file = arguments.signal_file
        self.mails = itertools.count(1)

    def keep(self, server, session, envelope):
        head = f"X-MailFrom: {envelope.mail_from}\r\n"
        head += "".join(f"X-RcptTo: {address}\r\n" for address in envelope.rcpt_tos)
        head += f"X-Connection: {server.number}\r\n"
        head += f"X-Tls: {'yes' if session.ssl or server.transport.get_extra_info('sslcontext') else 'no'}\r\n"
        head += f"X-Login: {session.auth_data or 'none'}\r\n"
        name = f"{time.time_ns():020}-{next(self.mails):06}.eml"
        # A reader never sees half a mail.
        temporary = os.path.join(self.folder, f".{name}.new")
        with open(temporary, "wb") as file:
            file.write(head.encode() + envelope.original_content)
        os.rename(temporary, os.path.join(self.folder, name))

    def moment(self, name):
        """Sends a signal to the process whose moment has come: `data 123 9` in the file. Once."""
        if not self.signal_file or not os.path.exists(self.signal_file):
            return
        with open(self.signal_file, encoding="ascii") as file:
            wanted, pid, number = file.read().split()
        if wanted != name:
            return
        os.remove(self.signal_file)
        os.kill(int(pid), int(number))
        # One thread after the other stops: a reply might still find one at work.
        until = time.monotonic() + 10
        while int(number) == signal.SIGSTOP and not all_stopped(pid) and time.monotonic() < until:
            time.sleep(0.001)

    def check_login(self, server, session, envelope, mechanism, data):
        name, password = self.login.split(":", 1)
        good = data.login == name.encode() and data.password == password.encode()
        # One that is not handled is refused, with 535.
        return AuthResult(success=good, handled=good, auth_data=data.login.decode("ascii", "replace"))


async def serve(arguments):
    settings = Settings(arguments)
    options = {}
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
    if context and not arguments.tls:
        options["tls_context"] = context
    if settings.login:
        options.update(authenticator=settings.check_login, auth_required=True)
        # Whoever speaks TLS from the first byte has it.
        options["auth_require_tls"] = not arguments.tls
    connections = itertools.count(1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(settings, next(connections), **options), "127.0.0.1", 0,
        ssl=context if arguments.tls else None)
    port = server.sockets[0].getsockname()[1]
    with open(arguments.port_file + ".new", "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    os.rename(arguments.port_file + ".new", arguments.port_file)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description="A mail server that does as it is told.")
    parser.add_argument("--folder", required=True, help="where the mails go")
    parser.add_argument("--port-file", required=True, help="written once the server listens")
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--times", type=int, default=1000, help="from a later connection on it takes every mail")
    parser.add_argument("--delay-ms", type=int, default=0, help="how late a slow reply is")
    parser.add_argument("--certificate", help="offers STARTTLS with it, or begins with TLS where --tls is given")
    parser.add_argument("--key")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--login", help="name:password; without it nothing is taken")
    parser.add_argument("--signal-file", help="`data PID SIGNAL` or `accepted ...`: a signal for whom, and when")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
