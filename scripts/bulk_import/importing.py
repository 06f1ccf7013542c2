"""How does a whole file get in? Rows are handed out to workers in lists, and what became of them is counted.

The line up to which everything has been placed or rejected is noted about once a second, so that the same command goes
on there after whatever stopped it. Rows placed but not yet noted are placed again, which changes nothing.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Self

import orjson

from domain.errors import LedgerUnavailable
from domain.golden_record import IDENTITY
from domain.ledger import Ledger
from domain.match_keys import MatchKey, match_keys
from domain.normalise import normalise
from domain.organization import Organization
from domain.record import read_record
from domain.upsert import identity_of_record
from projections import imports
from scripts.bulk_import.lanes import Lanes
from scripts.bulk_import.rows import BadRow, Row
from scripts.bulk_import.worker_process import ImportStopped, Job, Placed, WorkerProcess

LIST = 100
"""Records of a transaction."""

AHEAD = 2
"""Lists that a worker has waiting or in hand."""

NOTE_SECONDS = 1.0


@dataclass
class Summary:
    """What became of the rows. `matched`: tier → records; `rejected`: rule → rows; `dropped`: field → how often."""

    rows: int = 0
    resumed_after_line: int = 0
    created: int = 0
    matched: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    events: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the summary as the command line prints it."""
        placed = self.rows - sum(self.rejected.values())
        rate = placed / self.seconds if self.seconds else 0.0
        return {**self.__dict__, "placed": placed, "seconds": round(self.seconds, 3), "upserts_per_s": round(rate, 1)}


def keys_of(body: dict[str, Any], organization: Organization, today: date) -> frozenset[MatchKey]:
    """Return the match keys of a record: of what it says of who somebody is, the rest need not be read."""
    record, _ = read_record({name: body[name] for name in (*IDENTITY, "external_id") if name in body})
    clean, _ = normalise(record, organization=organization, today=today)
    return match_keys(identity_of_record(clean))


class Import:
    """One import. Use it as a context: workers and the file of rejected rows are closed behind it."""

    def __init__(self, ledger: Ledger, job: Job, rejects: Path, progress: Callable[[int], None]) -> None:
        self._ledger = ledger
        self._job = job
        self._rejects_path = rejects
        self._progress = progress
        self.summary = Summary()
        self._lanes = Lanes(job.workers)
        self._gathering: list[list[Placed]] = [[] for _ in range(job.workers)]
        self._answers: SimpleQueue[tuple[WorkerProcess, Any]] = SimpleQueue()
        self._waiting: set[int] = set()
        self._last_line = 0
        self._noted = 0.0
        self._noted_line = 0
        self._today = datetime.now(UTC).date()

    def __enter__(self) -> Self:
        self._workers = [WorkerProcess(self._job, number, self._answers) for number in range(self._job.workers)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.dismiss()

    def run(self, rows: Iterator[Row | BadRow], after: int) -> Summary:
        """Place all rows behind a line. ImportStopped when the database stays away; what was placed is noted."""
        self.summary.resumed_after_line = self._last_line = after
        self._noted_line = after - 1  # what an earlier run noted does not hold when this one begins anew
        start = time.monotonic()
        self._rejects = _open_rejects(self._rejects_path, after)
        try:
            with self._rejects:
                self._place(rows, after)
        except LedgerUnavailable as error:
            raise ImportStopped(**error.details) from None
        finally:
            self.summary.seconds = time.monotonic() - start
            if self._rejects_path.is_file() and not self._rejects_path.stat().st_size:
                self._rejects_path.unlink()
        return self.summary

    def _place(self, rows: Iterator[Row | BadRow], after: int) -> None:
        """Place the rows and note how far they came, whatever stops us."""
        try:
            for row in rows:
                if row.line > after:
                    self._take(row)
            for lane in range(len(self._workers)):
                self._send(lane)
            while any(worker.busy for worker in self._workers):
                self._collect()
        except BaseException:
            with suppress(LedgerUnavailable):  # what has stopped us is what is told
                self._note(force=True)
            raise
        self._note(force=True)

    def _take(self, row: Row | BadRow) -> None:
        self.summary.rows += 1
        self._waiting.add(row.line)  # first: whatever interrupts us, it has not been placed
        self._last_line = row.line
        if isinstance(row, BadRow):
            self._reject(row.line, row.problem, row.original, [])
            self._waiting.discard(row.line)
            return
        organization = self._ledger.organization(self._job.caller.organization_id)
        keys = keys_of(row.record, organization, self._today)
        while (lane := self._lanes.lane_for(keys)) is None:
            self._drain()
        self._lanes.enter(lane, keys)
        self._gathering[lane].append(Placed(row, keys))
        if len(self._gathering[lane]) == LIST:
            self._send(lane)

    def _send(self, lane: int) -> None:
        if self._gathering[lane]:
            while len(self._workers[lane].in_hand) >= AHEAD:
                self._collect()
            self._workers[lane].send(self._gathering[lane])
            self._gathering[lane] = []

    def _drain(self) -> None:
        """Make room: send what was gathered, and wait for an answer."""
        for lane in range(len(self._workers)):
            self._send(lane)
        self._collect()

    def _collect(self) -> None:
        """Take one answer: count it, write rejected rows down, and note how far everything has landed."""
        worker, answer = self._answers.get()
        if not isinstance(answer, list):
            raise ImportStopped(cause=answer["unavailable"])
        for placed, told in zip(worker.in_hand.popleft(), answer, strict=True):
            self._lanes.leave(worker.number, placed.keys)
            self._count(placed.row, told)
            self._waiting.discard(placed.row.line)
        self._progress(self.summary.rows - len(self._waiting))
        self._note()

    def _count(self, row: Row, told: dict[str, Any]) -> None:
        summary = self.summary
        summary.dropped.update(name for name, _ in told["dropped"])
        if "problem" in told:
            self._reject(row.line, told["problem"], row.original, told["dropped"])
        elif told["tier"] is None:
            summary.created += 1
        else:
            summary.matched[told["tier"]] += 1
            summary.unchanged += not told["events"]
        summary.events += told.get("events", 0)

    def _reject(self, line: int, problem: str, original: Any, dropped: list[list[str]]) -> None:
        self.summary.rejected[problem] += 1
        told = {"line": line, "problem": problem, "dropped": dict(dropped), "row": original}
        self._rejects.write(orjson.dumps(told) + b"\n")

    def _note(self, *, force: bool = False) -> None:
        job = self._job
        if job.digest is None or job.dry_run or (time.monotonic() - self._noted < NOTE_SECONDS and not force):
            return
        line = min(self._waiting, default=self._last_line + 1) - 1
        if line <= self._noted_line:
            return
        self._rejects.flush()
        with self._ledger.recorder.reading(job.caller.organization_id) as cursor:
            imports.note(cursor, job.caller.organization_id, job.digest, line)
        self._noted, self._noted_line = time.monotonic(), line


def _open_rejects(path: Path, after: int) -> IO[bytes]:
    """Open the file of rejected rows, for its owner alone, with those up to a line: the others come again."""
    kept: list[bytes] = []
    if after and path.exists():
        with suppress(orjson.JSONDecodeError):  # a full disk cut the last one: it is of a later line
            kept.extend(line for line in path.read_bytes().splitlines() if orjson.loads(line)["line"] <= after)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    file.writelines(line + b"\n" for line in kept)
    return file
