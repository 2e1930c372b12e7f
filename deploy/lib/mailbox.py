"""A mail server for one machine: takes every mail by SMTP and keeps it as a file.

Each mail is one .eml file (mode 0600) in the folder, named so that names sort by arrival; `X-RcptTo` says for whom it
was. Run it with /usr/bin/python3, for which Debian's python3-aiosmtpd is made.
"""

import argparse
import itertools
import os
import signal
import time

from aiosmtpd.controller import Controller


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.count = itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        head = f"X-MailFrom: {envelope.mail_from}\r\n"
        head += "".join(f"X-RcptTo: {address}\r\n" for address in envelope.rcpt_tos)
        name = f"{time.time_ns():020}-{next(self.count):06}.eml"
        # A reader never sees half a mail.
        temporary = os.path.join(self.folder, f".{name}.new")
        with open(temporary, "wb") as file:
            file.write(head.encode() + envelope.original_content)
        os.rename(temporary, os.path.join(self.folder, name))
        return "250 OK"


class MailServer(Controller):
    """A Controller that can be told to take any free port, and says which one it got."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def main():
    parser = argparse.ArgumentParser(description="A mail server that keeps every mail as a file.")
    parser.add_argument("--folder", required=True, help="where the mails go")
    parser.add_argument("--port", type=int, default=0, help="0 stands for any free one")
    parser.add_argument("--port-file", required=True, help="written once the server listens")
    arguments = parser.parse_args()

    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    os.makedirs(arguments.folder, exist_ok=True)
    server = MailServer(Keeper(arguments.folder), hostname="127.0.0.1", port=arguments.port)
    server.start()
    with open(arguments.port_file + ".new", "w", encoding="ascii") as file:
        file.write(f"{server.port}\n")
    os.rename(arguments.port_file + ".new", arguments.port_file)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


if __name__ == "__main__":
    main()
