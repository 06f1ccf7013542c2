"""How do tables of projections come to be from nothing? Streams are read in order, folded, their rows copied in.

The streams are cut into parts of about as many entries each, by ranges of the stream id: every part is one run through
the primary key (a hash of the id would have each worker read the whole log). Whoever builds takes part after part.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import Connection, Copy, Cursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.patient import Patient
from projections import copy_rows, inline, streams, twin_tables
from projections.gaps import Stream
from projections.inline import PROJECTIONS, Change, Table
from projections.statements import statements
from projections.streams import Folded, Tally, fold_streams

_SQL = statements("build")

LOCK = 0x1ED6E2_0002
"""Advisory lock key: one rebuild at a time."""

NICENESS = 19
"""Of the server's processes that build: upserts come first."""

PART = 25_000
"""Entries of a part, about."""

TOGETHER = 50
"""Patients whose rows are made and sent together: table by table, and few enough to stay in the processor's cache."""


class Part(NamedTuple):
    """Streams after one and up to another (organization, id); `None` is no limit."""

    after: Stream | None
    up_to: Stream | None


def connect(url: str, name: str) -> Connection[Any]:
    """Return a connection of the owner, in autocommit."""
    connection = psycopg.Connection.connect(
        url, autocommit=True, row_factory=tuple_row, application_name=f"ledger rebuild {name}"[:63]
    )
    connection.execute(
        "SET timezone = 'UTC'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET jit = off;"
        "SET work_mem = '64MB'; SET maintenance_work_mem = '256MB'; SET synchronous_commit = off;"
        "SET max_parallel_maintenance_workers = 0; SET max_parallel_workers_per_gather = 0;"  # these never stand back
        "SET backend_flush_after = '1MB';"  # little by little, or who flushes a COMMIT waits for all of it
        "SET client_connection_check_interval = '1s'",  # a rebuild that was killed holds on to nothing
        prepare=False,
    )
    return connection


def stand_back(connection: Connection[Any]) -> None:
    """Have the server's process behind a connection stand back behind those that serve, where that is ours to say.

    Its niceness counts among the processes of its session, which it is alone in; that of the session among all.
    Not for one that takes locks which those that serve wait for.
    """
    pid = connection.info.backend_pid
    with suppress(OSError):  # another machine's, or another user's
        if connection.info.host.startswith("/") and Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres:"):
            os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
            Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))


def one_alone(cursor: Cursor[Any]) -> bool:
    """Return whether this session is now the one that may build; it is until it ends."""
    row = cursor.execute(_SQL["one_at_a_time"], {"lock": LOCK}).fetchone()
    return row is not None and bool(row[0])


def parts(cursor: Cursor[Any], position: int, size: int) -> list[Part]:
    """Return the parts that all streams up to a position fall into; the last are small, so that nobody waits long."""
    count = max(1, position // size)
    sizes = [4] * (count - 2) + [2, 2, 1, 1, 1, 1] if count > 2 else [4] * count
    step = max(1, position // (count * 40))
    cursor.execute(_SQL["sample"], {"positions": list(range(step, position + 1, step))})
    sample: list[Stream] = [(row[0], row[1]) for row in cursor.fetchall()]
    ends = list(accumulate(sizes))
    cuts = sorted({sample[end * len(sample) // ends[-1]] for end in ends[:-1]}) if sample else []
    edges = [None, *cuts, None]
    return [Part(after, up_to) for after, up_to in pairwise(edges)]


class Builder:
    """One worker: a connection to read the log, one for each table that is copied into, one for the small tables."""

    def __init__(self, url: str, names: Sequence[str], *, throttle: float | None = None) -> None:
        self._url = url
        self._names = names
        self._throttle = throttle
        self._stack = ExitStack()
        self._targets: list[_Target] = []

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._reader = opening.enter_context(connect(self._url, "reader"))
            stand_back(self._reader)
            self._writer = opening.enter_context(connect(self._url, "writer"))
            self._writer.execute(f"SET search_path = {twin_tables.BUILDING}, {twin_tables.LIVE}".encode())
            for name in self._names:
                for table in PROJECTIONS[name].tables:
                    if table.encoded is not None:
                        connection = opening.enter_context(connect(self._url, table.name))
                        stand_back(connection)
                        self._targets.append(_Target(table, connection))
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def build(self, part: Part, position: int) -> Tally:
        """Write the rows of all streams in this part, as of a position, into the tables being built."""
        tally = Tally()
        folded: list[tuple[Patient, bytes]] = []
        small: list[Change] = []
        only_organizations = not self._targets
        with ExitStack() as stack:
            for target in self._targets:
                target.begin(stack)
            rows = stack.enter_context(closing(streams.read(self._reader, _log(part, position, only_organizations))))
            for _, after, chain_hash in self._paced(fold_streams(rows, tally), tally):
                if isinstance(after, Patient):
                    folded.append((after, chain_hash))
                    if len(folded) >= TOGETHER:
                        self._write(folded)
                        folded = []
                else:
                    small.append(Change(None, after, chain_hash))
            self._write(folded)
            for target in self._targets:
                target.end()
        with self._writer.transaction(), self._writer.cursor() as cursor:
            inline.write(cursor, small, self._names)
        return tally

    def _write(self, folded: Sequence[tuple[Patient, bytes]]) -> None:
        for target in self._targets:
            target.write(folded)

    def _paced(self, folded: Iterator[Folded], tally: Tally) -> Iterator[Folded]:
        """Yield what is folded, no faster than so many entries a second."""
        if self._throttle is None:
            yield from folded
            return
        start = time.monotonic()
        for each in folded:
            ahead = tally.entries / self._throttle - (time.monotonic() - start)
            if ahead > 0.01:
                time.sleep(ahead)  # --throttle asked for it
            yield each


class _Target:
    """A table that is copied into."""

    def __init__(self, table: Table, connection: Connection[Any]) -> None:
        assert table.encoded is not None
        self._encoded = table.encoded
        self._cursor = connection.cursor()
        self._statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            Identifier(twin_tables.BUILDING, table.name), SQL(", ").join(map(Identifier, table.columns))
        )
        self._copy: Copy | None = None

    def begin(self, stack: ExitStack) -> None:
        self._copy = stack.enter_context(self._cursor.copy(self._statement))
        self._copy.write(copy_rows.HEADER)

    def write(self, folded: Sequence[tuple[Patient, bytes]]) -> None:
        assert self._copy is not None
        self._copy.write(b"".join([self._encoded(patient, chain_hash) for patient, chain_hash in folded]))

    def end(self) -> None:
        assert self._copy is not None
        self._copy.write(copy_rows.TRAILER)


def _log(part: Part, position: int, only_organizations: bool) -> Composed:
    """Return the query for the entries of a part, in the order of stream and version."""
    conditions = [SQL("position <= {}").format(Literal(position))]
    for edge, comparison in ((part.after, ">"), (part.up_to, "<=")):
        if edge is not None:
            row = SQL("(organization_id, originator_id) {} ({}, {})")
            conditions.append(row.format(SQL(comparison), Literal(edge[0]), Literal(edge[1])))
    if only_organizations:
        conditions.append(SQL("originator_id = organization_id").format())
    return SQL(
        "SELECT {} FROM ledger_events WHERE {} ORDER BY organization_id, originator_id, originator_version"
    ).format(SQL(streams.COLUMNS), SQL(" AND ").join(conditions))
