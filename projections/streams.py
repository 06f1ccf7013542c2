"""What do whole streams fold to, read in the order of their ids, as fast as the columns come?

Rows stay as the wire has them: ids as 16 bytes, instants as PostgreSQL's own count of microseconds since 2000. That and
reading in chunks makes a row cost half a microsecond; as UUIDs and datetimes, row by row, it is five times that.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.pq import Format
from psycopg.sql import Composed

from domain import organization, patient
from domain.entry import Envelope, UnknownEvent, decode
from domain.organization import Organization
from domain.patient import Patient
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
    hour, rest = divmod(microseconds, 3_600_000_000)
    minute, rest = divmod(rest, 60_000_000)
    return f"{_hour(hour)}{minute:02}:{rest // 1_000_000:02}.{rest % 1_000_000:06}Z"


@lru_cache(maxsize=4096)
def _hour(number: int) -> str:
    return f"{_EPOCH + timedelta(hours=number):%Y-%m-%dT%H:}"


def fold_streams(rows: Iterable[Row], tally: Tally, *, since: int = 0) -> Iterator[Folded]:
    """Fold whole streams, given in the order of stream and version; a stream that cannot be folded goes to `tally`.

    `since`: the position of `Folded.before`. EntriesSkipped when a version is missing.
    """
    tenant: bytes | None = None
    stream: bytes | None = None
    before: Any = None
    state: Any = None
    chain = b""
    expected = 0
    poisoned = False
    last_at = -1
    tenant_text = stream_text = at_text = last_source = ""
    evolve: Callable[..., Any] = patient.evolve
    envelope = Envelope("", "", "", "")
    for organization_id, originator_id, version, position, topic, schema, payload, at, source, chain_hash in rows:
        tally.entries += 1
        tally.positions += position
        if originator_id != stream or organization_id != tenant:
            if state is not None and not poisoned:
                yield Folded(before, state, chain)
            if organization_id != tenant:
                tenant, tenant_text = organization_id, str(UUID(bytes=organization_id))
            stream, stream_text = originator_id, str(UUID(bytes=originator_id))
            before = state = None
            expected, poisoned, last_at = 1, False, -1
            evolve = organization.evolve if originator_id == organization_id else patient.evolve
        if version != expected:
            raise EntriesSkipped(position=position, expected_version=expected, found_version=version)
        expected += 1
        if poisoned:
            continue
        if at != last_at or source != last_source:
            if at != last_at:
                last_at, at_text = at, moment(at)
            last_source = source
            envelope = Envelope(tenant_text, stream_text, at_text, source)
        try:
            event = decode(topic, schema, payload or b"")
            if type(event) is UnknownEvent:
                raise NewerEvent
            state = evolve(state, event, envelope)
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream is parked and named
            poisoned = True
            why = f"{type(error).__name__} at {topic} (schema version {schema})"
            tally.poison.append(Poison(tenant_text, stream_text, version, position, why))
            continue
        chain = chain_hash
        if position <= since:
            before = state
    if state is not None and not poisoned:
        yield Folded(before, state, chain)
