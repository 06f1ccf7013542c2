"""Is the ledger what it was? Everything is hashed again, and held against the chains, the head and what was signed.

The first thing that does not fit is named by its position and by what happened there: edited, deleted, inserted,
reordered, truncated, rolled back, rewritten with all hashes recomputed, or erased without an order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.sql import SQL

from domain import hashing
from domain.checkpoint import Checkpoint, open_checkpoint
from domain.errors import LedgerError
from domain.merkle import Frontier, frontier_at
from domain.signed_note import MalformedNote, UntrustedNote, VerifierKey
from projections import streams
from projections.checkpoint_folder import CheckpointFolder
from projections.proof_source import stored_nodes
from projections.statements import statements

_SQL = statements("proofs")

MOST_FINDINGS = 20
"""After so many findings the rest is only counted on."""

CHUNK = 2_000
"""Leaves added to the tree at a time, between checkpoints."""

_EPOCH_2000 = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL counts from."""

_COLUMNS = SQL(
    "SELECT position, organization_id, originator_id, originator_version, topic, schema_version, state, recorded_at,"
    " request_id, actor, source, salt, state_hash, leaf_hash, chain_hash FROM ledger_events"
)

Progress = Callable[[int, int], None]
"""(positions checked, of so many)."""


class UnknownCheckpoint(LedgerError):
    """No checkpoint of this size was signed; `--since` takes a size that the folder of checkpoints has."""


@dataclass(frozen=True)
class Finding:
    """What happened, where, and how it shows. No value of a patient stands in it."""

    what: str
    position: int
    detail: str
    stream: str | None = None


@dataclass
class Verdict:
    """What was checked, and everything that was found. `position`: the head. `checkpoints`: how many agree."""

    position: int = 0
    events: int = 0
    erased: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    def find(self, what: str, position: int, detail: str, stream: str | None = None) -> None:
        """Note a finding."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(what, position, detail, stream))

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as the command line prints it."""
        return {"passed": self.passed, **asdict(self)}


def verify(
    url: str, key: VerifierKey | None, folder: CheckpointFolder, *, since: int = 0, progress: Progress = lambda *_: None
) -> Verdict:
    """Check the log after `since`, in one snapshot, against itself and every checkpoint that was kept.

    url: the owner's. key: who signs; `None` where nothing was ever signed. since: the size of a checkpoint to trust.
    UnknownCheckpoint.
    """
    verdict = Verdict()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL statement_timeout = 0")
        head = connection.execute("SELECT position FROM ledger_head").fetchone()
        verdict.position = 0 if head is None else head[0]
        signed = _signed(connection, key, folder, since, verdict)
        frontier = _trusted(connection, signed, since) if since else Frontier()
        _Check(connection, verdict, signed, frontier, progress).run()
    return verdict


def _signed(
    connection: Connection[Any], key: VerifierKey | None, folder: CheckpointFolder, since: int, verdict: Verdict
) -> Mapping[int, Checkpoint]:
    """Return every checkpoint from `since` on, by size; findings where the two copies or a signature disagree."""
    if key is None:
        return {}
    notes: dict[int, str] = {size: folder.read(size) for size in folder.sizes() if size >= since}
    for size, note in connection.execute(_SQL["checkpoints"], {"from_size": since}):
        if notes.setdefault(size, note) != note:
            verdict.find("edited", size, "the stored checkpoint is not the one that was kept outside the database")
    checkpoints: dict[int, Checkpoint] = {}
    for size, note in sorted(notes.items()):
        try:
            checkpoint = open_checkpoint(note, key)
        except (MalformedNote, UntrustedNote) as error:
            verdict.find("edited", size, f"a checkpoint is not what was signed: {error}")
            continue
        if checkpoint.size == size:
            checkpoints[size] = checkpoint
        else:
            verdict.find("edited", size, "a checkpoint is filed under another size than the signed one")
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


class _Check:
    """One pass over the log, in order of position."""

    def __init__(
        self,
        connection: Connection[Any],
        verdict: Verdict,
        signed: Mapping[int, Checkpoint],
        frontier: Frontier,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._verdict = verdict
        self._signed = signed
        self._frontier = frontier
        self._since = frontier.size
        self._progress = progress
        self._leaves: list[bytes] = []
        self._stops = sorted(size for size in signed if size > frontier.size)
        self._good = frontier.size
        self._heads: dict[tuple[bytes, bytes], tuple[int, bytes]] = {}
        self._unordered: dict[tuple[bytes, bytes], int] = {}

    def run(self) -> None:
        verdict = self._verdict
        expected = self._since + 1
        query = _COLUMNS + SQL(" WHERE position > {} ORDER BY position").format(self._since)
        rows: Iterator[Sequence[Any]] = streams.read(self._connection, query)
        for row in rows:
            position = row[0]
            if position > expected:
                gone = f"{expected}" if position == expected + 1 else f"{expected} to {position - 1}"
                verdict.find("deleted", expected, f"position {gone} is missing")
            elif position < expected:
                verdict.find("inserted", position, "this position stands twice")
            expected = position + 1
            self._row(row)
            verdict.events += 1
            if verdict.events % CHUNK == 0:
                self._progress(position, verdict.position)
        self._extend(final=True)
        self._ends(expected - 1)
        for stream, position in self._unordered.items():
            verdict.find("erased", position, "the payload was removed, and no order says so", _name(stream))
        self._progress(verdict.position, verdict.position)

    def _row(self, row: Sequence[Any]) -> None:
        position, organization, stream, version, topic, schema_version, state, recorded_at = row[:8]
        request_id, actor, source, salt, state_hash, leaf_hash, chain_hash = row[8:]
        leaf = hashing.leaf_hash(
            hashing.leaf_prefix(
                _uuid(organization),
                _uuid(stream),
                version,
                topic,
                schema_version,
                request_id,
                actor,
                source,
                state_hash,
            ),
            position,
            recorded_at + _EPOCH_2000,
        )
        ids = (organization, stream)
        if state is None or salt is None:
            self._verdict.erased += 1
            self._unordered.setdefault(ids, position)
        elif sha256(salt + state).digest() != state_hash:
            self._verdict.find("edited", position, "the payload is not the one that was hashed", _name(ids))
        if topic == "PatientErased" and state is not None:
            self._unordered.pop(ids, None)
        if leaf != leaf_hash:
            self._verdict.find(*self._misfit(row), _name(ids))
        last, chain = self._heads.get(ids) or self._head_before(ids, version)
        if version != last + 1:
            what = "deleted" if version > last + 1 else "inserted"
            detail = f"version {version} of its stream follows version {last}"
            self._verdict.find(what, position, detail, _name(ids))
        elif hashing.chain_hash(chain, leaf_hash) != chain_hash:
            self._verdict.find("edited", position, "the chain of its stream breaks here", _name(ids))
        self._heads[ids] = (version, chain_hash)
        self._leaves.append(leaf)
        if len(self._leaves) >= CHUNK:
            self._extend()

    def _head_before(self, ids: tuple[bytes, bytes], version: int) -> tuple[int, bytes]:
        """Return the head of a stream when it is first met: from before `since`, or none."""
        if self._since == 0 or version == 1:
            return 0, hashing.BEFORE_FIRST
        with psycopg.connect(**_again(self._connection)) as other:
            found = other.execute(
                "SELECT originator_version, chain_hash FROM ledger_events WHERE organization_id = %s"
                " AND originator_id = %s AND position <= %s ORDER BY originator_version DESC LIMIT 1",
                (_uuid(ids[0]), _uuid(ids[1]), self._since),
            ).fetchone()
        return (0, hashing.BEFORE_FIRST) if found is None else (found[0], bytes(found[1]))

    def _misfit(self, row: Sequence[Any]) -> tuple[str, int, str]:
        """Return what happened to an entry whose hash is not that of its columns: moved, if another place fits it."""
        position, organization, stream, version, topic, schema_version, _, recorded_at, *rest = row
        request_id, actor, source, _, state_hash, leaf_hash, _ = rest
        known = (topic, schema_version, request_id, actor, source, state_hash)
        prefix = hashing.leaf_prefix(_uuid(organization), _uuid(stream), version, *known)
        for place in range(1, self._verdict.position + 1):
            if hashing.leaf_hash(prefix, place, recorded_at + _EPOCH_2000) == leaf_hash:
                return "reordered", position, f"this entry was recorded at position {place}"
        return "edited", position, "a column is not the one that was hashed"

    def _extend(self, *, final: bool = False) -> None:
        """Add the waiting leaves to the tree, stopping at each checkpoint to compare."""
        waiting, self._leaves = self._leaves, []
        while waiting:
            stop = self._stops[0] if self._stops else None
            room = len(waiting) if stop is None else min(len(waiting), stop - self._frontier.size)
            self._frontier, _ = self._frontier.extended(waiting[:room])
            waiting = waiting[room:]
            if stop is not None and self._frontier.size == stop:
                self._stops.pop(0)
                self._compare(self._signed[stop])
        if final and self._since and not self._verdict.findings:
            self._verdict.last_checkpoint = max(self._verdict.last_checkpoint, self._since)

    def _compare(self, signed: Checkpoint) -> None:
        if self._frontier.root() == signed.root:
            self._good = signed.size
            self._verdict.checkpoints += 1
            self._verdict.last_checkpoint = signed.size
        elif not self._verdict.findings:
            detail = (
                f"positions {self._good + 1} to {signed.size} are not what was signed, though every hash fits:"
                f" they were rewritten and recomputed; the last good checkpoint is {self._good}"
            )
            self._verdict.find("rewritten", self._good + 1, detail)

    def _ends(self, last: int) -> None:
        """Compare where the log ends with the head and with the largest checkpoint."""
        verdict = self._verdict
        beyond = self._stops[-1] if self._stops else 0
        if last < verdict.position:
            verdict.find("truncated", last + 1, f"the head says {verdict.position}, the log ends at {last}")
        elif last > verdict.position:
            verdict.find("inserted", verdict.position + 1, f"the log goes on behind the head at {verdict.position}")
        elif beyond > last and not verdict.findings:
            detail = f"{beyond} entries were signed and {last} are there: an older state was restored"
            verdict.find("rolled back", last + 1, detail)


@lru_cache(maxsize=65_536)
def _uuid(raw: bytes) -> UUID:
    return UUID(bytes=bytes(raw))


def _name(ids: tuple[bytes, bytes]) -> str:
    return f"{_uuid(ids[0])}/{_uuid(ids[1])}"


def _again(connection: Connection[Any]) -> dict[str, Any]:
    """Return the parameters of a second connection like this one: the first is busy with the log."""
    return {**connection.info.get_parameters(), "password": connection.info.password or None}
