"""Checks an export of Parley's log without trusting Parley, and without its code: this is written from proto/README.md,
"The log as bytes", alone. Prints one line, and exits with 0 where the export is good, 1 bad, 2 unreadable."""

import argparse
import itertools
import json
import re
import struct
from base64 import b64decode
from hashlib import sha256, sha512
from uuid import UUID

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519 as in RFC 8032, 5.1.
D, J = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)  # J * J is -1.
B = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A, 4 * pow(5, -1, P) % P
BASE64 = "[A-Za-z0-9+/]{%d}[AEIMQUYcgkosw048]="  # Of 3n + 2 bytes, in the one way to write them.
NOTE = rf"^(([!-~]+)\n(0|[1-9]\d*)\n({BASE64 % 42})\n(?:.+\n)*)\n(?:— .+\n)*?— \2 ({BASE64 % 90})\n(?:— .+\n)*\Z"

def add(p, q):
    x, y, t = p[0] * q[1] + p[1] * q[0], p[1] * q[1] + p[0] * q[0], D * p[0] * p[1] * q[0] * q[1]
    return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P

def times(n, p):
    half = times(n // 2, add(p, p)) if n else (0, 1)
    return add(half, p) if n % 2 else half

def signed(key, message, signature):
    digest, s = sha512(signature[:32] + key + message).digest(), int.from_bytes(signature[32:], "little")
    y, odd = int.from_bytes(key, "little") % 2**255, key[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    [x] = {x for x in (root, -root % P, root * J % P, -root * J % P) if x * x % P == square and x % 2 == odd and y < P}
    x, y = add(times(s, B), times(int.from_bytes(digest, "little") % L, (-x, y)))
    return s < L and (y + (x % 2 << 255)).to_bytes(32, "little") == signature[:32]

def checkpoint(header, known):
    """The size and the root of a header's tree, or -1 where the known key has not signed them."""
    for body, origin, size, root, signature in re.findall(NOTE, header["checkpoint"], re.ASCII):
        key, signature = b64decode(known[-44:], validate=True), b64decode(signature)
        key_id = sha256(origin.encode() + b"\n" + key).digest()[:4]
        match = header.get("verifier_key", known) == known == f"{origin}+{key_id.hex()}+{known[-44:]}" and key[0] == 1
        if match and signature[:4] == key_id and signed(key[1:], body.encode(), signature[4:]):
            return int(size), b64decode(root)
    return -1, b""

def climb(index, last, start, proof, level=0):
    """The roots of the leaves 0 to `index` and 0 to `last` to which a proof leads, from a level on (RFC 9162, 2.1)."""
    lefts = [index >> n & 1 for n in range(level, last.bit_length()) if index >> n & 1 or index >> n < last >> n]
    path = start + [bytes.fromhex(node) for node in proof] or [b""]
    first = second = path[0]
    for left, other in zip(lefts, path[1:]):
        first = sha256(b"\1" + other + first).digest() if left else first
        second = sha256(b"\1" + (other + second if left else second + other)).digest()
    return (first, second) if [len(node) for node in path] == [32] * (1 + len(lefts)) else (None, None)

def record(line, before):
    slots, data = [struct.pack(">qq", *slot) for slot in line["slots"]], bytes.fromhex(line["data"])
    named = [UUID(user).bytes + bytes.fromhex(commitment) for user, commitment in line["named"]]
    numbers = line["sequence"], line["time"], line["occurrence"], UUID(line["effector"]).bytes, line["revision"]
    head = struct.pack(">B16sqqB16sqI", 1, line["event"].bytes, *numbers, len(slots))
    return b"".join((head, *slots, len(data).to_bytes(4, "big"), data, len(named).to_bytes(4, "big"), *named, before))

def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        for number, text in enumerate(file):  # The first is the header, or the beginning of a checkpoint.
            line = json.loads(text) if number or text[0] == "{" else {"checkpoint": text + file.read()}
            event = None if "checkpoint" in line and "event" not in line else UUID(line["event"])
            yield line | {"event": event, "name": f"events/{event}/logEntries/{line.get('sequence', 0):d}"}

def require(fact, where, reason):
    if not fact:
        print(f"bad: {where}: {reason}")
        raise SystemExit(1)

def verify(export, older, key):
    lines, older_lines = read(export), read(older) if older else iter([{}])
    header, older_header = next(lines), next(older_lines)
    if header["parley_log_export"] != 1:
        raise ValueError("an export of another version")
    event, own, known = header["event"], header["verifier_key"], key or older_header.get("verifier_key")
    (size, root), (old_size, old_root) = [checkpoint(each, known or own) for each in (header, older_header or header)]
    olds = {o["name"]: (o["leaf"], o["leaf_hash"]) for o in older_lines if "leaf" in o and event in (None, o["event"])}
    tail = list(itertools.dropwhile(lambda line: "user" not in line, read(export)))
    people = {(p["event"], UUID(p["user"])): (bytes.fromhex(p["salt"]), p["address"].encode()) for p in tail}
    roots, logs, named, leaves, stack = ({size: root} if event else {}) | {0: sha256().digest()}, {}, set(), 0, []
    for line in itertools.takewhile(lambda line: "user" not in line, lines):
        log, name, (sequence, before) = line["event"], line["name"], logs.get(line["event"], (0, bytes(32)))
        leaf, value, proof = line.get("leaf", float("inf")), bytes.fromhex(line.get("hash", "")), line.get("proof", [])
        require(line["sequence"] == sequence + 1 and event in (None, log), name, f"next in the log is {sequence + 1}")
        require(value, name, "it is gone")
        require(value == sha256(b"\0" + record(line, before)).digest(), name, "its hash is not that of its record")
        for user, commitment in line["named"]:
            who = log, UUID(user)
            salt, address = people.get(who, (b"", b""))  # A salt has 16 bytes: none can move into the address.
            told = len(salt) == 16 and all(address.rpartition(b"@")[::2])
            made = not salt + address or (told and sha256(salt + address).hexdigest() == commitment)
            require(made and who not in named and len(commitment) == 64, name, f"it names {who[1]} again, or wrongly")
            named.add(who)
        require((log, UUID(line["effector"])) in named, name, "its effector has not been named")
        require(olds.pop(name, (leaf, value.hex())) == (leaf, value.hex()), name, "it had another leaf or hash")
        require(leaf >= leaves if event else leaf == leaves or "leaf" not in line, name, "its leaf is not the next")
        require("leaf" not in line or line["leaf_hash"] == value.hex(), name, "the tree has another hash")
        require(size < 0 or line.get("pending", False) == (leaf >= size), name, "it is wrong about being pending")
        require(not event or leaf >= size or climb(leaf, size - 1, [value], proof)[1] == root, name, "it is not proved")
        logs[log], leaves = (sequence + 1, value), leaf + 1
        if not event and "leaf" in line:  # Of one event, proofs stand in for the tree.
            if leaves in (size, old_size) and leaves <= size:
                roots[leaves] = climb(leaf, leaf, [value] + stack[::-1], [])[1]
            stack.append(value)  # The roots of complete subtrees, the largest first.
            for _ in range((leaves & -leaves).bit_length() - 1):
                stack[-2:] = [sha256(b"\1" + stack[-2] + stack[-1]).digest()]
    require(not olds and (logs or not event), next(iter(olds), f"events/{event}/logEntries/1"), "it is not here")
    require(min(size, old_size) >= 0, "the checkpoint", f"{'it' if size < 0 else 'the older'} is not signed by the key")
    require(roots.get(size) == root, "the tree", f"its {leaves} leaves do not make the checkpoint's root of {size}")
    hashes = header.get("consistency", {"hashes": []})["hashes"]
    level, start = (old_size & -old_size).bit_length() - 1, [old_root] if old_size.bit_count() == 1 else []
    begins = 0 < old_size <= size and climb(old_size - 1, size - 1, start, hashes, level) == (old_root, root)
    require(begins or roots.get(old_size) == old_root, "the tree", "it does not begin with that of the older one")
    require(len(tail) == len(people) and people.keys() == named, "the people", "they are not those who are named")
    signer = header["checkpoint"].split()[0] + ("" if known else " (by the export's own key, taken on trust)")
    return f"good: {sum(n for n, _ in logs.values())} entries of {len(logs)} events, tree of {size} signed by {signer}"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Checks an export of Parley's log.")
    parser.add_argument("export")
    parser.add_argument("--older", metavar="FILE", help="an older checkpoint or export")
    parser.add_argument("--key", metavar="VERIFIER_KEY", help="the verifier key that you know")
    try:
        print(verify(**vars(parser.parse_args())))
    except Exception as error:  # Whatever it is: what has not been read to its end has no verdict.
        parser.exit(2, f"verify_log: {type(error).__name__}: {error}\n")
