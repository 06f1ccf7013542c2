"""What of a stream can be proven, as of the last checkpoint? Everything an export needs, in one snapshot."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Cursor

from domain.checkpoint import open_checkpoint
from domain.errors import LedgerError
from domain.events import PatientErased
from domain.export import Earlier, HeadProof, export_document
from domain.proofs import consistency_proof, inclusion_proofs
from domain.signed_note import VerifierKey
from domain.stream_heads import ROW_SIZE, HeadsTree, bucket_hash, bucket_of, head_hash, stream_key, with_heads
from projections.event_store import stored_entry
from projections.proof_source import stored_nodes
from projections.statements import statements
from projections.verify import UnknownCheckpoint

_SQL = statements("proofs")
_STORE = statements("event_store")


class NotYetSigned(LedgerError):
    """No checkpoint covers this patient yet; one is signed every 60 seconds while `serve` or `follow` runs."""


class SetBack(LedgerError):
    """This checkpoint has more entries than the last one that was signed here: the ledger was set back."""


def export(
    url: str,
    key: VerifierKey,
    organization_id: str,
    stream_id: str,
    *,
    since: Collection[int] = (),
    kept: Collection[str] = (),
) -> dict[str, Any]:
    """Return the export document of a stream (`domain.export`). url: the owner's.

    It proves that the ledger begins as it was at earlier checkpoints: those of the sizes `since`, those whose notes
    somebody `kept`, and by default the first one. NotYetSigned, Unprovable, UnknownCheckpoint, SetBack, UntrustedNote.
    """
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        notes = cursor.execute(_SQL["checkpoints"], {"from_size": 0}).fetchall()
        if not notes:
            raise NotYetSigned
        size, note = notes[-1]
        bounds = {"after": 0, "up_to": 2**62, "limit": 2**62}
        rows = cursor.execute(_STORE["select_stream"], {"organization": organization_id, "stream": stream_id, **bounds})
        stream = [stored_entry(row) for row in rows.fetchall()]
        entries = [entry for entry in stream if entry.position <= size]
        if not entries or any(entry.topic == PatientErased.__name__ for entry in stream[len(entries) :]):
            raise NotYetSigned  # payloads that are gone and the event that says so belong in one document
        source = stored_nodes(cursor)
        inclusion = inclusion_proofs([entry.position - 1 for entry in entries], size, source)
        earlier = []
        for before, earlier_note in dict.fromkeys(_earlier(dict(notes), key, since, kept)):
            if before > size:
                raise SetBack(size=before, last=size)
            earlier.append(Earlier(earlier_note, consistency_proof(before, size, source)))
        head = _head_proof(cursor, stream_key(UUID(organization_id), UUID(stream_id)), size)
        open_checkpoint(note, key)
        return export_document(entries, inclusion, note, key, head, earlier)


def _earlier(
    signed: Mapping[int, str], key: VerifierKey, since: Collection[int], kept: Collection[str]
) -> Iterator[tuple[int, str]]:
    """Yield size and note of the checkpoints to prove the growth from."""
    for size in since:
        if size not in signed:
            raise UnknownCheckpoint(size=size)
        yield size, signed[size]
    yield from ((open_checkpoint(note, key).size, note) for note in kept)
    if not since and not kept and len(signed) > 1:
        yield min(signed.items())


def _head_proof(cursor: Cursor[Any], key: bytes, size: int) -> HeadProof:
    """Return the proof of a stream's head as of a checkpoint: what was told since then is taken back."""
    row = cursor.execute(_SQL["tracked"], {"follower": "checkpoints"}).fetchone()
    heads: dict[int, dict[bytes, bytes | None]] = {}
    for organization_id, stream_id, version, chain in cursor.execute(
        _SQL["heads_at"], {"size": size, "up_to": 0 if row is None else row[0]}
    ):
        changed = stream_key(organization_id, stream_id)
        before = None if version is None else head_hash(version, bytes(chain))
        heads.setdefault(bucket_of(changed), {})[changed] = before
    wanted = {"buckets": sorted({*heads, bucket_of(key)})}
    rows = {bucket: bytes(held) for bucket, held in cursor.execute(_SQL["find_buckets"], wanted)}
    then = {bucket: _taken_back(rows.get(bucket, b""), changes) for bucket, changes in heads.items()}
    tree = HeadsTree({bucket: bytes(digest) for bucket, digest in cursor.execute(_SQL["bucket_hashes"])})
    tree.update({bucket: bucket_hash(held) for bucket, held in then.items()})
    bucket = bucket_of(key)
    return HeadProof(then.get(bucket, rows.get(bucket, b"")), tree.path(bucket))


def _taken_back(rows: bytes, before: dict[bytes, bytes | None]) -> bytes:
    """Return a bucket's rows with earlier heads; streams that had none are left out."""
    kept = b"".join(
        rows[at : at + ROW_SIZE]
        for at in range(0, len(rows), ROW_SIZE)
        if before.get(rows[at : at + 32], b"") is not None
    )
    return with_heads(kept, {key: head for key, head in before.items() if head is not None})
