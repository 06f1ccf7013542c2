#!/usr/bin/env python3
"""Does this export hold what the ledger signed, and all of it?

For those who do not trust the ledger's program: this file says every rule again and uses nothing of that
program and no network, only Python 3.11 and the package `cryptography`. It is meant to be read before it is run.

    verify_export.py EXPORT [--key VERIFIER_KEY] [--kept CHECKPOINT_FILE] [--show]

Exit code 0: all that was checked holds. 1: something does not, and is named. 2: not an export, or not a
question. Patient values are printed with --show only.
"""

import argparse
import base64
import json
import re
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("This needs the Python package cryptography.", file=sys.stderr)
    sys.exit(2)

CLAIMS = {
    "A": "Each of the {events} events was in the ledger when the checkpoint was signed.",
    "B": "None of the entries at the earlier checkpoint {whose} was changed, removed or moved since.",
    "C": "These are all events of the stream up to the checkpoint, versions 1 to {events}: none is missing.",
    "D": "{readable} payloads are the bytes that were recorded (--show). What a screen makes of them is not checked.",
    "F": "{erased} payloads are erased, as a later event says. When they came and from whom is proven, not what.",
}
NEVER = """that what was sent to the ledger was true
anything after the checkpoint
that the clocks were right: recorded_at is the database's, signed-at the signer's
that the signed heads are those of all streams: whoever holds every entry can find out, this file cannot
that everybody is shown this checkpoint: compare it with one that was published or kept elsewhere
anything against somebody who holds the database, the signing key and every copy of the checkpoints"""

FORMAT, ERASURE, EPOCH = "patient-ledger-export/1", "PatientErased", datetime(1970, 1, 1, tzinfo=UTC)
KEY = r"([^\s+\x00-\x1f\x7f-\x9f]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})"
ROOT = r"([A-Za-z0-9+/]{43}=)"
CHECKPOINT = rf"(.+)\n(0|[1-9][0-9]{{0,17}})\n{ROOT}\nstream-heads {ROOT}\nsigned-at ([0-9TZ:-]+)\n(?:.+\n)*"
Checkpoint = namedtuple("Checkpoint", "origin size root heads signed_at")
Found = Iterator[tuple[str, str]]  # the claims that fall, and a sentence that says why


class Refused(Exception):
    """Not an export of this format, or a checkpoint that the key has not signed."""


# ---- reading: nothing is missing, nothing is left over, every value has its form


def matching(pattern: str) -> Callable[[Any], bool]:
    """Return a test for text of that pattern."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def is_number(value: Any) -> bool:
    """Return whether this is a whole number that can count entries."""
    return type(value) is int and 0 < value < 1 << 63


def is_instant(value: Any) -> bool:
    """Return whether this is an instant since 1970, in UTC, with six digits of a second."""
    try:
        return matching(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}\.\d{6}Z")(value) and datetime.fromisoformat(value) >= EPOCH
    except ValueError:
        return False


def is_payload(value: Any) -> bool:
    """Return whether this is base64, or the null of an erased payload."""
    return value is None or matching("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")(value)


TEXT, HASH = matching("[^\ud800-\udfff]*"), matching("[0-9a-f]{64}")
ID = matching("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT: dict[str, Any] = {"position": is_number, "originator_version": is_number, "recorded_at": is_instant}
EVENT |= {"schema_version": lambda value: is_number(value) and value < 1 << 31, "state": is_payload, "salt": is_payload}
EVENT |= dict.fromkeys(("topic", "request_id", "actor", "source"), TEXT)
EVENT |= dict.fromkeys(("state_hash", "leaf_hash", "chain_hash"), HASH)
EXPORT: dict[str, Any] = {"format": matching(FORMAT), "organization_id": ID, "originator_id": ID}
EXPORT |= {"verifier_key": matching(KEY), "checkpoint": TEXT, "events": [EVENT | {"inclusion": [HASH]}]}
EXPORT |= {"stream_head": {"rows": [matching("[0-9a-f]{128}")], "path": [HASH]}}
EXPORT |= {"earlier": [{"checkpoint": TEXT, "consistency": [HASH]}]}


def conform(value: Any, shape: Any, where: str) -> None:
    """Raise Refused unless the value has the shape: an object, a list of one shape, or a test."""
    if isinstance(shape, dict) and isinstance(value, dict) and set(shape) == set(value):
        for name, inner in shape.items():
            conform(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list) and isinstance(value, list):
        for at, one in enumerate(value):
            conform(one, shape[0], f"{where}[{at}]")
    elif not callable(shape) or not shape(value):
        raise Refused(f"{where} is not what {FORMAT} asks for")


def no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; Refused when two readers could see two things in it."""
    if len(dict(pairs)) < len(pairs):
        raise Refused("a name stands twice in one object")
    return dict(pairs)


# ---- the signed checkpoint: c2sp.org/signed-note and c2sp.org/tlog-checkpoint


def open_checkpoint(note: str, key: str) -> Checkpoint:
    """Return what the key has signed; Refused when it has not, or it is no checkpoint of the key's ledger."""
    (name, key_id, material), (text, _, block) = re.findall(KEY, key)[0], note.rpartition("\n\n")
    public = base64.b64decode(material)
    if public[0] != 1 or sha256(f"{name}\n".encode() + public).hexdigest()[:8] != key_id:
        raise Refused("the verifier key is not an Ed25519 key with its own id")
    lines = re.findall(rf"^— {re.escape(name)} ([A-Za-z0-9+/]{{91}}=)$", block, re.MULTILINE)
    signatures = [raw[4:] for raw in map(base64.b64decode, lines) if raw[:4].hex() == key_id]
    if not signatures:
        raise Refused("the key has not signed it")
    try:
        for signature in signatures:
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature, f"{text}\n".encode())
    except InvalidSignature as error:
        raise Refused("the signature is not the key's for this text") from error
    parts = re.fullmatch(CHECKPOINT, f"{text}\n")
    if parts is None or parts[1] != name:
        raise Refused("what was signed is not a checkpoint of the ledger that the key is named after")
    return Checkpoint(name, int(parts[2]), base64.b64decode(parts[3]), base64.b64decode(parts[4]), parts[5])


# ---- Merkle proofs: RFC 9162, sections 2.1.3.2 and 2.1.4.2, with their names; hashes in hexadecimal


def climb(fn: int, sn: int, start: bytes, proof: list[str]) -> tuple[bytes, bytes] | None:
    """Return the roots of the smaller and the whole tree that a proof leads to; None if too short or long."""
    fr = sr = start
    for c in map(bytes.fromhex, proof):
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01" + c + fr).digest(), sha256(b"\x01" + c + sr).digest()
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\x01" + sr + c).digest()
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr) if sn == 0 else None


def included(leaf: bytes, index: int, size: int, proof: list[str], root: bytes) -> bool:
    """Return whether the leaf is number `index`, from 0, in the tree of that size and root."""
    roots = climb(index, size - 1, leaf, proof)
    return index < size and roots is not None and roots[1] == root


def consistent(first: Checkpoint, second: Checkpoint, proof: list[str]) -> bool:
    """Return whether the second ledger begins with all entries of the first, which has some."""
    if first.size == second.size:
        return bool(first.root == second.root)
    path = proof if first.size & (first.size - 1) else [first.root.hex(), *proof]
    if not 0 < first.size < second.size or not path:
        return False
    fn, sn = first.size - 1, second.size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return climb(fn, sn, bytes.fromhex(path[0]), path[1:]) == (first.root, second.root)


# ---- the stream


def leaf_hash(event: dict[str, Any], ids: list[bytes]) -> bytes:
    """Return the hash of the eleven columns, each after its length; `ids` are the first two."""
    since = (datetime.fromisoformat(event["recorded_at"]) - EPOCH) // timedelta(microseconds=1)
    columns = [*ids, event["originator_version"].to_bytes(8, "big"), event["topic"].encode()]
    columns += [event["schema_version"].to_bytes(4, "big")]
    columns += [event[name].encode() for name in ("request_id", "actor", "source")]
    columns += [bytes.fromhex(event["state_hash"]), event["position"].to_bytes(8, "big"), since.to_bytes(8, "big")]
    return sha256(b"\x00" + b"".join(len(one).to_bytes(4, "big") + one for one in columns)).digest()


def flaws(event: dict[str, Any], leaf: bytes, before: dict[str, Any], signed: Checkpoint) -> Iterator[str]:
    """Yield what is wrong with an event that follows another of its stream, as sentences about it."""
    if event["originator_version"] != before["originator_version"] + 1:
        yield f"comes after version {before['originator_version']}: events are missing, doubled or moved"
    if event["position"] <= before["position"] or event["recorded_at"] < before["recorded_at"]:
        yield "stands in the ledger, or was recorded, before the version before it"
    state, salt = (None if event[one] is None else base64.b64decode(event[one]) for one in ("state", "salt"))
    if (state is None) is not (salt is None) or (salt is not None and len(salt) != 16):
        yield "has a payload without its salt of 16 bytes, or a salt without a payload"
    elif state is not None and sha256((salt or b"") + state).hexdigest() != event["state_hash"]:
        yield "has another payload or salt than the one recorded: state_hash is not theirs"
    if leaf.hex() != event["leaf_hash"]:
        yield "has another column than the one recorded: leaf_hash is not theirs"
    if sha256(bytes.fromhex(before["chain_hash"]) + leaf).hexdigest() != event["chain_hash"]:
        yield "does not follow the version before it: chain_hash is not that of the two"
    if not included(leaf, event["position"] - 1, signed.size, event["inclusion"], signed.root):
        yield "is not in the ledger that was signed, or not as it stands here: its inclusion proof fails"


def check_events(export: dict[str, Any], signed: Checkpoint) -> Found:
    """Yield what is wrong with the events, one by one."""
    ids = [UUID(export[name]).bytes for name in ("organization_id", "originator_id")]
    before = {"originator_version": 0, "position": 0, "recorded_at": "", "chain_hash": "00" * 32}
    erasure = max((at for at, one in enumerate(export["events"]) if one["topic"] == ERASURE), default=-1)
    for at, event in enumerate(export["events"]):
        name = f"Version {event['originator_version']} at position {event['position']}"
        for flaw in flaws(event, leaf_hash(event, ids), before, signed):
            yield "ACDF", f"{name} {flaw}."
        if event["state"] is None and at >= erasure:
            yield "F", f"{name} has no payload, and no later event of the stream says that it was erased."
        before = event


def check_head(export: dict[str, Any], signed: Checkpoint) -> Found:
    """Yield what is wrong with the proof that the last event is the last."""
    rows, ids = export["stream_head"]["rows"], (export["organization_id"], export["originator_id"])
    key = sha256(b"".join(UUID(one).bytes for one in ids)).digest()
    bucket = sha256(b"\x00" + bytes.fromhex("".join(rows))).digest()
    if not included(bucket, key[0] << 8 | key[1], 65_536, export["stream_head"]["path"], signed.heads):
        yield "C", "The stream heads are not those that were signed: their proof fails."
    if any(one[:64] >= after[:64] for one, after in pairwise(rows)):
        yield "C", "The stream heads are not in order: a stream could have two."
    last = export["events"][-1]
    head = sha256(last["originator_version"].to_bytes(8, "big") + bytes.fromhex(last["chain_hash"]))
    if key.hex() + head.hexdigest() not in rows:
        yield "C", f"Version {last['originator_version']} is not the last that was signed: the end is missing."


def check_earlier(note: str, export: dict[str, Any], signed: Checkpoint, key: str) -> Found:
    """Yield what is wrong between an earlier checkpoint and the export's."""
    try:
        earlier = open_checkpoint(note, key)
    except Refused as error:
        yield "B", f"The earlier checkpoint is refused: {error}."
        return
    if earlier.size > signed.size:
        yield "B", "The checkpoint you kept has more entries than the export's: ask anew, or it was set back."
    elif not any(consistent(earlier, signed, one["consistency"]) for one in export["earlier"] or [{"consistency": []}]):
        yield "B", f"The ledger does not begin as it was with {earlier.size} entries, or the proof is missing."


def main() -> int:
    """Check what the command line names; print what is proven, what is not, and what never can be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", help="the ledger's verifier key, from elsewhere than the export")
    parser.add_argument("--kept", type=Path, help="a checkpoint of the ledger that you kept")
    parser.add_argument("--show", action="store_true", help="print the events as well, when all holds")
    asked = parser.parse_args()
    try:
        export = json.loads(asked.export.read_text("utf-8"), object_pairs_hook=no_name_twice)
        conform(export, EXPORT, "export")
        conform(len(export["events"]), is_number, "the number of events")
        conform(key := asked.key or export["verifier_key"], matching(KEY), "--key")
        earlier = [asked.kept.read_text("utf-8")] if asked.kept else [one["checkpoint"] for one in export["earlier"]]
    except (Refused, OSError, ValueError, RecursionError) as error:
        print(f"Nothing was checked: {error}", file=sys.stderr)
        return 2
    try:
        signed = open_checkpoint(export["checkpoint"], key)
    except Refused as error:
        findings = [("ABCDF", f"The checkpoint is refused: {error}.")]
    else:
        print(f"{signed.origin}: {signed.size} entries, root {signed.root.hex()}, signed at {signed.signed_at}")
        findings = [*check_events(export, signed), *check_head(export, signed)]
        findings += [found for note in earlier for found in check_earlier(note, export, signed, key)]
    print(f"stream {export['originator_id']} of organization {export['organization_id']}")
    print(f"key {key}, {'as you gave it' if asked.key else 'as it came with the export: compare it (--key)'}")
    erased, events = [event["state"] for event in export["events"]].count(None), len(export["events"])
    whose = "that you kept" if asked.kept else "that came with the export"
    for letter, claim in CLAIMS.items():
        if letter == "B" and not earlier:
            print("B  NOT ASKED: bring a checkpoint that you kept (--kept), and an export with the proof since.")
        elif letter != "F" or erased:
            fallen = any(letter in claims for claims, _ in findings)
            told = claim.format(events=events, erased=erased, readable=events - erased, whose=whose)
            print(f"{letter}  {'NOT PROVEN' if fallen else 'PROVEN'}: {told}")
    print("Never proven by such a file:", *NEVER.split("\n"), sep="\n - ")
    for _, sentence in findings:
        print(f"FINDING: {sentence}")
    for event in export["events"] if asked.show and not findings else ():
        state = event["state"] and base64.b64decode(event["state"]).decode("utf-8", "backslashreplace")
        print(json.dumps(event | {"state": state, "inclusion": len(event["inclusion"])}))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
