"""Checks a mail as it lies in a mailbox: what a reader's program makes of it. Exit 1 with what is amiss."""

import email
import email.policy
import re
import sys

import icalendar

with open(sys.argv[1], "rb") as file:
    mail = email.message_from_binary_file(file, policy=email.policy.default)


def check(holds, what):
    if not holds:
        sys.exit(f"{sys.argv[1]}: {what}")


check(mail["To"] == "guest@example.org", f"To is {mail['To']}")
check(mail["Delivered-To"] == "guest@example.org", f"Delivered-To is {mail['Delivered-To']}")
check(mail["Return-Path"] == "<parley@example.com>", f"Return-Path is {mail['Return-Path']}")
check("Größe & 会議" in mail["Subject"], f"Subject is {mail['Subject']}")
check("ESMTPS" in mail["Received"], f"it did not come over TLS: {mail['Received']}")
check(re.fullmatch(r"<https://parley\.example\.org/unsubscribe/parley_unsubscribe_[0-9a-f]+>",
                   mail["List-Unsubscribe"]), f"List-Unsubscribe is {mail['List-Unsubscribe']}")
types = [part.get_content_type() for part in mail.walk()]
check(types == ["multipart/alternative", "text/plain", "text/html", "text/calendar"], f"its parts are {types}")
text = mail.get_body(preferencelist=("plain",)).get_content()
check("Größe & 会議" in text, "the title is not in the text")
check(re.search(r"^https://parley\.example\.org/events/\S+#parley_guest_[0-9a-f]{40}\s*$", text, re.M),
      "there is no link in the text")
check("Größe &amp; 会議" in mail.get_body(preferencelist=("html",)).get_content(), "the title is not in the HTML")
calendar = icalendar.Calendar.from_ical(list(mail.walk())[3].get_content())
entries = [part for part in calendar.walk() if part.name == "VEVENT"]
check(calendar["METHOD"] == "REQUEST" and len(entries) == 1 and entries[0]["STATUS"] == "TENTATIVE",
      f"the calendar is {calendar}")
