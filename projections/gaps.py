"""Was an entry skipped? Two detectors that know nothing of each other, before every follower and every rebuild.

Positions are contiguous over the whole ledger, versions are contiguous within each stream. What one of them misses
(a position noted too far ahead, a row that was removed together with its number) the other one sees.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import tuple_row

from domain.entry import StoredEntry
from domain.errors import LedgerError
from projections.statements import statements

_SQL = statements("follow")

Stream = tuple[UUID, UUID]
"""(organization_id, originator_id)."""


class EntriesSkipped(LedgerError):
    """Entries are missing, doubled or out of order, so nothing was handled; verify the ledger."""


def stream_of(entry: StoredEntry) -> Stream:
    """Return the stream that the entry belongs to."""
    assert isinstance(entry.originator_id, UUID)
    return entry.organization_id, entry.originator_id


def check_positions(after: int, entries: Sequence[StoredEntry]) -> None:
    """Raise EntriesSkipped unless the positions are `after` + 1, `after` + 2, …"""
    for expected, entry in enumerate(entries, start=after + 1):
        if entry.position != expected:
            raise EntriesSkipped(position=expected, found_position=entry.position)


def check_versions(cursor: Cursor[Any], after: int, entries: Sequence[StoredEntry]) -> None:
    """Raise EntriesSkipped unless each stream goes on where it stood at the position `after`."""
    versions: dict[Stream, int] = {}
    first: dict[Stream, StoredEntry] = {}
    for entry in entries:
        stream = stream_of(entry)
        first.setdefault(stream, entry)
        expected = versions.get(stream, entry.originator_version - 1) + 1
        if entry.originator_version != expected:
            raise EntriesSkipped(
                position=entry.position, expected_version=expected, found_version=entry.originator_version
            )
        versions[stream] = expected
    earlier = {stream: entry for stream, entry in first.items() if entry.originator_version > 1}
    there = _predecessors(cursor, after, list(earlier.values()))
    for stream, entry in earlier.items():
        if stream not in there:
            raise EntriesSkipped(position=entry.position, missing_version=entry.originator_version - 1)


def _predecessors(cursor: Cursor[Any], up_to: int, entries: Sequence[StoredEntry]) -> set[Stream]:
    """Return the streams whose entry before the given one stands in the log up to a position."""
    if not entries:
        return set()
    wanted = {
        "organizations": [entry.organization_id for entry in entries],
        "streams": [entry.originator_id for entry in entries],
        "versions": [entry.originator_version - 1 for entry in entries],
        "up_to": up_to,
    }
    with cursor.connection.cursor(row_factory=tuple_row) as reader:
        return {(row[0], row[1]) for row in reader.execute(_SQL["read_predecessors"], wanted)}
