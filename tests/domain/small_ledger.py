"""A ledger of a few streams in memory, with everything that signs and proves it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from domain import hashing
from domain.checkpoint import ledger_checkpoint, sign_checkpoint
from domain.entry import StoredEntry
from domain.export import Earlier, HeadProof, export_document
from domain.merkle import Frontier, Node
from domain.proofs import consistency_proof, inclusion_proofs
from domain.signed_note import SigningKey
from domain.stream_heads import HeadsTree, bucket_hash, bucket_of, head_hash, stream_key, with_heads

ORGANIZATION = UUID("6f1c2a34-5b6d-4e7f-8a90-b1c2d3e4f506")
ANN = UUID("11111111-2222-4333-8444-555555555555")
BEN = UUID("fedcba98-7654-4321-8fed-cba987654321")
KEY = SigningKey("ledger.example/one", bytes(range(32)))
BEGIN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@dataclass
class SmallLedger:
    """Entries in order of position."""

    entries: list[StoredEntry] = field(default_factory=list)

    def append(self, originator_id: UUID | str, topic: str, payload: Any, **other: Any) -> None:
        """Append an event to a stream; what is not said is made up."""
        stream = self.stream(originator_id)
        position = len(self.entries) + 1
        state = json.dumps(payload).encode()
        salt = sha256(b"salt %d" % position).digest()[:16]
        columns: dict[str, Any] = {
            "originator_id": originator_id,
            "originator_version": len(stream) + 1,
            "topic": topic,
            "state": state,
            "organization_id": ORGANIZATION,
            "schema_version": 1,
            "request_id": f"req-{position}",
            "actor": "key:demo",
            "source": "api",
            "salt": salt,
            "state_hash": hashing.state_hash(salt, state),
            "position": position,
            "recorded_at": BEGIN + timedelta(milliseconds=position),
        }
        entry = StoredEntry(**columns | other)
        leaf = leaf_of(entry)
        chain = stream[-1].chain_hash if stream else hashing.BEFORE_FIRST
        self.entries.append(replace(entry, leaf_hash=leaf, chain_hash=hashing.chain_hash(chain, leaf)))

    def stream(self, originator_id: UUID | str) -> list[StoredEntry]:
        """Return the entries of one stream, in order of version."""
        return [entry for entry in self.entries if entry.originator_id == originator_id]

    def erase(self, originator_id: UUID) -> None:
        """Remove the payloads and salts of a stream, and say so in it."""
        for entry in self.stream(originator_id):
            self.entries[entry.position - 1] = replace(entry, state=b"", salt=b"")
        self.append(originator_id, "PatientErased", {"order": "77"})

    def source(self, asked: Collection[Node]) -> Mapping[Node, bytes]:
        """Answer stored nodes of the tree over all entries."""
        leaves = [entry.leaf_hash for entry in self.entries]
        nodes: dict[Node, bytes] = {(0, index): leaf for index, leaf in enumerate(leaves)}
        nodes.update(Frontier().extended(leaves)[1])
        return {node: nodes[node] for node in asked}

    def heads(self, size: int) -> tuple[dict[int, bytes], HeadsTree]:
        """Return the buckets of stream heads as of a size, and the tree over them."""
        rows: dict[int, bytes] = {}
        for entry in self.entries[:size]:
            key = stream_key(entry.organization_id, UUID(str(entry.originator_id)))
            head = head_hash(entry.originator_version, entry.chain_hash)
            rows[bucket_of(key)] = with_heads(rows.get(bucket_of(key), b""), {key: head})
        return rows, HeadsTree({bucket: bucket_hash(held) for bucket, held in rows.items()})

    def checkpoint(self, size: int | None = None, key: SigningKey = KEY) -> str:
        """Return the signed checkpoint of the first entries, or of all."""
        size = len(self.entries) if size is None else size
        root = Frontier().extended(entry.leaf_hash for entry in self.entries[:size])[0].root()
        heads = self.heads(size)[1].root()
        return sign_checkpoint(ledger_checkpoint(key.name, size, root, heads, BEGIN + timedelta(hours=1)), key)

    def export(self, originator_id: UUID, size: int | None = None, since: tuple[int, ...] = ()) -> dict[str, Any]:
        """Return the export of a stream up to a checkpoint of that size, with proofs since earlier ones."""
        size = len(self.entries) if size is None else size
        entries = [entry for entry in self.stream(originator_id) if entry.position <= size]
        rows, tree = self.heads(size)
        bucket = bucket_of(stream_key(ORGANIZATION, originator_id))
        return export_document(
            entries,
            inclusion_proofs([entry.position - 1 for entry in entries], size, self.source),
            self.checkpoint(size),
            KEY.verifier,
            HeadProof(rows.get(bucket, b""), tree.path(bucket)),
            [Earlier(self.checkpoint(first), consistency_proof(first, size, self.source)) for first in since],
        )


def leaf_of(entry: StoredEntry) -> bytes:
    """Return the leaf hash of an entry's columns."""
    assert entry.recorded_at is not None
    return hashing.leaf_hash(entry.leaf_prefix(), entry.position, hashing.microseconds(entry.recorded_at))


def small_ledger() -> SmallLedger:
    """Return a ledger in which Ann has five events at 1, 2, 4, 7, 8 and Ben the others of ten."""
    ledger = SmallLedger()
    ledger.append(ANN, "PatientCreated", {"facts": {"first_name": "Ann"}})
    ledger.append(ANN, "PhoneChanged", {"old": None, "new": "+15550100"}, actor="user:Zoë 李", request_id="")
    ledger.append(BEN, "PatientCreated", {"facts": {"first_name": "Ben"}})
    ledger.append(ANN, "EmailChanged", {"old": None, "new": "ann@example.org"}, schema_version=2, source="fax")
    ledger.append(BEN, "PhoneChanged", {"old": None, "new": "+15550101"})
    ledger.append(BEN, "EmailChanged", {"old": None, "new": "ben@example.org"})
    ledger.append(ANN, "PhoneChanged", {"old": "+15550100", "new": "+15550102"})
    ledger.append(ANN, "CommentsChanged", {"old": None, "new": "prefers mornings"})
    ledger.append(BEN, "CommentsChanged", {"old": None, "new": "prefers evenings"})
    ledger.append(BEN, "PhoneChanged", {"old": "+15550101", "new": "+15550103"})
    return ledger
