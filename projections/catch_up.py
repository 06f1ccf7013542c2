"""How do tables that stand by get from the position they were built at to the one the ledger has reached?

The streams that were written to in between are folded anew, up to both positions, and the rows of the one state are
exchanged for those of the other, by what the append itself calls. Of a patient erased in between, the state before is
not to be had any more: whatever rows there are go. A stream that cannot be folded keeps its live rows.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.organization import Organization
from domain.patient import Patient
from projections import inline, streams, twin_tables
from projections.gaps import EntriesSkipped
from projections.inline import PROJECTIONS, Change, Projection, Table
from projections.statements import statements
from projections.streams import Poison, Tally, fold_streams

_SQL = statements("build")

BATCH = 2_000
"""Entries of a batch."""

Stream = tuple[str, str]
Poisoned = dict[Stream, Poison]
"""(organization_id, stream_id) → where the stream stopped."""


def head(cursor: Cursor[Any]) -> int:
    """Return the position of the ledger."""
    row = cursor.execute(_SQL["head"]).fetchone()
    assert row is not None
    return int(row[0])


def batches(after: int, up_to: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (after, up_to) of batches of at most `size` entries."""
    for start in range(after, up_to, size):
        yield start, min(up_to, start + size)


def catch_up(
    connection: Connection[Any],
    names: Iterable[str],
    schema: str,
    after: int,
    up_to: int,
    poisoned: Poisoned,
    *,
    replace: bool = False,
) -> None:
    """Bring the tables of these projections in `schema` from one position to another, in the caller's transaction.

    Streams that cannot be folded are added to `poisoned`. replace: whatever rows a stream has are taken away first, for
    tables that another version of the program wrote. EntriesSkipped when an entry is missing.
    """
    if after == up_to:
        return
    with connection.cursor() as cursor:
        touched = cursor.execute(_SQL["touched"], {"after": after, "up_to": up_to}).fetchall()
        if sum(row[2] for row in touched) != up_to - after:
            raise EntriesSkipped(after_position=after, up_to_position=up_to)
        wanted = [(row[0], row[1]) for row in touched if (str(row[0]), str(row[1])) not in poisoned]
        tally = Tally()
        with closing(streams.read(connection, _entries(wanted, up_to))) as rows:
            changes = [Change(*folded) for folded in fold_streams(rows, tally, since=after)]
        poisoned.update({(each.organization_id, each.stream_id): each for each in tally.poison})
        cursor.execute(f"SET LOCAL search_path = {schema}, {twin_tables.LIVE}".encode())
        anew = wanted if replace else [_stream(each) for each in changes if _is_erased(each)]
        for table in (table for name in names for table in PROJECTIONS[name].tables if anew):
            _remove(cursor, table, schema, anew)
        changes = [each._replace(before=None) if replace or _is_erased(each) else each for each in changes]
        inline.write(cursor, changes, names)
        cursor.execute(f"SET LOCAL search_path = {twin_tables.LIVE}".encode())


def _is_erased(change: Change) -> bool:
    return isinstance(change.after, Patient) and change.after.erased is not None


def _stream(change: Change) -> tuple[UUID, UUID]:
    assert isinstance(change.after, Patient)
    return UUID(change.after.organization_id), UUID(change.after.id)


def keep_live_rows(cursor: Cursor[Any], names: Iterable[str], schema: str, poisoned: Mapping[Stream, Poison]) -> None:
    """Give streams that could not be folded the rows that they have in the live tables."""
    for name in names:
        own = [(UUID(stream[0]), UUID(stream[1])) for stream in poisoned_of(PROJECTIONS[name], poisoned)]
        for table in PROJECTIONS[name].tables:
            if own:
                _remove(cursor, table, schema, own)
                names_of_columns = SQL(", ").join(map(Identifier, twin_tables.written_columns(cursor, table.name)))
                cursor.execute(
                    SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE {}").format(
                        Identifier(schema, table.name),
                        names_of_columns,
                        names_of_columns,
                        Identifier(twin_tables.LIVE, table.name),
                        _is_of(table, own),
                    )
                )


def poisoned_of(projection: Projection, poisoned: Iterable[Stream]) -> list[Stream]:
    """Return those of the streams that the projection is made of."""
    organizations = projection.of is Organization
    return [stream for stream in poisoned if (stream[0] == stream[1]) == organizations]


def _remove(cursor: Cursor[Any], table: Table, schema: str, wanted: Collection[tuple[UUID, UUID]]) -> None:
    cursor.execute(SQL("DELETE FROM {} WHERE {}").format(Identifier(schema, table.name), _is_of(table, wanted)))


def _is_of(table: Table, wanted: Collection[tuple[UUID, UUID]]) -> Composed:
    """Return the condition that a row comes from one of these streams."""
    organizations, ids = _arrays(wanted)
    columns = SQL(", ").join(Identifier(name) for name in table.stream)
    return SQL("({}) IN (SELECT * FROM unnest({}::uuid[], {}::uuid[]))").format(columns, organizations, ids)


def _entries(wanted: Collection[tuple[UUID, UUID]], up_to: int) -> Composed:
    """Return the query for all entries of these streams up to a position, in the order of stream and version."""
    organizations, ids = _arrays(wanted)
    return SQL(
        "SELECT {} FROM unnest({}::uuid[], {}::uuid[]) AS wanted (organization_id, originator_id)"
        " JOIN ledger_events USING (organization_id, originator_id) WHERE position <= {}"
        " ORDER BY organization_id, originator_id, originator_version"
    ).format(SQL(streams.COLUMNS), organizations, ids, Literal(up_to))


def _arrays(wanted: Collection[tuple[UUID, UUID]]) -> tuple[Literal, Literal]:
    return Literal([each[0] for each in wanted]), Literal([each[1] for each in wanted])
