"""How does the ledger keep signing what it holds? The follower that stores the tree and its checkpoints.

What changes and when to sign says `projections.checkpoints`; this stores it, in the follower's transaction, and copies
each checkpoint to a folder outside the database once it is stored.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor

from domain.checkpoint import Checkpoint, open_checkpoint
from domain.entry import StoredEntry
from domain.merkle import Frontier
from domain.signed_note import SigningKey
from domain.stream_heads import HeadsTree
from projections.checkpoint_folder import CheckpointFolder
from projections.checkpoints import (
    grow,
    hashes_of_buckets,
    is_due,
    refuse_contradiction,
    resumed,
    sign_next,
    touched,
)
from projections.follow import Follower
from projections.proof_source import stored_nodes
from projections.statements import statements

_SQL = statements("proofs")


class Signer(Follower):
    """Grows the tree with every entry and signs it at least every 1,000 entries or 60 seconds.

    The meaning of this follower is the whole log: it parks nothing and waits at what it cannot digest.
    """

    name: ClassVar[str] = "checkpoints"
    batch: ClassVar[int] = 1000
    parks_at_most: ClassVar[int] = 0

    def __init__(self, key: SigningKey, folder: CheckpointFolder, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._folder = folder
        self._clock = clock
        self._frontier: Frontier | None = None
        self._heads = HeadsTree()

    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """Add the entries to the tree and to the heads of their streams; sign when it is due."""
        self._copy(cursor)
        frontier = self._resume(cursor, entries[0].position - 1)
        buckets = {"buckets": sorted(touched(entries))}
        rows = {bucket: bytes(held) for bucket, held in cursor.execute(_SQL["find_buckets"], buckets)}
        growth = grow(frontier, rows, entries)
        if growth.nodes:
            nodes = {
                "levels": [level for (level, _), _ in growth.nodes],
                "indexes": [index for (_, index), _ in growth.nodes],
                "hashes": [digest for _, digest in growth.nodes],
            }
            cursor.execute(_SQL["add_nodes"], nodes)
        hashes = hashes_of_buckets(growth)
        changed = sorted(growth.buckets)
        cursor.execute(
            _SQL["put_buckets"],
            {
                "buckets": changed,
                "hashes": [hashes[bucket] for bucket in changed],
                "rows": [growth.buckets[bucket] for bucket in changed],
            },
        )
        self._heads.update(hashes)
        self._frontier = growth.frontier
        self._sign(cursor)

    def caught_up(self, cursor: Cursor[Any], position: int) -> None:
        """Sign what has waited long enough. RolledBack when more was signed than the ledger holds."""
        self._copy(cursor)
        frontier = self._resume(cursor, position)
        signed = self._last_signed(cursor)
        if signed is not None and signed.size > frontier.size:
            refuse_contradiction(signed, frontier, stored_nodes(cursor))
        self._sign(cursor)

    def _resume(self, cursor: Cursor[Any], size: int) -> Frontier:
        """Return the frontier at this size, read anew after a start or a transaction that failed."""
        if self._frontier is None or self._frontier.size != size:
            buckets = {bucket: bytes(digest) for bucket, digest in cursor.execute(_SQL["bucket_hashes"])}
            self._frontier, self._heads = resumed(size, stored_nodes(cursor), buckets)
        return self._frontier

    def _sign(self, cursor: Cursor[Any]) -> None:
        """Sign when it is due. Rewritten when the ledger contradicts what was signed before."""
        assert self._frontier is not None
        now = self._clock()
        signed = self._last_signed(cursor)
        unsigned = self._frontier.size - (0 if signed is None else signed.size)
        if unsigned > 0 and is_due(unsigned, None if signed is None else signed.signed_at, now):
            note = sign_next(self._frontier, self._heads, signed, stored_nodes(cursor), self._key, now)
            cursor.execute(_SQL["add_checkpoint"], {"size": self._frontier.size, "note": note, "signed_at": now})

    def _last_signed(self, cursor: Cursor[Any]) -> Checkpoint | None:
        """Return the largest checkpoint, wherever it was kept."""
        last = cursor.execute(_SQL["last_checkpoint"]).fetchone()
        largest = self._folder.largest()
        notes = ([last[1]] if last is not None else []) + ([] if largest is None else [self._folder.read(largest)])
        signed = (open_checkpoint(note, self._key.verifier) for note in notes)
        return max(signed, key=lambda checkpoint: checkpoint.size, default=None)

    def _copy(self, cursor: Cursor[Any]) -> None:
        """Copy the last checkpoint to the folder: only here, in a later transaction, is it known to be stored."""
        last = cursor.execute(_SQL["last_checkpoint"]).fetchone()
        if last is not None and last[0] != self._folder.largest():
            self._folder.keep(last[0], last[1])
