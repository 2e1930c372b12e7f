"""Checks an export of Parley's log without trusting Parley, and without its code: this is written from proto/README.md,
"The log as bytes", alone. Prints one line, and exits with 0 where the export is good, 1 bad, 2 unreadable."""

import argparse
import base64
import functools
import hashlib
import json
import re
import sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519 as in RFC 8032, 5.1.
D = -121665 * pow(121666, -1, P) % P
CHECKPOINT = re.compile(r"((\S+)\n(0|[1-9][0-9]{0,19})\n(\S+)\n(?:.+\n)*)\n((?:— \S+ \S+\n?)+)")
unbase64 = functools.partial(base64.b64decode, validate=True)


class Unreadable(Exception):
    pass


def add(p, q):
    x, y, t = p[0] * q[1] + p[1] * q[0], p[1] * q[1] + p[0] * q[0], D * p[0] * p[1] * q[0] * q[1]
    return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P


def times(n, p):
    result = (0, 1)
    while n:
        result, p, n = add(result, p) if n & 1 else result, add(p, p), n >> 1
    return result


def point(data):
    y, odd = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (odd and not x):
        raise ValueError("no point of the curve")
    return x if x & 1 == odd else P - x, y


def signed(key, message, signature):
    if len(signature) != 64:
        return False
    s, k = int.from_bytes(signature[32:], "little"), hashlib.sha512(signature[:32] + key + message).digest()
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    right = add(point(signature[:32]), times(int.from_bytes(k, "little") % L, point(key)))
    return s < L and times(s, base) == right


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(left, right):
    return sha256(b"\x01", left, right)


def read_key(text):
    """(origin, key id, public key); ValueError where it is no verifier key."""
    origin, key_id, data = text.split("+", 2)
    data = unbase64(data)
    if data[:1] != b"\x01" or len(data) != 33 or not text.isprintable():
        raise ValueError("not of the form origin+id+key")
    if sha256(origin.encode(), b"\n", data)[:4].hex() != key_id:
        raise ValueError("the id is not that of the key")
    return origin, bytes.fromhex(key_id), data[1:]


def read_checkpoint(text, key):
    """(size, root); ValueError where the key has not signed it. Signatures of other keys say nothing, as in C2SP."""
    if not (match := CHECKPOINT.fullmatch(text)):
        raise ValueError("no signed note with a size and a root")
    body, origin, size, root, notes = match.groups()
    found = [unbase64(data) for name, data in re.findall(r"— (\S+) (\S+)", notes) if name == key[0]]
    found = [data[4:] for data in found if data[:4] == key[1]]
    if origin != key[0] or not found or not all(signed(key[2], body.encode(), data) for data in found):
        raise ValueError(f"not signed by {key[0]} with the known key")
    return int(size), unbase64(root)


def take(proof):
    """The last hash of a proof; where it is too short, one of no length, which leads to no root."""
    return proof.pop() if proof else b""


def left_of(size):
    return 1 << (size - 1).bit_length() - 1


def inclusion(leaf, size, value, proof):
    """The root to which a proof leads (RFC 6962, 2.1.1), from the root down; uses the proof up."""
    if size == 1:
        return value
    left, other = left_of(size), take(proof)
    if leaf < left:
        return node(inclusion(leaf, left, value, proof), other)
    return node(other, inclusion(leaf - left, size - left, value, proof))


def consistency(old, new, root, proof):
    """The old and the new root to which a proof leads (2.1.2); `root` is the old one, which the left edge may need."""
    if old == new:
        return (root or take(proof),) * 2
    left, other = left_of(new), take(proof)
    if old <= left:
        first, second = consistency(old, left, root, proof)
        return first, node(second, other)
    first, second = consistency(old - left, new - left, None, proof)
    return node(other, first), node(other, second)


def of(kind, value):
    if type(value) is not kind:  # Not isinstance(): true is no number.
        raise TypeError(f"{value!r:.50} is not {kind.__name__}")
    return value


text, number = functools.partial(of, str), functools.partial(of, int)


def uuid(value):
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text(value)):
        raise ValueError(f"{value!r:.50} is no UUID")
    return value


def octets(value, size=None):
    data = bytes.fromhex(text(value))
    if data.hex() != value or size not in (None, len(data)):
        raise ValueError(f"{value!r:.50} is not in lower-case hexadecimal, or of another length")
    return data


hash32 = functools.partial(octets, size=32)


def hashes(values):
    return [hash32(value) for value in of(list, values)]


def pairs(values, first, second):
    return [(first(one), second(other)) for one, other in (of(list, value) for value in of(list, values))]


FIELDS = {
    "parley_log_export": number, "checkpoint": text, "verifier_key": text,
    "consistency": lambda value: (number(value["first_size"]), hashes(value["hashes"])),
    "event": uuid, "sequence": number, "leaf": number, "leaf_hash": hash32,
    "pending": functools.partial(of, bool), "proof": hashes, "hash": hash32,
    "time": number, "occurrence": number, "effector": uuid, "revision": number, "data": octets,
    "slots": lambda value: pairs(value, number, number), "named": lambda value: pairs(value, uuid, hash32),
    "user": uuid, "address": lambda value: text(value).encode(), "salt": octets,
}
HEADER, PERSON, GONE = "parley_log_export checkpoint verifier_key", "event user address salt", "event sequence"
ENTRY = "event sequence hash time occurrence effector revision data slots named"


def read_lines(path):
    """The lines of an export, the header first, with `line`, the number, and `entry`, the name of theirs."""
    with open(path, "rb") as file:
        count = 0
        for count, data in enumerate(file, 1):
            name, line = "line", {}
            try:
                # Of a field that is there twice, each reader may take another one.
                read = json.loads(data.decode(), object_pairs_hook=lambda p: d if len(d := dict(p)) == len(p) else p)
                for name in FIELDS.keys() & of(dict, read).keys():
                    line[name] = FIELDS[name](read[name])
                name = "line"
                needed = PERSON if "sequence" not in line else ENTRY if "hash" in line else GONE
                missing = set((HEADER if count == 1 else needed).split()) - line.keys()
                if missing or line.get("parley_log_export", 1) != 1:
                    raise ValueError(f"without {', '.join(sorted(missing))}" if missing else "of another version")
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise Unreadable(f"{path}:{count}: {name}: {error}") from error
            yield line | {"line": count, "entry": f"events/{line.get('event')}/logEntries/{line.get('sequence')}"}
    if not count:
        raise Unreadable(f"{path}: empty")


def record(line, before):
    """The bytes of an entry; OverflowError where a number does not fit."""
    def ident(value):
        return bytes.fromhex(value.replace("-", ""))

    return b"".join((
        b"\x01", ident(line["event"]), line["sequence"].to_bytes(8), line["time"].to_bytes(8, signed=True),
        line["occurrence"].to_bytes(1), ident(line["effector"]), line["revision"].to_bytes(8),
        len(line["slots"]).to_bytes(4), *(time.to_bytes(8, signed=True) for slot in line["slots"] for time in slot),
        len(line["data"]).to_bytes(4), line["data"],
        len(line["named"]).to_bytes(4), *(ident(user) + commitment for user, commitment in line["named"]), before))


class Check:
    """Goes through the lines once, and keeps of them only what is named here."""

    def __init__(self, event, new, old, older_entries):
        self.event, self.older_entries, (self.size, self.root) = event, older_entries, new
        self.logs = {}  # event -> the last sequence, its hash, {user: (commitment, line, entry)}
        self.entries, self.pending, self.leaves, self.part, self.stranger = 0, 0, 0, "tree", None
        # Of the tree: the roots of complete subtrees, and {size: root} of those that will be compared.
        self.stack, self.roots, self.sizes = [], {0: sha256()}, (new[0], old[0])

    def grow(self, value):
        self.stack.append(value)
        for _ in range((self.leaves & -self.leaves).bit_length() - 1):
            right = self.stack.pop()
            self.stack.append(node(self.stack.pop(), right))
        if self.leaves in self.sizes:
            self.roots[self.leaves] = functools.reduce(lambda right, left: node(left, right), reversed(self.stack))

    def faults(self, lines):
        """(line, entry, reason) of all that is wrong with entries."""
        for line in lines:
            if "sequence" in line:
                yield from ((line["line"], line["entry"], reason) for reason in self.entry(line))
                continue
            self.part, people = "people", self.logs.get(line["event"], (0, b"", {}))[2]
            if line["address"] or line["salt"]:
                commitment, *entry = people.get(line["user"], (None,))
                # With a salt of another length, bytes could move between it and the address.
                if entry and (len(line["salt"]) != 16 or sha256(line["salt"], line["address"]) != commitment):
                    yield *entry, f"the address and the salt of {line['user']} do not make the commitment"
                if not entry:
                    self.stranger = self.stranger or f"events/{line['event']} names no {line['user']}"

    def entry(self, line):
        """What is wrong with an entry, the most telling reason first."""
        sequence, before, people = self.logs.get(line["event"], (0, bytes(32), {}))
        value, leaf, pending = line.get("hash"), line.get("leaf"), line.get("pending", False)
        self.entries, self.pending = self.entries + 1, self.pending + pending
        self.logs[line["event"]] = line["sequence"], value, people
        if self.event not in (None, line["event"]) or self.part == "people":
            yield "it is of another event, or behind the people"
        if line["sequence"] != sequence + 1:
            yield f"it comes after {sequence} of its event"
        if value is None:
            yield "it is gone"
        else:
            for user, commitment in line["named"]:
                if people.setdefault(user, (commitment, line["line"], line["entry"]))[0] != commitment:
                    yield f"it names {user} again, with another commitment"
            try:
                if sha256(b"\0", record(line, before or b"")) != value:
                    yield "its hash is not that of its record and the entry before"
            except OverflowError:
                yield "a number does not fit into the record"
            if line["effector"] not in people:
                yield f"its effector {line['effector']} has not been named"

        if self.older_entries.pop(line["entry"], (leaf, value)) != (leaf, value):
            yield "it has another leaf or hash in the older export"
        if leaf is None:
            self.part = "no tree" if self.part == "tree" else self.part
            if not pending:
                yield "it is in no tree, and not pending"
            return
        if self.part != "tree" or leaf < self.leaves or (not self.event and leaf > self.leaves):
            yield f"leaf {leaf} is not where it should be"
        if value != line.get("leaf_hash"):
            yield "the tree has another hash"
        self.leaves = leaf + 1 if self.event else self.leaves + 1
        if not self.event:
            self.grow(line.get("leaf_hash", b""))
        if self.size is None:
            return  # A checkpoint that is not signed says nothing against an entry.
        if pending != (leaf >= self.size):
            yield f"leaf {leaf} of a tree of {self.size} is {'' if pending else 'not '}pending"
        if self.event and 0 <= leaf < self.size:
            proof = list(line.get("proof", []))
            if inclusion(leaf, self.size, line.get("leaf_hash", b""), proof) != self.root or proof:
                yield "its proof does not lead to the checkpoint"


def tree_fault(header, check, new, old):
    """What is wrong with the tree, or None. Of one event, its leaves have been proved already."""
    roots = check.roots | ({new[0]: new[1]} if "event" in header else {})
    if roots.get(new[0]) != new[1]:
        return f"the {check.leaves} leaves here do not make the checkpoint's root of {new[0]}"
    if old[0] is None:
        return None
    if old[0] > new[0]:
        return f"it has {new[0]} leaves, and had {old[0]} at the older checkpoint"
    good = roots.get(old[0]) == old[1]
    if "event" in header and old[0] not in roots:
        size, proof = header.get("consistency", (None, []))
        if size != old[0]:
            return f"there is no proof that it begins with the older checkpoint's tree of {old[0]}"
        good = consistency(size, new[0], old[1], proof) == (old[1], new[1]) and not proof
    return None if good else f"it does not begin with the older checkpoint's tree of {old[0]}"


def read_older(path, event):
    """The older checkpoint, its verifier key or None, and {entry: (leaf, hash)} of an export."""
    with open(path, "rb") as file:
        if file.read(1) != b"{":
            file.seek(0)
            note = file.read().decode(errors="replace")
            if not CHECKPOINT.fullmatch(note):
                raise Unreadable(f"{path}: neither a checkpoint nor an export")
            return note, None, {}
    lines = read_lines(path)
    header = next(lines)
    if "event" in header and header["event"] != event is not None:
        raise Unreadable(f"{path}: an export of another event")
    return header["checkpoint"], header["verifier_key"], {
        line["entry"]: (line["leaf"], line.get("hash", line.get("leaf_hash")))
        for line in lines if "leaf" in line and event in (None, line["event"])}


def verify(export, older, known):
    """The line to print."""
    lines = read_lines(export)
    header = next(lines)
    event, own, fault = header.get("event"), header["verifier_key"], None
    older_note, older_key, older_entries = read_older(older, event) if older else (None, None, {})
    known, new, old = known or older_key, (None, None), (None, None)
    try:
        key = read_key(known or own)
    except ValueError as error:
        if known:
            raise Unreadable(f"{known!r} is no verifier key: {error}") from error
        fault = f"no verifier_key: {error}"
    if known and own != known:
        fault = "the verifier_key is not the known one"
    what = ""
    try:
        if not fault:
            new = read_checkpoint(header["checkpoint"], key)
            what = "the older one: "
            old = read_checkpoint(older_note, key) if older else old
    except ValueError as error:
        fault = f"{what}{error}"

    check = Check(event, new, old, older_entries)
    if bad := min(check.faults(lines), default=None, key=lambda found: found[0]):
        return f"bad: {bad[1]}: {bad[2]}"
    for entry, (leaf, _) in older_entries.items():
        return f"bad: {entry}: it is leaf {leaf} in the older export, and not here"
    if fault:
        return f"bad: the checkpoint: {fault}"
    if check.stranger:
        return f"bad: the people: {check.stranger}"
    if fault := tree_fault(header, check, new, old):
        return f"bad: the tree: {fault}"
    return (f"good: {check.entries} entries of {len(check.logs)} events, tree of {new[0]} signed by {key[0]}"
            + (f", {check.pending} pending" if check.pending else "")
            + ("" if known else " (by the export's own key, taken on trust)"))


def main():
    parser = argparse.ArgumentParser(description="Checks an export of Parley's log.")
    parser.add_argument("export")
    parser.add_argument("--older", metavar="FILE", help="an older checkpoint or export")
    parser.add_argument("--key", metavar="VERIFIER_KEY", help="the verifier key that you know")
    arguments = parser.parse_args()
    try:
        result = verify(arguments.export, arguments.older, arguments.key)
    except (Unreadable, OSError) as error:
        print(f"verify_log: {error}", file=sys.stderr)
        return 2
    sys.stdout.reconfigure(errors="backslashreplace")
    print(result)
    return 0 if result.startswith("good") else 1


if __name__ == "__main__":
    sys.exit(main())
