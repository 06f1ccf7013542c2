"""How are the tables from before a flip put back, or let go?"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composed, Identifier

from domain.errors import LedgerError
from projections import twin_tables
from projections.catch_up import Poisoned
from projections.flip import flip
from projections.inline import PROJECTIONS, Table
from projections.rebuild import Report, alone, ordered, timed
from projections.statements import statements
from projections.twin_tables import PREVIOUS

_SQL = statements("build")


class NothingToRollBack(LedgerError):
    """There are no tables of this projection from before a flip."""


def rollback(url: str, names: Sequence[str]) -> Report:
    """Put the tables from before the last flip back in place, caught up. NothingToRollBack.

    They were written by another version perhaps, so of streams that changed since then all rows are exchanged.
    """
    report = Report(ordered(names))
    with alone(url) as connection, connection.cursor() as cursor:
        standby = dict(cursor.execute(_SQL["standby"], {"schema": PREVIOUS}).fetchall())
        there = set(twin_tables.tables_of(cursor, PREVIOUS))
        tables = [table.name for name in report.projections for table in PROJECTIONS[name].tables]
        if missing := [table for table in tables if table not in there or table not in standby]:
            raise NothingToRollBack(tables=missing)
        with timed(report, "flip"):
            for name in report.projections:
                report.position = _roll_back(connection, name, standby, report)
        report.flipped = True
    return report


def drop_previous(connection: Connection[Any], names: Sequence[str]) -> list[str]:
    """Drop the tables from before the last flip; return which. The caller is `alone` with them."""
    with connection.transaction(), connection.cursor() as cursor:
        there = twin_tables.tables_of(cursor, PREVIOUS)
        ours = [table.name for name in ordered(names) for table in PROJECTIONS[name].tables]
        for table in set(there) & set(ours):
            cursor.execute(SQL("DROP TABLE {}").format(Identifier(PREVIOUS, table)))
            cursor.execute(_SQL["forget_standby"], {"schema": PREVIOUS, "table": table})
        return sorted(set(there) & set(ours))


def _roll_back(connection: Connection[Any], name: str, standby: dict[str, int], report: Report) -> int:
    tables = PROJECTIONS[name].tables
    with connection.cursor() as cursor:
        helpers = [_helper(table) for table in tables if not _leads_primary_key(cursor, table)]
        for helper, _ in helpers:
            cursor.execute(SQL("DROP INDEX IF EXISTS {}").format(helper))
        twin_tables.check_alike(cursor, [table.name for table in tables], PREVIOUS)
        for _, create in helpers:
            cursor.execute(create)

    def without_helpers(cursor: Cursor[Any]) -> None:
        for helper, _ in helpers:
            cursor.execute(SQL("DROP INDEX {}").format(helper))

    poisoned: Poisoned = {}
    position = min(standby[table.name] for table in tables)
    reached = flip(connection, [name], PREVIOUS, position, poisoned, replace=True, prepare=without_helpers)
    report.parked += poisoned.values()
    report.entries += reached - position
    return reached


def _leads_primary_key(cursor: Cursor[Any], table: Table) -> bool:
    """Return whether the rows of a stream are found by the primary key."""
    stream = tuple(dict.fromkeys(table.stream))
    return twin_tables.primary_key(cursor, table.name)[: len(stream)] == stream


def _helper(table: Table) -> tuple[Identifier, Composed]:
    """Return an index by which the rows of a stream are found, and the statement that makes it."""
    name = f"{table.name}_of_stream"
    columns = SQL(", ").join(Identifier(column) for column in dict.fromkeys(table.stream))
    create = SQL("CREATE INDEX {} ON {} ({})").format(Identifier(name), Identifier(PREVIOUS, table.name), columns)
    return Identifier(PREVIOUS, name), create
