"""Which streams could a projection not digest? They are parked from one entry on, and the others flow."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import class_row

from domain.entry import StoredEntry
from projections.gaps import Stream, stream_of
from projections.statements import statements
from projections.streams import Poison

_SQL = statements("parking")


class Parked(NamedTuple):
    """A parked stream; `originator_version` and `position` are those of the entry that it stopped at."""

    projection: str
    organization_id: UUID
    originator_id: UUID
    originator_version: int
    position: int
    reason: str
    parked_at: datetime

    @property
    def stream(self) -> Stream:
        """Return (organization_id, originator_id)."""
        return self.organization_id, self.originator_id


def reason(error: BaseException, entry: StoredEntry) -> str:
    """Return why the entry could not be digested: kinds and names, no value of it."""
    return f"{type(error).__name__} at {entry.topic} (schema version {entry.schema_version})"


def park(cursor: Cursor[Any], projection: str, entry: StoredEntry, why: str) -> None:
    """Park the entry's stream from this entry on."""
    organization, stream = stream_of(entry)
    row = {
        "projection": projection,
        "organization": organization,
        "stream": stream,
        "version": entry.originator_version,
        "position": entry.position,
        "reason": why,
    }
    cursor.execute(_SQL["park"], row)


def park_stream(cursor: Cursor[Any], projection: str, poison: Poison) -> None:
    """Park a stream that a rebuild could not fold."""
    row = {
        "projection": projection,
        "organization": poison.organization_id,
        "stream": poison.stream_id,
        "version": poison.version,
        "position": poison.position,
        "reason": poison.reason,
    }
    cursor.execute(_SQL["park"], row)


def release_all(cursor: Cursor[Any], projection: str) -> None:
    """Let all streams of a projection flow again."""
    cursor.execute(_SQL["release_all"], {"projection": projection})


def release(cursor: Cursor[Any], projection: str, stream: Stream) -> None:
    """Let the stream flow again."""
    cursor.execute(_SQL["release"], {"projection": projection, "organization": stream[0], "stream": stream[1]})


def parked(cursor: Cursor[Any], projection: str | None = None) -> list[Parked]:
    """Return the parked streams of one projection or of all, as far as the role may see them."""
    statement = _SQL["all_parked" if projection is None else "parked"]
    with cursor.connection.cursor(row_factory=class_row(Parked)) as reader:
        return reader.execute(statement, {"projection": projection}).fetchall()
