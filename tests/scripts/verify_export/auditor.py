"""What the tests of the offline verifier share: how to call it, read it, and lie to it."""

import base64
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

from domain.hashing import leaf_hash, leaf_prefix
from domain.signed_note import SigningKey
from tests.domain.small_ledger import KEY

THIEF = SigningKey(KEY.name, b"\x07" * 32)
Document = dict[str, Any]
Verify = Callable[..., tuple[int, str]]
OTHER = "5a" * 32

FORGED: dict[str, Callable[[list[str]], list[str]]] = {
    "truncated": lambda proof: proof[:-1],
    "without its beginning": lambda proof: proof[1:],
    "empty": lambda proof: proof[:0],
    "extended": lambda proof: [*proof, OTHER],
    "preceded": lambda proof: [OTHER, *proof],
    "its middle skipped": lambda proof: [proof[0], proof[-1]],
    "a node doubled": lambda proof: [proof[0], *proof],
    "a bit flipped": lambda proof: [f"{int(proof[0], 16) ^ 1:064x}", *proof[1:]],
    "another node": lambda proof: [*proof[:-1], OTHER],
    "two nodes swapped": lambda proof: [proof[1], proof[0], *proof[2:]],
}
"""What can be done to a proof of three hashes or more, by name."""


def findings(printed: str) -> list[str]:
    return [line.removeprefix("FINDING: ") for line in printed.splitlines() if line.startswith("FINDING: ")]


def proven(printed: str) -> str:
    """Return the letters of the claims that are proven."""
    return "".join(line[0] for line in printed.splitlines() if line[1:].startswith("  PROVEN"))


def rehashed(document: Document, since: int = 0) -> Document:
    """Make the hashes of all events fit their columns again, as somebody would who may write everything."""
    chain = bytes(32) if since == 0 else bytes.fromhex(document["events"][since - 1]["chain_hash"])
    organization_id, originator_id = UUID(document["organization_id"]), UUID(document["originator_id"])
    for event in document["events"][since:]:
        if event["state"] is not None:
            payload = base64.b64decode(event["salt"]) + base64.b64decode(event["state"])
            event["state_hash"] = sha256(payload).hexdigest()
        prefix = leaf_prefix(
            organization_id,
            originator_id,
            event["originator_version"],
            event["topic"],
            event["schema_version"],
            event["request_id"],
            event["actor"],
            event["source"],
            bytes.fromhex(event["state_hash"]),
        )
        leaf = leaf_hash(prefix, event["position"], micros(event["recorded_at"]))
        chain = sha256(chain + leaf).digest()
        event["leaf_hash"], event["chain_hash"] = leaf.hex(), chain.hex()
    return document


def micros(instant: str) -> int:
    return 1_700_000_000_000_000 + int(instant[20:26])  # every instant of the small ledger is in one second
