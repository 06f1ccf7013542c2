"""What do whole streams fold to, read in the order of their ids, as fast as the columns come?

Rows stay as the wire has them: ids as 16 bytes, instants as PostgreSQL's own count of microseconds since 2000. That and
reading in chunks makes a row cost half a microsecond; as UUIDs and datetimes, row by row, it is five times that.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.pq import Format
from psycopg.sql import Composed

from domain import organization, patient
from domain.entry import Envelope, UnknownEvent, decode
from domain.organization import Organization
from domain.patient import Patient
from domain.stored_state import with_changes
from projections.arrays import uuid_text
from projections.gaps import EntriesSkipped

COLUMNS = (
    "organization_id, originator_id, originator_version, position, topic, schema_version, state, recorded_at, source,"
    " chain_hash"
)
Row = tuple[bytes, bytes, int, int, str, int, bytes | None, int, str, bytes]

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - PostgreSQL counts from here, in UTC


CHUNK = 200 if psycopg.capabilities.has_stream_chunked() else 1
"""Rows that libpq hands over at a time."""


class Folded(NamedTuple):
    """One stream. `before` is its state up to the position that was asked for, `after` its state now."""

    before: Patient | Organization | None
    after: Patient | Organization
    chain_hash: bytes


@dataclass(frozen=True)
class Poison:
    """The entry at which a stream could not be folded on, and why: kinds and names, no value."""

    organization_id: str
    stream_id: str
    version: int
    position: int
    reason: str


@dataclass
class Tally:
    """What was read: how many entries, the sum of their positions, and the streams that could not be folded."""

    entries: int = 0
    positions: int = 0
    poison: list[Poison] = field(default_factory=list)


class NewerEvent(Exception):
    """This event was written by a newer version of the program."""


def read(connection: Connection[Any], query: Composed) -> Generator[Row, None, None]:
    """Yield the rows of a query for `COLUMNS`; the connection is busy until the last one, or until this is closed."""
    with connection.cursor() as cursor:
        adapters = cursor.adapters
        for name, as_if in (("uuid", "bytea"), ("timestamptz", "int8")):
            loader = adapters.get_loader(adapters.types[as_if].oid, Format.BINARY)
            assert loader is not None
            adapters.register_loader(name, loader)
        yield from cursor.stream(query, binary=True, size=CHUNK)


def moment(microseconds: int) -> str:
    """Return the instant as folds hold it, `domain.entry.instant` of the same moment."""
    minute, rest = divmod(microseconds, 60_000_000)
    seconds = f"{rest:08}"
    return f"{_minute(minute)}{seconds[:2]}.{seconds[2:]}Z"


@lru_cache(maxsize=65_536)
def _minute(number: int) -> str:
    return f"{_EPOCH + timedelta(minutes=number):%Y-%m-%dT%H:%M:}"


def fold_streams(rows: Iterable[Row], tally: Tally, *, since: int = 0) -> Iterator[Folded]:
    """Fold whole streams, given in the order of stream and version; a stream that cannot be folded goes to `tally`.

    `since`: the position of `Folded.before`. EntriesSkipped when a version is missing.
    """
    for (organization_id, stream_id), group in groupby(rows, itemgetter(0, 1)):
        entries = list(group)
        tally.entries += len(entries)
        tally.positions += sum([entry[3] for entry in entries])
        if [entry[2] for entry in entries] != list(range(1, len(entries) + 1)):
            raise _skipped(entries)
        folded = _folded(organization_id, stream_id, entries, tally.poison, since)
        if folded is not None:
            yield folded


def _skipped(entries: Iterable[Row]) -> EntriesSkipped:
    """Return where the first version is missing."""
    expected, version, position = next(
        (expected, entry[2], entry[3]) for expected, entry in enumerate(entries, start=1) if entry[2] != expected
    )
    return EntriesSkipped(position=position, expected_version=expected, found_version=version)


def _folded(
    organization_id: bytes, stream_id: bytes, entries: Sequence[Row], poison: list[Poison], since: int
) -> Folded | None:
    """Fold one stream. None where that cannot be done; why is added to `poison`."""
    tenant, stream = _tenant(organization_id), uuid_text(stream_id)
    of_patient = stream_id != organization_id
    unread = patient.UNREAD if of_patient else {}
    before: Any = None
    state: Any = None
    last_at, last_source, envelope = -1, "", Envelope("", "", "", "")
    for _, _, version, position, topic, schema, payload, at, source, _ in entries:
        if at != last_at or source != last_source:
            last_at, last_source = at, source
            envelope = Envelope(tenant, stream, moment(at), source)
        try:
            event = (unread.get((topic, schema)) if payload else None) or decode(topic, schema, payload or b"")
            if type(event) is UnknownEvent:
                raise NewerEvent
            if of_patient:
                state = patient.evolve(state, event, envelope, in_place=True)
            else:
                state = organization.evolve(state, event, envelope)
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream is parked and named
            why = f"{type(error).__name__} at {topic} (schema version {schema})"
            poison.append(Poison(tenant, stream, version, position, why))
            return None
        if position <= since:
            before = with_changes(state, {})
    return Folded(before, state, entries[-1][-1])


_tenant = lru_cache(maxsize=64)(uuid_text)
