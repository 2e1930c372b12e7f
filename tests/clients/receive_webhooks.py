#!/usr/bin/env python3
"""receive_webhooks.py CERTIFICATE KEY SECRET [PORT]: receives what a webhook of Parley sends, and prints it.

Serves HTTPS on PORT (8443 where none is given) with the certificate and its key, two files in PEM. SECRET is what
CreateWebhook answered, `whsec_...`. Prints a line for each delivery: its id, the kinds of the change, the event, its state.
"""
import base64, hmac, http.server, json, ssl, sys, time


def is_signed(headers, body, secret):
    """Whether Parley, and nobody else, has sent this within the last five minutes (standardwebhooks.com)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    is_recent = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_recent and hmac.compare_digest(signature, headers["webhook-signature"])


class Receiver(http.server.BaseHTTPRequestHandler):
    told = set()  # a program of yours keeps it longer: what was told may be told again

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers, body, sys.argv[3]):
            print("a request that is not signed by this secret, or too old", file=sys.stderr)
            return self.answer(401)
        if (delivery := self.headers["webhook-id"]) not in self.told:
            change = json.loads(body)
            print(delivery, ",".join(change["kinds"]), change["event"]["name"], change["event"]["state"], flush=True)
            self.told.add(delivery)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if len(sys.argv) not in (4, 5):
    sys.exit(__doc__)
server = http.server.ThreadingHTTPServer(("", int(sys.argv[4]) if len(sys.argv) == 5 else 8443), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
