"""Does each entry, in order of position, say what its hashes, its stream and the signed checkpoints say?"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.checkpoint import Checkpoint
from domain.events import PatientErased
from domain.hashing import BEFORE_FIRST
from domain.merkle import Frontier
from domain.stream_heads import Heads, head_hash, key_of_ids
from projections import wire
from projections.statements import statements
from projections.verdict import Verdict

_SQL = statements("proofs")

CHUNK = 2_000
"""Leaves added to the tree at a time, between checkpoints."""

Progress = Callable[[int, int], None]
"""(positions checked, of so many)."""

Ids = bytes
"""The ids of organization and stream as they come over the wire: 16 bytes, 4 of a length, 16 bytes."""

_BEGINNING = (0, BEFORE_FIRST)


class LogCheck:
    """One pass over the log after a checkpoint that is trusted, or from the beginning."""

    def __init__(
        self,
        connection: Connection[Any],
        verdict: Verdict,
        signed: Mapping[int, Checkpoint],
        frontier: Frontier,
        progress: Progress,
        *,
        all_heads: bool = False,
    ) -> None:
        """Check against the signed checkpoints; stream heads against the last one alone unless `all_heads`."""
        self._connection = connection
        self._verdict = verdict
        self._signed = signed
        self._frontier = frontier
        self._since = self._good = frontier.size
        self._progress = progress
        self._leaves: list[bytes] = []
        self._stops = sorted(size for size in signed if size > frontier.size)
        within = [size for size in self._stops if size <= verdict.position]
        self._heads_at = frozenset(within if all_heads else within[-1:])
        self._heads = Heads()
        self._before: dict[Ids, tuple[int, bytes]] = {}
        self._now: dict[Ids, tuple[int, bytes]] = {}
        self._unordered: dict[Ids, int] = {}

    def run(self) -> None:
        """Read, hash and compare everything."""
        verdict = self._verdict
        if self._since:
            self._begin()
        expected = self._since + 1
        stop = self._next_stop()
        before, now, leaves, unordered = self._before, self._now, self._leaves, self._unordered
        payload_of, stream_of, end_of, erasure = wire.PAYLOAD, wire.STREAM, wire.END, _text(PatientErased.__name__)
        for received in wire.read_log(self._connection, self._since):
            row = received if received[-72:-68] == received[-36:-32] == wire.LENGTH_OF_HASH else wire.mended(received)
            salt_size, salt, state_size = payload_of(row)
            begin = wire.STATE + state_size + 3
            ordinary = salt_size == 16 and state_size >= 0
            if not ordinary:
                begin = wire.payload(row)[2]
            ids, version = stream_of(row, begin)
            state_hash, position, leaf_hash, chain_hash = end_of(row, len(row) - wire.END_SIZE)
            if position != expected:
                if position < 1:
                    verdict.find("inserted", position, "the first position is 1", _name(ids))
                    continue
                self._out_of_place(position, expected)
            expected = position + 1
            leaf = sha256(row[begin : -wire.HASHES_SIZE]).digest()
            if not ordinary or sha256(salt + row[wire.STATE : begin - 3]).digest() != state_hash:
                self._odd_payload(row, ids, position)
            elif unordered and row[begin + wire.TOPIC :].startswith(erasure):
                unordered.pop(ids, None)
            if wire.LENGTH_OF_HASH + leaf != leaf_hash:
                self._misfit(row, begin, ids, position)
            last, chain = now.get(ids) or before.get(ids) or _BEGINNING
            if version != last + 1:
                what = "deleted" if version > last + 1 else "inserted"
                verdict.find(what, position, f"version {version} of its stream follows version {last}", _name(ids))
            elif wire.LENGTH_OF_HASH + sha256(chain + leaf_hash[4:]).digest() != chain_hash:
                verdict.find("edited", position, "the chain of its stream breaks here", _name(ids))
            now[ids] = version, chain_hash[4:]
            leaves.append(leaf)
            if len(leaves) >= stop:
                self._extend()
                stop = self._next_stop()
        self._extend()
        self._ends(expected - 1)
        for stream, position in unordered.items():
            verdict.find("erased", position, "the payload was removed, and no order says so", _name(stream))
        if self._since and verdict.passed:
            verdict.last_checkpoint = max(verdict.last_checkpoint, self._since)
        self._progress(verdict.position, verdict.position)

    def _begin(self) -> None:
        """Read the heads of all streams at the trusted checkpoint; a finding when it was not signed over these."""
        heads = self._connection.execute(_SQL["all_heads_at"], {"size": self._since}, binary=True)
        for organization, stream, version, chain in heads:
            self._now[organization.bytes + _STREAM_LENGTH + stream.bytes] = version, bytes(chain)
        self._compare_heads(self._signed[self._since])

    def _next_stop(self) -> int:
        """Return how many leaves to gather before the tree is extended: a chunk, or up to the next checkpoint."""
        return min(CHUNK, self._stops[0] - self._frontier.size) if self._stops else CHUNK

    def _out_of_place(self, position: int, expected: int) -> None:
        if position > expected:
            gone = f"{expected}" if position == expected + 1 else f"{expected} to {position - 1}"
            self._verdict.find("deleted", expected, f"position {gone} is missing")
        else:
            self._verdict.find("inserted", position, "this position stands twice")

    def _odd_payload(self, row: bytes, ids: Ids, position: int) -> None:
        salt, state, _ = wire.payload(row)
        if state is None and salt is None:
            self._verdict.erased += 1
            self._unordered.setdefault(ids, position)
        else:
            self._verdict.find("edited", position, "the payload is not the one that was hashed", _name(ids))

    def _misfit(self, row: bytes, begin: int, ids: Ids, position: int) -> None:
        """Find what happened to an entry whose hash is not that of its columns: moved, if another place fits it."""
        if self._verdict.is_full:
            return  # every place of the ledger is tried below, too long to do for what is not told
        leaf, stored = row[begin : -wire.HASHES_SIZE], row[-wire.HASHES_SIZE + 4 : -wire.HASHES_SIZE + 36]
        for place in range(1, self._verdict.position + 1):
            if sha256(leaf[:-20] + place.to_bytes(8) + leaf[-12:]).digest() == stored:
                self._verdict.find("reordered", position, f"this entry was recorded at position {place}", _name(ids))
                return
        self._verdict.find("edited", position, "a column is not the one that was hashed", _name(ids))

    def _extend(self) -> None:
        """Add the waiting leaves to the tree, and compare where a checkpoint was signed."""
        verdict = self._verdict
        self._frontier, _ = self._frontier.extended(self._leaves)
        verdict.events += len(self._leaves)
        self._leaves.clear()
        self._progress(self._frontier.size, verdict.position)
        if self._stops and self._frontier.size == self._stops[0]:
            self._compare(self._signed[self._stops.pop(0)])

    def _compare(self, signed: Checkpoint) -> None:
        if self._frontier.root() != signed.root:
            if self._verdict.passed:
                detail = (
                    f"positions {self._good + 1} to {signed.size} are not what was signed, though every hash fits:"
                    f" they were rewritten and recomputed; the last good checkpoint is {self._good}"
                )
                self._verdict.find("rewritten", self._good + 1, detail)
            return
        self._good = signed.size
        self._verdict.checkpoints += 1
        self._verdict.last_checkpoint = signed.size
        if signed.size in self._heads_at and self._verdict.passed:
            self._compare_heads(signed)

    def _compare_heads(self, signed: Checkpoint) -> None:
        """Hold the root over the heads of all streams against the heads that the entries leave."""
        self._heads.put(
            (key_of_ids(ids[:16] + ids[20:]), head_hash(version, chain)) for ids, (version, chain) in self._now.items()
        )
        self._before.update(self._now)
        self._now.clear()
        if self._heads.root() == signed.stream_heads:
            self._verdict.stream_heads += 1
        else:
            detail = (
                "the signed heads of streams are not those that the entries up to here leave:"
                " by this checkpoint, an export could leave out the end of a stream"
            )
            self._verdict.find("other stream heads", signed.size, detail)

    def _ends(self, last: int) -> None:
        """Compare where the log ends with the head and with the largest checkpoint."""
        verdict = self._verdict
        beyond = self._stops[-1] if self._stops else 0
        if last < verdict.position:
            verdict.find("truncated", last + 1, f"the head says {verdict.position}, the log ends at {last}")
        elif last > verdict.position:
            verdict.find("inserted", verdict.position + 1, f"the log goes on behind the head at {verdict.position}")
        elif beyond > last and verdict.passed:
            detail = f"{beyond} entries were signed and {last} are there: an older state was restored"
            verdict.find("rolled back", last + 1, detail)


_STREAM_LENGTH = b"\x00\x00\x00\x10"


def _text(value: str) -> bytes:
    return len(value).to_bytes(4) + value.encode()


def _name(ids: Ids) -> str:
    return f"{UUID(bytes=ids[:16])}/{UUID(bytes=ids[20:])}"
