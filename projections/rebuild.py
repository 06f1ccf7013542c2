"""How is a projection built anew while it is in use?

Blue and green: new tables are built beside the live ones up to a position, caught up in batches while upserts go on,
compared with the live ones at one position, and then take their names. Until that moment nothing live is touched, so a
rebuild can be stopped anywhere; the next one clears away what it left. The old tables stay for `rollback`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from psycopg import Connection, Cursor
from psycopg.sql import SQL

from domain.errors import LedgerUnavailable
from domain.organization import Organization
from projections import crew, twin_tables
from projections.build import LOCK, PART, Part, connect, one_alone, parts, stand_back
from projections.catch_up import BATCH, Poisoned, batches, catch_up, head, keep_live_rows
from projections.fingerprint import Difference, difference, fingerprint
from projections.flip import PATIENCE_SECONDS, flip
from projections.gaps import EntriesSkipped
from projections.inline import PROJECTIONS, Table
from projections.statements import statements
from projections.streams import Poison, Tally
from projections.twin_tables import BUILDING, DISCARDED

_SQL = statements("build")

Progress = Callable[[str, int, int], None]
"""(phase, entries done, entries in all)."""


class RebuildRunning(LedgerUnavailable):
    """Another rebuild is running on this database; wait for it, or stop it."""


@dataclass
class Report:
    """What a rebuild found and did. `seconds`: how long each phase took. Fingerprints: projection → of its rows."""

    projections: list[str]
    position: int = 0
    entries: int = 0
    live: dict[str, str] = field(default_factory=dict)
    rebuilt: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    parked: list[Poison] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    flipped: bool = False

    @property
    def equal(self) -> bool:
        """Return whether the rebuilt rows are the live ones."""
        return self.live == self.rebuilt

    def to_json(self) -> dict[str, Any]:
        """Return the report as the command line prints it."""
        return {**asdict(self), "equal": self.equal}


def rebuild(
    url: str,
    names: Sequence[str],
    *,
    workers: int = 1,
    throttle: float | None = None,
    accept: bool = False,
    check: bool = False,
    part: int = PART,
    batch: int = BATCH,
    patience: float = PATIENCE_SECONDS,
    progress: Progress = lambda _phase, _done, _total: None,
) -> Report:
    """Build these projections anew and put them in place, unless their rows differ from the live ones.

    url: the owner's. throttle: entries a second at most. accept: flip although rows differ. check: compare, never flip.
    part, batch: entries built at a time, and caught up on at a time. patience: seconds that the flip may be blocked.
    RebuildRunning, EntriesSkipped, FlipBlocked, and errors of the connection: nothing live was touched.
    """
    report = Report(names := ordered(names))
    poisoned: Poisoned = {}
    with alone(url) as connection, connection.cursor() as cursor:
        try:
            with timed(report, "build"):
                _create(connection, names)
                report.position = head(cursor)
                all_parts = parts(cursor, report.position, _part_size(part, throttle))
                _build(url, report, all_parts, poisoned, workers, throttle, progress)
            with timed(report, "index"):
                progress("index", 0, 0)
                _complete(connection, url, names, workers)
            with timed(report, "catch_up"):
                for after, up_to in batches(report.position, head(cursor), batch):
                    progress("catch up", after, up_to)
                    with connection.transaction():
                        catch_up(connection, names, BUILDING, after, up_to, poisoned)
                    report.position = up_to
            with timed(report, "compare"):
                progress("compare", 0, 0)
                with connect(url, "compare") as another:
                    stand_back(another)
                    for table in _tables(names):
                        twin_tables.analyze(another.cursor(), table.name, BUILDING)
                    _compare(another, report, poisoned)
            if not check and (accept or report.equal):
                with timed(report, "flip"):
                    progress("flip", 0, 0)
                    twin_tables.check_alike(cursor, [table.name for table in _tables(names)], BUILDING)
                    report.position = flip(connection, names, BUILDING, report.position, poisoned, patience=patience)
                    report.flipped = True
        finally:
            report.parked = sorted(poisoned.values(), key=lambda each: each.position)
            if not connection.closed:
                _clear_away(cursor)
    return report


def ordered(names: Sequence[str]) -> list[str]:
    """Return these projections in the order in which an upsert touches their tables."""
    return [name for name in PROJECTIONS if name in names]


@contextmanager
def alone(url: str) -> Iterator[Connection[Any]]:
    """Yield the connection of the one rebuild that may run, with what an earlier one left cleared away."""
    with connect(url, "coordinator") as connection:
        if not one_alone(connection.cursor()):
            raise RebuildRunning
        _clear_away(connection.cursor())
        yield connection
        connection.execute(_SQL["let_others"], {"lock": LOCK})  # closed, the session would hold it a moment longer


def _clear_away(cursor: Cursor[Any]) -> None:
    """Drop what was being built, and what is no longer kept."""
    for schema in (BUILDING, DISCARDED):
        twin_tables.drop_all(cursor, schema)


@contextmanager
def timed(report: Report, phase: str) -> Iterator[None]:
    """Note in the report how long a phase took."""
    start = time.monotonic()
    yield
    report.seconds[phase] = round(time.monotonic() - start, 3)


def _create(connection: Connection[Any], names: Sequence[str]) -> None:
    """Create the new tables; those that are written row by row have their indexes from the start."""
    with connection.transaction(), connection.cursor() as cursor:
        for table in _tables(names):
            twin_tables.create(cursor, table.name, BUILDING)
            if table.encoded is None:
                for _, index in twin_tables.indexes(cursor, [table.name], BUILDING):
                    cursor.execute(index)
                twin_tables.complete(cursor, table.name, BUILDING)


def _complete(connection: Connection[Any], url: str, names: Sequence[str], workers: int) -> None:
    """Give the copied tables their indexes, the largest first, so many at a time, and then what rests on them."""
    tables = [table.name for table in _tables(names) if table.encoded is not None]
    with connection.cursor() as cursor:
        indexes = twin_tables.indexes(cursor, tables, BUILDING)

    def create(index: SQL) -> None:
        with connect(url, "index") as another:
            stand_back(another)
            another.execute(index)

    def complete(table: str, begun: Sequence[Future[None]]) -> None:
        for each in begun:
            each.result()
        with connect(url, table) as another, another.transaction(), another.cursor() as cursor:
            stand_back(another)
            twin_tables.complete(cursor, table, BUILDING)

    with ThreadPoolExecutor(workers) as threads:
        begun = [(table, threads.submit(create, index)) for table, index in indexes]
        completed = [  # first the table whose indexes are small
            threads.submit(complete, table, [future for of, future in begun if of == table])
            for table in dict.fromkeys(table for table, _ in reversed(indexes))
        ]
        for future in completed:
            future.result()


def _part_size(part: int, throttle: float | None) -> int:
    """Return how many entries a part has: fewer when they come slowly, so that progress is told every few seconds."""
    return part if throttle is None else min(part, max(1_000, round(throttle * 5)))


def _build(
    url: str,
    report: Report,
    all_parts: Sequence[Part],
    poisoned: Poisoned,
    workers: int,
    throttle: float | None,
    progress: Progress,
) -> None:
    position = report.position
    positions = 0

    def done(tally: Tally) -> None:
        nonlocal positions
        report.entries += tally.entries
        positions += tally.positions
        poisoned.update({(each.organization_id, each.stream_id): each for each in tally.poison})
        progress("build", report.entries, position)

    progress("build", 0, position)
    crew.build(url, report.projections, all_parts, position, workers=workers, throttle=throttle, done=done)
    only_organizations = all(PROJECTIONS[name].of is Organization for name in report.projections)
    if not only_organizations and (report.entries, positions) != (position, position * (position + 1) // 2):
        raise EntriesSkipped(head=position, entries=report.entries)


def _compare(connection: Connection[Any], report: Report, poisoned: Poisoned) -> None:
    """Compare the new tables with the live ones at one position, in one snapshot; nobody has to wait for it."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        position = head(cursor)
        catch_up(connection, report.projections, BUILDING, report.position, position, poisoned)
        keep_live_rows(cursor, report.projections, BUILDING, poisoned)
        for name in report.projections:
            tables = PROJECTIONS[name].tables
            report.live[name] = fingerprint(cursor, [table.name for table in tables])
            report.rebuilt[name] = fingerprint(cursor, [table.name for table in tables], BUILDING)
            if report.live[name] != report.rebuilt[name]:
                found = [difference(cursor, table.name, table.stream, BUILDING) for table in tables]
                report.differences += [each for each in found if each]
            check = {
                "kind": "fingerprint",
                "subject": name,
                "position": position,
                "passed": report.live[name] == report.rebuilt[name],
                "result": report.rebuilt[name],
            }
            cursor.execute(_SQL["note_check"], check)
    report.position = position


def _tables(names: Sequence[str]) -> list[Table]:
    return [table for name in names for table in PROJECTIONS[name].tables]
