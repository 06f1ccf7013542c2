"""What does an auditor take home: the events of one stream, with all that is needed to check them?

A document of JSON that `scripts/verify_export.py` checks without this program and without a network:

    format            patient-ledger-export/1
    organization_id, originator_id     the stream
    verifier_key      who signed, see `domain.signed_note`
    checkpoint        the signed note, see `domain.checkpoint`
    events            from version 1 on: the columns of the ledger, and `inclusion`, the proof of the leaf
    stream_head       the proof that the last of them is the last: `rows` and `path`, see `domain.stream_heads`
    earlier           earlier checkpoints, each a `checkpoint` and the proof of `consistency` with it

Payloads and salts are base64, or null where they were erased by order; hashes are hexadecimal; instants are
UTC with microseconds. The events up to the checkpoint are exported; later ones wait for the next.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain import hashing
from domain.checkpoint import Checkpoint, open_checkpoint
from domain.entry import StoredEntry
from domain.errors import LedgerError
from domain.proofs import verify_consistency, verify_inclusion
from domain.signed_note import VerifierKey
from domain.stream_heads import ROW_SIZE, head_hash, stream_key, verify_head

FORMAT = "patient-ledger-export/1"


class Unprovable(LedgerError):
    """The stored entries and hashes do not lead to the signed checkpoint; verify the ledger."""


@dataclass(frozen=True)
class HeadProof:
    """The rows of a stream's bucket, and the hashes beside its path."""

    rows: bytes
    path: Sequence[bytes]


@dataclass(frozen=True)
class Earlier:
    """A signed checkpoint from before, and the proof that today's ledger begins with what it had then."""

    note: str
    consistency: Sequence[bytes]


def export_document(
    entries: Sequence[StoredEntry],
    inclusion: Sequence[Sequence[bytes]],
    note: str,
    key: VerifierKey,
    head: HeadProof,
    earlier: Sequence[Earlier] = (),
) -> dict[str, Any]:
    """Return the export of one stream: its entries up to the checkpoint in `note`, in order of version.

    `inclusion` has one proof for each entry (`domain.proofs.inclusion_proofs` of position - 1). Everything is
    checked as the reader will check it: Unprovable, with what is wrong, when it would not hold.
    """
    checkpoint = open_checkpoint(note, key)
    organization_id, originator_id = _stream(entries)
    chain = _proven_chain(entries, inclusion, checkpoint)
    stream, last = stream_key(organization_id, originator_id), head_hash(len(entries), chain)
    if not verify_head(stream, last, head.rows, head.path, checkpoint.stream_heads or b""):
        raise Unprovable(reason="the last entry is not the head of its stream")
    for one in earlier:
        before = open_checkpoint(one.note, key)
        sizes = before.size, checkpoint.size
        if not verify_consistency(*sizes, before.root, checkpoint.root, one.consistency):
            raise Unprovable(reason="not consistent with an earlier checkpoint", size=before.size)
    return {
        "format": FORMAT,
        "organization_id": str(organization_id),
        "originator_id": str(originator_id),
        "verifier_key": str(key),
        "checkpoint": note,
        "events": [
            {**_columns(entry), "inclusion": _hex(proof)} for entry, proof in zip(entries, inclusion, strict=True)
        ],
        "stream_head": {
            "rows": _hex([head.rows[at : at + ROW_SIZE] for at in range(0, len(head.rows), ROW_SIZE)]),
            "path": _hex(head.path),
        },
        "earlier": [{"checkpoint": one.note, "consistency": _hex(one.consistency)} for one in earlier],
    }


def _stream(entries: Sequence[StoredEntry]) -> tuple[UUID, UUID]:
    """Return the ids of the one stream that all entries are of."""
    streams = {(entry.organization_id, UUID(str(entry.originator_id))) for entry in entries}
    if len(streams) != 1:
        raise Unprovable(reason="an export holds the entries of one stream")
    return streams.pop()


def _proven_chain(
    entries: Sequence[StoredEntry], inclusion: Sequence[Sequence[bytes]], checkpoint: Checkpoint
) -> bytes:
    """Return the chain hash after the last entry, each of them checked against its hashes and its proof."""
    chain = hashing.BEFORE_FIRST
    for version, (entry, proof) in enumerate(zip(entries, inclusion, strict=True), start=1):
        assert entry.recorded_at is not None
        leaf = hashing.leaf_hash(entry.leaf_prefix(), entry.position, hashing.microseconds(entry.recorded_at))
        chain = hashing.chain_hash(chain, leaf)
        if not (
            entry.originator_version == version
            and (entry.erased or hashing.state_hash(entry.salt, entry.state) == entry.state_hash)
            and (entry.leaf_hash, entry.chain_hash) == (leaf, chain)
            and verify_inclusion(leaf, entry.position - 1, checkpoint.size, proof, checkpoint.root)
        ):
            raise Unprovable(position=entry.position, version=version)
    return chain


def _columns(entry: StoredEntry) -> Mapping[str, Any]:
    """Return the columns of an entry that the document lists for each event."""
    assert entry.recorded_at is not None
    return {
        "position": entry.position,
        "originator_version": entry.originator_version,
        "recorded_at": _instant(entry.recorded_at),
        "topic": entry.topic,
        "schema_version": entry.schema_version,
        "request_id": entry.request_id,
        "actor": entry.actor,
        "source": entry.source,
        "state": None if entry.erased else base64.b64encode(entry.state).decode(),
        "salt": None if entry.erased else base64.b64encode(entry.salt).decode(),
        "state_hash": entry.state_hash.hex(),
        "leaf_hash": entry.leaf_hash.hex(),
        "chain_hash": entry.chain_hash.hex(),
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in hashes]
