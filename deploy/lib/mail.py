"""Prints a mail file as people read it: who, to whom, what about, and the decoded plain text."""

import email
import email.policy
import sys

with open(sys.argv[1], "rb") as file:
    mail = email.message_from_binary_file(file, policy=email.policy.default)
for name in ("From", "To", "Subject"):
    print(f"{name}: {mail[name]}")
body = mail.get_body(preferencelist=("plain",))
print()
print(body.get_content().replace("\r\n", "\n").rstrip() if body else "(no plain text)")
