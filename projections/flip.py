"""How do new tables take the place of the live ones without anybody noticing?

All inline tables are locked first, in an order in which no append waits for one of them while it holds a later one, so
that appends in flight finish and new ones wait before they hold anything; then the head row. What came in last is
applied, the names are swapped, and whoever waited finds the new tables. Nobody waits longer than a lock timeout: when a
long reader is in the way, the attempt is given up and made again.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection, Cursor
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.sql import SQL, Composed, Identifier

from domain.errors import LedgerUnavailable
from projections import parking, twin_tables
from projections.catch_up import BATCH, Poisoned, batches, catch_up, head, keep_live_rows, poisoned_of
from projections.inline import PROJECTIONS
from projections.statements import statements
from projections.twin_tables import LIVE, PREVIOUS

_SQL = statements("build")

MOST_UNDER_LOCK = 500
"""With more entries than this still missing, the locks are let go and the tables caught up first."""

LOCK_TIMEOUTS_MS = (100, 200, 400, 800, 1500)
"""Of one attempt after the other, the last one from then on."""

PATIENCE_SECONDS = 60.0


class FlipBlocked(LedgerUnavailable):
    """Long transactions hold on to the tables, so the new ones could not take their place; nothing was changed."""


class _TooFarBehind(Exception):
    """More came in than should be applied while others wait."""


def flip(
    connection: Connection[Any],
    names: Sequence[str],
    schema: str,
    position: int,
    poisoned: Poisoned,
    *,
    replace: bool = False,
    prepare: Callable[[Cursor[Any]], None] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> int:
    """Put the tables in `schema`, complete up to a position, in the place of the live ones; return the new position.

    The caller has checked that they are alike. prepare: what is to be done to them last, under the locks. FlipBlocked
    after `patience` seconds.
    """
    tables = [table.name for name in names for table in PROJECTIONS[name].tables]
    script = twin_tables.swap(connection.cursor(), tables, schema)
    deadline = time.monotonic() + patience
    for attempt in range(10**9):
        for after, up_to in batches(position, head(connection.cursor()), BATCH):
            with connection.transaction():
                catch_up(connection, names, schema, after, up_to, poisoned, replace=replace)
            position = up_to
        try:
            with connection.transaction(), connection.cursor() as cursor:
                _send_vacuum_away(cursor, tables, schema, deadline - time.monotonic())
                locked = _lock(cursor, LOCK_TIMEOUTS_MS[min(attempt, len(LOCK_TIMEOUTS_MS) - 1)])
                if locked - position > MOST_UNDER_LOCK:
                    raise _TooFarBehind
                catch_up(connection, names, schema, position, locked, poisoned, replace=replace)
                keep_live_rows(cursor, names, schema, poisoned)
                if prepare is not None:
                    prepare(cursor)
                _note(cursor, names, locked, poisoned)
                cursor.execute(script, prepare=False)
                return locked
        except _TooFarBehind:
            continue
        except (LockNotAvailable, DeadlockDetected):
            if time.monotonic() > deadline:
                raise FlipBlocked(by=_blockers(connection)) from None
            time.sleep(random.uniform(0.02, 0.2))
    raise AssertionError


def _send_vacuum_away(cursor: Cursor[Any], tables: Sequence[str], schema: str, patience: float) -> None:
    """Take locks that nobody waits for but VACUUM, which then gives way, and does not come until the flip is done.

    It would give way to the locks of the flip too, but only after a second in which everybody stands behind those.
    """
    cursor.execute(f"SET LOCAL lock_timeout = {max(1, round(patience * 1000))}".encode())
    cursor.execute(SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(_live_tables()))
    for waiting in {schema, PREVIOUS}:
        if there := [name for name in twin_tables.tables_of(cursor, waiting) if name in tables]:
            idle = SQL(", ").join(Identifier(waiting, name) for name in there)
            cursor.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(idle))


def _live_tables() -> Composed:
    tables = [Identifier(LIVE, table.name) for each in PROJECTIONS.values() for table in each.tables]
    return SQL(", ").join(tables)


def _lock(cursor: Cursor[Any], timeout_ms: int) -> int:
    cursor.execute(f"SET LOCAL lock_timeout = {timeout_ms}".encode())
    cursor.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_live_tables()))
    row = cursor.execute(_SQL["lock_head"]).fetchone()
    assert row is not None
    return int(row[0])


def _note(cursor: Cursor[Any], names: Sequence[str], position: int, poisoned: Poisoned) -> None:
    """Note up to where the previous tables go, and which streams could not be folded into the live ones."""
    for name in names:
        for table in PROJECTIONS[name].tables:
            cursor.execute(_SQL["note_standby"], {"schema": PREVIOUS, "table": table.name, "position": position})
        parking.release_all(cursor, name)
        for stream in poisoned_of(PROJECTIONS[name], poisoned):
            parking.park_stream(cursor, name, poisoned[stream])


def _blockers(connection: Connection[Any]) -> list[str]:
    tables = [f"{LIVE}.{table.name}" for each in PROJECTIONS.values() for table in each.tables]
    rows = connection.execute(_SQL["blockers"], {"tables": tables}).fetchall()
    return [f"process {pid} ({application or 'unnamed'}), {seconds} s" for pid, application, seconds in rows]
