"""Reads the calendars in mails, as the programs of their recipients do, with parsers of its own: Python's email, and
Debian's python3-icalendar.

Applies the text/calendar part of each mail (a file each, in the order of their arrival) to a calendar by the rules of
RFC 5546: an entry is known by its UID; what has a lower SEQUENCE than what is known is too late; a REQUEST puts the
entry in, a CANCEL takes it out. Prints {"mails": [...], "calendar": [...]}: what each mail says (null without a
calendar), and what is left. Exit 1, with a message, where a part is not what RFC 5545 and RFC 5546 want.
"""

import email
import email.policy
import json
import sys

import icalendar

REQUIRED = {  # RFC 5546, 3.2.2 and 3.2.5
    "REQUEST": ("ATTENDEE", "DTSTAMP", "DTSTART", "DTEND", "ORGANIZER", "SEQUENCE", "SUMMARY", "UID"),
    "CANCEL": ("ATTENDEE", "DTSTAMP", "ORGANIZER", "SEQUENCE", "UID"),
}


def check(holds, what):
    if not holds:
        sys.exit(what)


def check_lines(raw, file):
    """RFC 5545, 3.1."""
    check(raw.endswith(b"\r\n"), f"{file}: the last line does not end")
    for line in raw[:-2].split(b"\r\n"):
        check(b"\n" not in line and b"\r" not in line, f"{file}: a bare line break: {line}")
        check(len(line) <= 75, f"{file}: a line of {len(line)} octets: {line}")
        line.decode("utf-8")


def read(file):
    with open(file, "rb") as stream:
        mail = email.message_from_binary_file(stream, policy=email.policy.default)
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    if not parts:
        return None
    check(len(parts) == 1, f"{file}: {len(parts)} calendars")
    raw = parts[0].get_payload(decode=True)
    check_lines(raw, file)
    calendar = icalendar.Calendar.from_ical(raw)
    check(calendar["VERSION"] == "2.0" and calendar["PRODID"], f"{file}: no VERSION or PRODID")
    method = str(calendar["METHOD"])
    check(parts[0].get_param("method") == method, f"{file}: another method in Content-Type")
    entries = [part for part in calendar.walk() if part.name == "VEVENT"]
    check(len(entries) == 1, f"{file}: {len(entries)} entries")
    entry = entries[0]
    for name in REQUIRED[method]:
        check(name in entry, f"{file}: {method} without {name}")
    check(not entry.errors, f"{file}: {entry.errors}")

    def time(name):
        return entry[name].dt.strftime("%Y-%m-%dT%H:%M:%S%z") if name in entry else None

    attendees = entry["ATTENDEE"] if isinstance(entry["ATTENDEE"], list) else [entry["ATTENDEE"]]
    return {
        "to": mail["To"],
        "text": raw.decode("utf-8"),
        "method": method,
        "uid": str(entry["UID"]),
        "sequence": int(entry["SEQUENCE"]),
        "status": str(entry.get("STATUS")),
        "summary": str(entry.get("SUMMARY")),
        "start": time("DTSTART"),
        "end": time("DTEND"),
        "stamp": time("DTSTAMP"),
        "organizer": str(entry["ORGANIZER"]),
        "attendees": [{"address": str(each), "rsvp": each.params.get("RSVP")} for each in attendees],
    }


def main():
    calendar = {}
    known = {}
    mails = [read(file) for file in sys.argv[1:]]
    for entry in mails:
        if entry is None or entry["sequence"] < known.get(entry["uid"], 0):
            continue
        known[entry["uid"]] = entry["sequence"]
        if entry["method"] == "REQUEST":
            calendar[entry["uid"]] = entry
        else:
            calendar.pop(entry["uid"], None)
    print(json.dumps({"mails": mails, "calendar": list(calendar.values())}))


if __name__ == "__main__":
    main()
