"""How does a follower keep up with the ledger? In batches, each in one transaction with the place it has reached.

One instance of a follower is active, by an advisory lock on its session; others stand by and take over within
LEASE_SECONDS and a poll. Whatever goes wrong, the follower stays where it is, says so in its heartbeat and tries again;
an entry that it cannot digest parks that stream and lets the others flow. It polls: positions come in commit order, so
nothing is missed, and no NOTIFY can be.
"""

import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from hashlib import blake2b
from threading import Event as Flag
from typing import Any, ClassVar

import psycopg
import structlog
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from domain.entry import StoredEntry
from domain.errors import LedgerError
from projections import parking
from projections.event_store import stored_entry
from projections.gaps import Stream, check_positions, check_versions, stream_of
from projections.statements import statements
from projections.tracking import FollowerRecorder

log = structlog.get_logger()

_SQL = statements("follow")

POLL_SECONDS = 0.5
BEAT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 2.0
"""Between two attempts when something is wrong; shorter than what makes a heartbeat look stale."""


class AheadOfLedger(LedgerError):
    """A follower has read further than the ledger goes: the ledger was restored from a backup; rebuild the follower."""


class TooManyPoisoned(LedgerError):
    """So many streams fail that it is the follower that is broken, not they; no more are parked."""


class Follower(ABC):
    """A projection that follows the log.

    `batch` entries at most are handled in one transaction. An entry that cannot be digested parks its stream, up to
    `parks_at_most` streams; a follower whose meaning is the whole log says 0 and waits at that entry instead.
    """

    name: ClassVar[str]
    batch: ClassVar[int] = 500
    parks_at_most: ClassVar[int] = 100

    @abstractmethod
    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """Digest these entries, in order of position. They are committed with the follower's place, or not at all.

        Rows come as tuples; the role is `ledger_follower`. A transaction may take a second or two, not longer than
        `tracking.LEASE_SECONDS` between two statements.
        """

    def caught_up(self, cursor: Cursor[Any], position: int) -> None:  # noqa: B027 - most have nothing to do here
        """Do what is due when nothing is left to read: about once a second, in a transaction of its own."""


class Following:
    """A follower on its connection. The connection is in autocommit and lives as long as the follower is active."""

    def __init__(self, follower: Follower, recorder: FollowerRecorder, connection: Connection[Any], instance: str):
        self._follower = follower
        self._recorder = recorder
        self._connection = connection
        self._instance = instance
        self._next_beat = 0.0

    def become_active(self) -> bool:
        """Return whether this is now the one active instance."""
        lock = {"lock": _lock(self._follower.name)}
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_SQL["become_active"], lock).fetchone()
        return row is not None and bool(row[0])

    def step(self) -> int:
        """Handle the next batch; return how many entries it had.

        EntriesSkipped, AheadOfLedger, TooManyPoisoned and whatever the follower raises leave everything as it was.
        """
        with self._connection.transaction(), self._connection.cursor(row_factory=tuple_row) as cursor:
            after = self._tracked()
            rows = cursor.execute(_SQL["read_log"], {"after": after, "limit": self._follower.batch}).fetchall()
            entries = [stored_entry(row) for row in rows]
            if entries:
                check_positions(after, entries)
                check_versions(cursor, after, entries)
                self._digest(cursor, entries)
                self._track(entries[-1].position)
                self.beat(cursor)
                return len(entries)
            head = cursor.execute(_SQL["read_head"]).fetchone()
            assert head is not None
            if after > head[0]:
                raise AheadOfLedger(position=after, head=head[0])
            if time.monotonic() >= self._next_beat:
                self._follower.caught_up(cursor, after)
                self.beat(cursor)
        return 0

    def retry_parked(self) -> None:
        """Give parked streams another chance, each in a transaction of its own: the program may have been mended."""
        name = self._follower.name
        with self._connection.cursor() as cursor:
            waiting = parking.parked(cursor, name)
        for each in waiting:
            with self._connection.transaction(), self._connection.cursor(row_factory=tuple_row) as cursor:
                rest = {
                    "organization": each.organization_id,
                    "stream": each.originator_id,
                    "version": each.originator_version,
                    "up_to": self._tracked(),
                }
                entries = [stored_entry(row) for row in cursor.execute(_SQL["read_stream"], rest)]
                if not self._one_by_one(cursor, entries, room=1):
                    parking.release(cursor, name, each.stream)
                self.beat(cursor)

    def beat(self, cursor: Cursor[Any], problem: str | None = None) -> None:
        """Say that this instance is alive, and what is wrong if something is."""
        row = {"follower": self._follower.name, "instance": self._instance, "problem": problem}
        cursor.execute(_SQL["beat"], row)
        self._next_beat = time.monotonic() + BEAT_SECONDS

    def tell(self, problem: str) -> None:
        """Say what is wrong, in a transaction of its own."""
        with self._connection.cursor() as cursor:
            self.beat(cursor, problem)

    def _tracked(self) -> int:
        with self._connection.cursor() as cursor:
            return self._recorder.tracked(cursor, self._follower.name)

    def _track(self, position: int) -> None:
        with self._connection.cursor() as cursor:
            self._recorder.track(cursor, self._follower.name, position)

    def _digest(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """Handle the entries together; when that fails, one by one, parking the streams that fail."""
        held_back = {each.stream for each in parking.parked(cursor, self._follower.name)}
        flowing = [entry for entry in entries if stream_of(entry) not in held_back]
        if self._follower.parks_at_most == 0:
            self._follower.handle(cursor, entries)
        elif flowing and self._attempt(cursor, flowing) is not None:
            self._one_by_one(cursor, flowing, room=self._follower.parks_at_most - len(held_back))

    def _one_by_one(self, cursor: Cursor[Any], entries: Sequence[StoredEntry], *, room: int) -> set[Stream]:
        """Handle each entry in a savepoint; park and return the streams that fail, at most `room` of them."""
        failed: set[Stream] = set()
        for entry in entries:
            if stream_of(entry) in failed:
                continue
            error = self._attempt(cursor, [entry])
            if error is None:
                continue
            failed.add(stream_of(entry))
            if len(failed) > room:
                raise TooManyPoisoned(last_error=type(error).__name__)
            why = parking.reason(error, entry)
            parking.park(cursor, self._follower.name, entry, why)
            log.error("stream parked", follower=self._follower.name, position=entry.position, reason=why)
        return failed

    def _attempt(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> Exception | None:
        """Handle the entries in a savepoint; return what the follower raised, unless it is the database's trouble."""
        try:
            with self._connection.transaction():
                self._follower.handle(cursor, entries)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.ProgrammingError, psycopg.InternalError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its stream is parked and named
            return error
        return None


def run(follower: Follower, url: str, stop: Flag, *, poll: float = POLL_SECONDS) -> None:
    """Follow until `stop` is set, through restarts of the database of any length and whatever else it refuses."""
    recorder = FollowerRecorder(url)
    instance = f"{socket.gethostname()}/{os.getpid()}"
    failures = 0
    broken: str | None = None
    while not stop.is_set():
        try:
            with recorder.connect(follower.name) as connection:
                following = Following(follower, recorder, connection, instance)
                while not following.become_active():
                    failures = 0
                    if stop.wait(poll):
                        return
                if broken is not None:
                    following.tell(broken)
                for _ in _steps(following, follower.name, stop, poll):
                    failures, broken = 0, None
        except psycopg.Error as error:  # the database is away, or does not let the follower in yet
            failures += 1
            broken = type(error).__name__
            log.warning("follower begins again", follower=follower.name, error=broken)
            stop.wait(_wait(failures))


def run_all(followers: Sequence[Follower], url: str, stop: Flag) -> None:
    """Follow with each of them, in a thread of its own, until `stop` is set.

    What ends one of them before that sets it for the others, and is raised.
    """
    with ThreadPoolExecutor(len(followers), thread_name_prefix="follower") as pool:
        threads = [pool.submit(run, each, url, stop) for each in followers]
        try:
            wait(threads, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    for thread in threads:
        thread.result()


def _steps(following: Following, name: str, stop: Flag, poll: float) -> Iterator[int]:
    """Step until `stop` is set, yielding after each step that went well; errors of the connection go to the caller."""
    failures = 0
    retried = False
    while not stop.is_set():
        try:
            if not retried:
                following.retry_parked()
                retried = True
            handled = following.step()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - told in the heartbeat; the follower stays where it is
            failures += 1
            kind, details = type(error).__name__, error.details if isinstance(error, LedgerError) else {}
            reason = ", ".join(f"{what} {value}" for what, value in details.items())
            if isinstance(error, OSError):
                reason = error.strerror or ""
            position = details.get("position")
            log.error("follower cannot go on", follower=name, error=kind, position=position, reason=reason)
            following.tell(f"{kind} {reason}".strip())
            stop.wait(_wait(failures))
            continue
        failures = 0
        yield handled
        if not handled:
            stop.wait(poll)


def _wait(failures: int) -> float:
    return min(LONGEST_WAIT_SECONDS, 0.1 * 2.0 ** min(failures, 10))


def _lock(follower: str) -> int:
    """Return the advisory lock of a follower."""
    return int.from_bytes(blake2b(f"follower\x00{follower}".encode(), digest_size=8).digest(), "big", signed=True)
