"""Is the ledger what it was? Everything is hashed again, and held against the chains, the head and what was signed.

The first thing that does not fit is named by its position and by what happened there: edited, deleted, inserted,
reordered, truncated, rolled back, rewritten with all hashes recomputed, or erased without an order.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import Connection

from domain.checkpoint import Checkpoint, open_checkpoint
from domain.errors import LedgerError
from domain.merkle import Frontier, frontier_at
from domain.signed_note import MalformedNote, UntrustedNote, VerifierKey
from projections.checkpoint_folder import CheckpointFolder
from projections.proof_source import stored_nodes
from projections.statements import statements
from projections.verdict import Verdict
from projections.verify_log import LogCheck, Progress

_SQL = statements("proofs")


class UnknownCheckpoint(LedgerError):
    """No checkpoint of this size was signed; `--since` takes a size that the folder of checkpoints has."""


def verify(
    url: str,
    key: VerifierKey | None,
    folder: CheckpointFolder,
    *,
    since: int = 0,
    all_heads: bool = False,
    progress: Progress = lambda *_: None,
) -> Verdict:
    """Check the log after `since`, in one snapshot, against itself and every checkpoint that was kept.

    url: the owner's. key: who signs; `None` where it is missing, which is a finding if anything was signed. since: the
    size of a checkpoint to trust.
    The heads of all streams are worked out again for `since` and the last checkpoint; all_heads: for each, in between.
    UnknownCheckpoint.
    """
    verdict = Verdict()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL client_encoding = 'UTF8'")
        head = connection.execute("SELECT position FROM ledger_head").fetchone()
        verdict.position = 0 if head is None else head[0]
        signed = _signed(connection, key, folder, since, verdict)
        frontier = _trusted(connection, signed, since) if since else Frontier()
        LogCheck(connection, verdict, signed, frontier, progress, all_heads=all_heads).run()
    return verdict


def _signed(
    connection: Connection[Any], key: VerifierKey | None, folder: CheckpointFolder, since: int, verdict: Verdict
) -> Mapping[int, Checkpoint]:
    """Return every checkpoint from `since` on, by size; findings where the two copies or a signature disagree."""
    stored = connection.execute(_SQL["checkpoints"], {"from_size": since}).fetchall()
    if key is None:
        if stored:
            verdict.find("not checked", stored[-1][0], "checkpoints were signed, and the key to check them is missing")
        return {}
    notes: dict[int, str] = {size: folder.read(size) for size in folder.sizes() if size >= since}
    for size, note in stored:
        if notes.setdefault(size, note) != note:
            verdict.find("edited", size, "the stored checkpoint is not the one that was kept outside the database")
    checkpoints: dict[int, Checkpoint] = {}
    for size, note in sorted(notes.items()):
        try:
            checkpoint = open_checkpoint(note, key)
            signs_heads = checkpoint.stream_heads is not None
        except (MalformedNote, UntrustedNote) as error:
            verdict.find("edited", size, f"a checkpoint is not what was signed: {error}")
            continue
        if checkpoint.size != size:
            verdict.find("edited", size, "a checkpoint is filed under another size than the signed one")
        elif not signs_heads:
            verdict.find("other stream heads", size, "this checkpoint was signed without the heads of streams")
        else:
            checkpoints[size] = checkpoint
    return checkpoints


def _trusted(connection: Connection[Any], signed: Mapping[int, Checkpoint], since: int) -> Frontier:
    """Return the frontier that a trusted checkpoint was signed over."""
    if since not in signed:
        raise UnknownCheckpoint(size=since)
    try:
        frontier = frontier_at(since, stored_nodes(connection.cursor()))
    except KeyError:
        raise UnknownCheckpoint(size=since, reason="the tree below it is not stored") from None
    if frontier.root() != signed[since].root:
        raise UnknownCheckpoint(size=since, reason="the stored tree does not lead to it: verify from the beginning")
    return frontier
