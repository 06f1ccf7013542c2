"""How does the ledger come to sign what it holds?

A follower reads entries in order, adds them to the Merkle tree and to the heads of their streams, and signs a
checkpoint when one is due. This page says what changes; the follower stores it, in one transaction:

    merkle_nodes    (level, index) → hash        added once, never changed
    stream_buckets  bucket → rows, bucket hash   rewritten when one of its streams has a new head
    checkpoints     size → the signed note       added once, never changed

A checkpoint is copied to a folder outside the database after it was stored (`projections.checkpoint_folder`): who
restores an old backup, or rewrites the ledger and recomputes every hash, contradicts what was copied.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.checkpoint import Checkpoint, ledger_checkpoint, sign_checkpoint
from domain.entry import StoredEntry
from domain.errors import LedgerError
from domain.merkle import Frontier, Node, Source, frontier_at
from domain.proofs import consistency_proof, verify_consistency
from domain.signed_note import SigningKey
from domain.stream_heads import HeadsTree, bucket_hash, bucket_of, head_hash, stream_key, with_heads

MOST_ENTRIES = 1_000
LONGEST_WAIT = timedelta(seconds=60)


class SkippedEntry(LedgerError):
    """The entries to sign do not follow the ones that are in the tree."""


class RolledBack(LedgerError):
    """A checkpoint was signed over more entries than the ledger has: an old state was restored, or the end cut off."""


class Rewritten(LedgerError):
    """The ledger does not begin with the entries that an earlier checkpoint was signed over."""


@dataclass(frozen=True)
class Growth:
    """What a batch of entries changes: what to store, and the frontier to go on from."""

    frontier: Frontier
    nodes: Sequence[tuple[Node, bytes]]
    buckets: Mapping[int, bytes]


def touched(entries: Iterable[StoredEntry]) -> set[int]:
    """Return the buckets in which streams get a new head: `grow` needs their rows."""
    return {bucket_of(_key(entry)) for entry in entries}


def grow(frontier: Frontier, rows: Mapping[int, bytes], entries: Sequence[StoredEntry]) -> Growth:
    """Return what the next entries change.

    `rows` are those of the touched buckets as stored; a bucket without rows may be left out. The entries follow
    the frontier without a gap, else SkippedEntry.
    """
    heads: dict[int, dict[bytes, bytes]] = {}
    for position, entry in enumerate(entries, start=frontier.size + 1):
        if entry.position != position:
            raise SkippedEntry(expected=position, position=entry.position)
        key = _key(entry)
        heads.setdefault(bucket_of(key), {})[key] = head_hash(entry.originator_version, entry.chain_hash)
    after, nodes = frontier.extended(entry.leaf_hash for entry in entries)
    buckets = {bucket: with_heads(rows.get(bucket, b""), new) for bucket, new in heads.items()}
    return Growth(after, nodes, buckets)


def is_due(unsigned: int, signed_at: datetime | None, now: datetime) -> bool:
    """Return whether to sign: there are entries to sign, and they are many or have waited long enough."""
    if not unsigned:
        return False
    return unsigned >= MOST_ENTRIES or signed_at is None or now - signed_at >= LONGEST_WAIT


def sign_next(
    frontier: Frontier,
    heads: HeadsTree,
    previous: Checkpoint | None,
    source: Source,
    key: SigningKey,
    now: datetime,
) -> str:
    """Return the signed note of the checkpoint over the entries up to the frontier.

    `previous` is the last one that was signed, wherever it was kept: nothing is signed that contradicts it.
    RolledBack, Rewritten.
    """
    if previous is not None:
        refuse_contradiction(previous, frontier, source)
    return sign_checkpoint(ledger_checkpoint(key.name, frontier.size, frontier.root(), heads.root(), now), key)


def refuse_contradiction(signed: Checkpoint, frontier: Frontier, source: Source) -> None:
    """Raise RolledBack or Rewritten when the ledger is not a continuation of what was signed.

    The source answers from the ledger as it is now, the frontier is that of its whole tree.
    """
    if signed.size > frontier.size:
        raise RolledBack(signed=signed.size, held=frontier.size)
    proof = consistency_proof(signed.size, frontier.size, source)
    if not verify_consistency(signed.size, frontier.size, signed.root, frontier.root(), proof):
        raise Rewritten(signed=signed.size, held=frontier.size)


def resumed(size: int, source: Source, buckets: Mapping[int, bytes]) -> tuple[Frontier, HeadsTree]:
    """Return where a follower goes on after a start or a failed transaction: from what is stored at a size.

    `buckets` are all stored bucket hashes; up to 65,536 of them are read and hashed in 0.1 s.
    """
    return frontier_at(size, source), HeadsTree(buckets)


def hashes_of_buckets(growth: Growth) -> dict[int, bytes]:
    """Return the new hash of each bucket that a batch changes: to store, and for `HeadsTree.update` once stored."""
    return {bucket: bucket_hash(rows) for bucket, rows in growth.buckets.items()}


def _key(entry: StoredEntry) -> bytes:
    return stream_key(entry.organization_id, UUID(str(entry.originator_id)))
