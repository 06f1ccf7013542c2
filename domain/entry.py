"""How does an event become a row of the ledger, and a row an event again?

An *entry* is an event in its envelope. A `Draft` is an entry that has no place yet; `StoredEntry` is the row;
`Entry` is what readers get. The mapper is the seam of `eventsourcing` between the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from domain import hashing
from domain.errors import UnreadableEntry
from domain.events import EVENTS, Event
from domain.stored_state import made


class Envelope(NamedTuple):
    """What `evolve` may know of an entry besides its event. `recorded_at` is ISO 8601 in UTC."""

    organization_id: str
    stream_id: str
    recorded_at: str
    source: str


class Draft(NamedTuple):
    """An event with everything but its place in the ledger. `salt` is 16 random bytes."""

    organization_id: UUID
    originator_id: UUID
    originator_version: int
    event: Event
    request_id: str
    actor: str
    source: str
    salt: bytes


@dataclass(frozen=True)
class StoredEntry(StoredEvent):
    """A row of the ledger. `state` and `salt` are empty once erased; the hashes stay for ever."""

    organization_id: UUID
    schema_version: int
    request_id: str
    actor: str
    source: str
    salt: bytes
    state_hash: bytes
    event: Event | None = None
    position: int = 0
    recorded_at: datetime | None = None
    leaf_hash: bytes = b""
    chain_hash: bytes = b""

    @property
    def erased(self) -> bool:
        """Return whether the payload was removed by an erasure."""
        return not self.state

    def leaf_prefix(self) -> bytes:
        """Return the hash input known before the entry has its place."""
        assert isinstance(self.originator_id, UUID)
        return hashing.leaf_prefix(
            self.organization_id,
            self.originator_id,
            self.originator_version,
            self.topic,
            self.schema_version,
            self.request_id,
            self.actor,
            self.source,
            self.state_hash,
        )


@dataclass(frozen=True)
class Entry:
    """An event as it stands in the ledger."""

    position: int
    organization_id: UUID
    originator_id: UUID
    originator_version: int
    event: Event
    topic: str
    schema_version: int
    request_id: str
    actor: str
    source: str
    recorded_at: datetime

    def envelope(self) -> Envelope:
        """Return what `evolve` may know of this entry."""
        return Envelope(str(self.organization_id), str(self.originator_id), instant(self.recorded_at), self.source)


class UnknownEvent(Event):
    """An event of a newer version of this program: kept and shown raw, without meaning here."""

    topic: str
    payload: Any


class ErasedEvent(Event):
    """An event whose payload was erased by order; its place, time and proofs are still there."""

    topic: str


del EVENTS["UnknownEvent"], EVENTS["ErasedEvent"]  # stand-ins for readers, never written

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""(topic, from schema_version) → the payload one schema_version later. Pure; golden entries fold through all."""

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
"""Dataclasses go through `vars`: orjson sorts the keys of objects, but not the fields of dataclasses."""


def canonical(payload: Any) -> bytes:
    """Return the stored bytes: JSON, sorted keys, UTF-8, no white space."""
    return orjson.dumps(payload, default=vars, option=_CANONICAL)


def instant(at: datetime) -> str:
    """Return ISO 8601 text in UTC with microseconds, as it stands in folds and answers."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decode(topic: str, schema_version: int, state: bytes) -> Event:
    """Return the event, lifted to today's schema version; `UnknownEvent` when it is from a newer program."""
    if not state:
        return ErasedEvent(topic=topic)
    payload = orjson.loads(state)
    cls = EVENTS.get(topic)
    if cls is None or schema_version > cls.schema_version:
        return UnknownEvent(topic=topic, payload=payload)
    while schema_version < cls.schema_version:
        payload = UPCASTERS[topic, schema_version](payload)
        schema_version += 1
    if payload.keys() != cls.payload_fields:
        return cls(**payload)
    return made(cls, payload)


class CanonicalJSON(Transcoder):
    """The library's transcoder seam: plain canonical JSON, no type wrappers."""

    def encode(self, obj: Any) -> bytes:
        """Return canonical JSON bytes."""
        return canonical(obj)

    def decode(self, data: bytes) -> Any:
        """Return the JSON value of these bytes."""
        return orjson.loads(data)


class EntryMapper(Mapper[UUID]):
    """Drafts to rows and rows to entries. The stored topic is the bare event name, never an import path."""

    def to_stored_event(self, domain_event: Any) -> StoredEntry:
        """Return the row of a `Draft`, hashed as far as is possible before it has its place."""
        draft: Draft = domain_event
        event = draft.event
        state = self.transcoder.encode(event)
        return made(
            StoredEntry,
            {
                "originator_id": draft.originator_id,
                "originator_version": draft.originator_version,
                "topic": type(event).__name__,
                "state": state,
                "organization_id": draft.organization_id,
                "schema_version": event.schema_version,
                "request_id": draft.request_id,
                "actor": draft.actor,
                "source": draft.source,
                "salt": draft.salt,
                "state_hash": hashing.state_hash(draft.salt, state),
                "event": event,
                "position": 0,
                "recorded_at": None,
                "leaf_hash": b"",
                "chain_hash": b"",
            },
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Entry:
        """Return the `Entry` of a row. UnreadableEntry."""
        assert isinstance(stored_event, StoredEntry)
        assert stored_event.recorded_at is not None
        assert isinstance(stored_event.originator_id, UUID)
        try:
            event = decode(stored_event.topic, stored_event.schema_version, stored_event.state)
        except Exception as error:  # noqa: BLE001 - whatever somebody put there; what it says of it may be a value
            raise UnreadableEntry(position=stored_event.position, reason=type(error).__name__) from None
        return Entry(
            position=stored_event.position,
            organization_id=stored_event.organization_id,
            originator_id=stored_event.originator_id,
            originator_version=stored_event.originator_version,
            event=event,
            topic=stored_event.topic,
            schema_version=stored_event.schema_version,
            request_id=stored_event.request_id,
            actor=stored_event.actor,
            source=stored_event.source,
            recorded_at=stored_event.recorded_at,
        )
