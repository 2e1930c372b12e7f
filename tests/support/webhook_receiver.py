#!/usr/bin/python3
"""A receiver of webhooks: takes HTTPS requests, writes each to a file, and answers as it is told.

What to do stands, by path, in FOLDER/do.json, which is read for each request: a status (`500`), `redirect`
(302 to /redirected), `hang` (no answer), `close` (the connection is closed without one), `cut` (200, and then a body
that is cut off), `flood` (200 with a body without end), `flood-headers` (200 with headers without end), `bare` (200 with
lines that end without \\r). 200 for other paths.
"""

import argparse
import http.server
import itertools
import json
import os
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # whoever called has gone

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.split("?")[0]
        self.server.keep({"method": self.command, "path": path, "target": self.path, "body": body.decode(),
                          "headers": {name.lower(): value for name, value in self.headers.items()}})
        what = self.server.what(path)
        if what == "hang":
            self.server.ended.wait()
        if what in ("hang", "close"):
            self.close_connection = True
        elif what == "cut":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        elif what == "flood":
            self.send_response(200)
            self.send_header("content-length", str(1 << 40))
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        elif what == "flood-headers":
            self.send_response(200)
            self.flush_headers()
            while True:
                self.wfile.write(b"x: " + b"y" * 1000 + b"\r\n")
        elif what == "bare":
            self.wfile.write(b"HTTP/1.1 200 OK\ncontent-length: 0\n\n")
        else:
            self.send_response(302 if what == "redirect" else int(what))
            if what == "redirect":
                self.send_header("location", "/redirected")
            self.send_header("content-length", "0")
            self.end_headers()

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, folder, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.folder = folder
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.numbers = itertools.count(len([name for name in os.listdir(folder) if name.endswith(".request")]))

    def handle_error(self, *_):
        pass  # a client that does not like the certificate

    def what(self, path):
        try:
            with open(os.path.join(self.folder, "do.json"), encoding="utf-8") as file:
                return json.load(file).get(path, "200")
        except FileNotFoundError:
            return "200"

    def keep(self, request):
        with self.lock:
            path = os.path.join(self.folder, f"{next(self.numbers):06}.request")
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(request, file)
            os.rename(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description="A receiver of webhooks that does as it is told.")
    parser.add_argument("--folder", required=True, help="where the requests go")
    parser.add_argument("--port-file", required=True, help="written once it listens")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    arguments = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server = Server(arguments.folder, arguments.port)
    # The handshake is left to the thread of the connection.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(arguments.port_file + ".new", "w", encoding="ascii") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(arguments.port_file + ".new", arguments.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
