"""How is a list of records looked up, decided and appended in one transaction?

Two trips to the server: lock and look up · store everything and commit. Positions and the instant are handed out by the
second one, on the server: nobody who waits for the head row waits for our computing, or for the network. What we store
says `pending` where the instant belongs, a word that nobody can guess, and the server puts it in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from secrets import token_hex
from typing import Any

import orjson
import psycopg
from psycopg import Connection

from domain import hashing, organization, patient
from domain.entry import Envelope, StoredEntry, canonical, instant
from domain.errors import OutcomeUnknown
from domain.idempotency import Earlier, Kept, RequestKey
from domain.organization import Organization
from domain.patient import Patient
from projections import idempotency, inline
from projections.arrays import bigints, byteas, texts, uuid_text, uuids
from projections.inline import Change
from projections.statements import statements
from projections.trips import BEGIN, COMMIT, ROLLBACK, Asked, Batch, Rows, Trips, Value, microseconds, number

_SQL = statements("event_store")
_DO_NOT_WAIT: Asked = (b"SET LOCAL synchronous_commit = off", {})

Key = tuple[str, str, str]
"""(organization_id, kind, key)."""


class UnitOfWork:
    """One transaction for the organizations of a list; nothing is stored before `append`, or `commit`."""

    def __init__(self, connection: Connection[Any], organization_ids: Iterable[str]) -> None:
        self._connection = connection
        self._kept: Sequence[Kept] = ()
        self._trips = Trips(connection)
        self._batch = Batch()
        self._erased: Mapping[str, int] = {}
        self._organization_ids = sorted(set(organization_ids))
        self._chains: dict[str, bytes] = {}
        self._open = False
        self._states: dict[str, Patient | Organization] = {}
        self._decided: dict[tuple[str, int], Patient] = {}
        self.pending = f"~{token_hex(13)}"
        """Stands for the instant that the append will hand out."""
        self._at = ""

    def close(self, *, failed: bool) -> None:
        """Give back the locks of one that stored nothing, waiting for no disk; roll back one that failed."""
        if self._open and not self._connection.closed:
            self._trips.ask([ROLLBACK] if failed else [_DO_NOT_WAIT, COMMIT])
        self._open = False

    def _opening(self, locks: Iterable[int] = ()) -> list[Asked]:
        """Return what opens the transaction, where it is not open, and takes advisory locks in their order."""
        opening = [] if self._open else [BEGIN]
        self._open = True
        admitted = ",".join(self._organization_ids)
        if listed := sorted(set(locks)):
            return [*opening, (_SQL["admit_and_lock"], {"organizations": admitted, "locks": bigints(listed)})]
        return [*opening, (_SQL["admit"], {"organizations": admitted})] if opening else []

    def begin(self) -> None:
        """Open the transaction, and touch no table."""
        if not self._open:
            self._trips.ask(self._opening())

    def look_up(
        self, keys: Iterable[Key], *, known: Mapping[str, int], limit: int
    ) -> tuple[list[Patient], dict[str, Organization]]:
        """Lock these keys and the patients that share one; return them, and the organizations that changed.

        `known`: organization id → version of the caller's copy. Each key finds at most `limit` patients.
        """
        wanted = sorted(set(keys))
        columns: dict[str, Value] = {
            "organizations": uuids(key[0] for key in wanted),
            "kinds": texts(key[1] for key in wanted),
            "keys": texts(key[2] for key in wanted),
            "limit": limit,
            "known_ids": uuids(known),
            "known_versions": bigints(known.values()),
        }
        rows = self._trips.ask([*self._opening(map(_advisory_lock, wanted)), (_SQL["look_up"], columns)])[-1]
        changed = {uuid_text(row[0]): Organization.from_json(orjson.loads(row[2])) for row in rows if not row[1]}
        return self._remember((uuid_text(row[0]), row[1], orjson.loads(row[2])) for row in rows if row[1]), changed

    def lock_patients(self, organization_id: str, ids: Sequence[str]) -> list[Patient]:
        """Lock and return these patients, in the order of their ids; unknown ones are left out."""
        self.begin()
        keys = {"organization": organization_id, "ids": uuids(ids)}
        rows = self._connection.execute(_SQL["lock_patients"], keys, binary=True).fetchall()
        return self._remember((str(row[0]), row[1], row[2]) for row in rows)

    def lock_organization(self, organization_id: str) -> Organization | None:
        """Lock and return the organization, `None` when there is none yet."""
        self.begin()
        row = self._connection.execute(_SQL["lock_organization"], {"id": organization_id}).fetchone()
        if row is None:
            return None
        self._chains[organization_id] = row[2]
        found = self._states[organization_id] = Organization.from_json(row[3])
        return found

    def _remember(self, rows: Iterable[tuple[str, bytes, dict[str, Any]]]) -> list[Patient]:
        found = []
        for stream, chain_hash, fold in rows:
            state = Patient.from_json(fold)
            self._chains[stream] = chain_hash
            self._states[stream] = state
            found.append(state)
        return found

    def recall(self, requests: Sequence[RequestKey]) -> Earlier:
        """Return what is known of these requests, and hold those that nobody else is carrying out."""
        if not requests:
            return Earlier({}, frozenset())
        self.begin()
        return idempotency.recall(self._connection, requests)

    def keep(self, kept: Sequence[Kept]) -> None:
        """Store what requests led to, with what is appended next."""
        self._kept = kept

    def erase(self, streams: Mapping[str, int]) -> None:
        """Remove payloads and salts of these streams, up to a version each, with what is appended next."""
        self._erased = streams

    def append(self, entries: Sequence[StoredEntry]) -> list[int]:
        """Store the entries and what the inline projections make of them, and commit; return the positions.

        IntegrityError when another transaction wrote the same version or external id first.
        """
        streams = [str(entry.originator_id) for entry in entries]
        changes = self._project(streams, entries)
        before, earlier = self._chained(streams)
        columns: dict[str, Value] = {
            "organization_id": uuids([entry.organization_id for entry in entries]),
            "originator_id": uuids([entry.originator_id for entry in entries]),
            "originator_version": bigints([entry.originator_version for entry in entries]),
            "topic": texts([entry.topic for entry in entries]),
            "schema_version": bigints([entry.schema_version for entry in entries]),
            "state": byteas([entry.state for entry in entries]),
            "request_id": texts([entry.request_id for entry in entries]),
            "actor": texts([entry.actor for entry in entries]),
            "source": texts([entry.source for entry in entries]),
            "salt": byteas([entry.salt for entry in entries]),
            "state_hash": byteas([entry.state_hash for entry in entries]),
            "prefix": byteas([entry.leaf_prefix() for entry in entries]),
            "before": byteas(before),
            "earlier": bigints(earlier),
        }
        inline.write(self._batch, changes, inline.WITHOUT_PLACE)
        place = len(self._batch.asked)
        self._batch.execute(_SQL["append_events"], {"pending": self.pending, **columns})
        inline.write(self._batch, changes, inline.WITH_PLACE)
        stored = self.commit()[place]
        last = number(stored[0][0])
        self._at = instant(hashing.at_microseconds(microseconds(stored[0][1])))
        self._states |= {each.after.id: each.after for each in changes}
        return list(range(last - len(entries) + 1, last + 1))

    def decided(self, patient: Patient) -> None:
        """Take note of what a patient is after entries that are appended next, with `pending` for their instant."""
        self._decided[patient.id, patient.version] = patient

    def state(self, stream_id: str) -> Any:
        """Return a state as looked up; after the append as stored."""
        return _settled(self._states[stream_id], self.pending, self._at) if self._at else self._states[stream_id]

    def settling(self) -> Callable[[Patient], Patient]:
        """Return what puts the instant of the append where a patient says `pending`."""
        return partial(_settled, pending=self.pending, at=self._at)

    def _chained(self, streams: Iterable[str]) -> tuple[list[bytes | None], list[int]]:
        """Return for each entry the chain hash before it, or else the place in the list of the entry before it."""
        places: dict[str, int] = {}
        before, earlier = [], []
        for place, stream in enumerate(streams, start=1):
            before.append(None if stream in places else self._chains.get(stream, hashing.BEFORE_FIRST))
            earlier.append(places.get(stream, 0))
            places[stream] = place
        return before, earlier

    def commit(self) -> list[Rows]:
        """Send what waits to be written, what is kept and COMMIT in one trip; return what each statement led to.

        OutcomeUnknown when the connection broke before COMMIT was answered.
        """
        if self._kept:
            idempotency.keep(self._batch, self._kept)
        if self._erased:
            erased: dict[str, Value] = {
                "organization": self._organization_ids[0],
                "streams": uuids(self._erased),
                "versions": bigints(self._erased.values()),
            }
            self._batch.execute(_SQL["forget_requests"], erased)
            self._batch.execute(b"SET LOCAL ROLE ledger_eraser", {})
            self._batch.execute(_SQL["erase"], erased)
        try:
            results = self._trips.ask([*self._batch.asked, COMMIT])
        except psycopg.Error as error:
            if self._connection.closed and error.sqlstate is None:
                raise OutcomeUnknown from None
            raise
        self._open = False
        return results

    def _project(self, streams: Iterable[str], entries: Iterable[StoredEntry]) -> list[Change]:
        """Return what these entries, each of its stream, change; the instant is still to come."""
        told: dict[str, list[StoredEntry]] = {}
        for stream, entry in zip(streams, entries, strict=True):
            told.setdefault(stream, []).append(entry)
        return [self._changed(stream, its) for stream, its in told.items()]

    def _changed(self, stream: str, entries: Sequence[StoredEntry]) -> Change:
        before = self._states.get(stream)
        after: Any = self._decided.get((stream, entries[-1].originator_version))
        if after is None:
            after = before
            for entry in entries:
                assert entry.event is not None
                tenant = str(entry.organization_id)
                evolve: Callable[..., Any] = organization.evolve if stream == tenant else patient.evolve
                after = evolve(after, entry.event, Envelope(tenant, stream, self.pending, entry.source))
        return Change(before, after, None)


def _settled(state: Any, pending: str, at: str) -> Any:
    """Return a state with its instant, if it is waiting for that."""
    stored = canonical(state)
    word = pending.encode()
    return type(state).from_json(orjson.loads(stored.replace(word, at.encode()))) if word in stored else state


def _advisory_lock(key: Key) -> int:
    """Return the advisory lock of a match key: 64 bits of its hash, the organization included."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
