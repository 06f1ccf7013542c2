"""How is a list of records looked up, decided and appended in one transaction?

Two trips to the server: lock and look up · store everything and commit. Positions and the instant are handed out by the
second one, on the server: nobody who waits for the head row waits for our computing, or for the network. What we store
says `pending` where the instant belongs, a word that nobody can guess, and the server puts it in.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from secrets import token_hex
from typing import Any
from uuid import UUID

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
from projections.arrays import bigints, byteas, texts, uuids
from projections.inline import Change
from projections.statements import statements
from projections.trips import BEGIN, COMMIT, ROLLBACK, Asked, Batch, Rows, Trips, Value, microseconds, number

_SQL = statements("event_store")
_DO_NOT_WAIT: Asked = (b"SET LOCAL synchronous_commit = off", {})

Key = tuple[str, str, str]
"""(organization_id, kind, key)."""


class UnitOfWork:
    """One transaction for the organizations of a list; nothing is stored unless `append` returned."""

    def __init__(self, connection: Connection[Any], organization_ids: Iterable[str]) -> None:
        self._connection = connection
        self._kept: Sequence[Kept] = ()
        self._trips = Trips(connection)
        self._batch = Batch()
        self._erased: Mapping[str, int] = {}
        self._organization_ids = sorted(set(organization_ids))
        self._chains: dict[str, bytes] = {}
        self._open = False
        self.states: dict[str, Patient | Organization] = {}
        """Stream id → state, as looked up; after `append` as stored."""
        self._pending = f"~{token_hex(13)}"
        self._at = ""
        self._versions: dict[tuple[str, int], Patient | Organization] = {}

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
        changed = {str(UUID(bytes=row[0])): Organization.from_json(orjson.loads(row[2])) for row in rows if not row[1]}
        return self._remember((UUID(bytes=row[0]), row[1], orjson.loads(row[2])) for row in rows if row[1]), changed

    def lock_patients(self, organization_id: str, ids: Sequence[str]) -> list[Patient]:
        """Lock and return these patients, in the order of their ids; unknown ones are left out."""
        self.begin()
        keys = {"organization": organization_id, "ids": uuids(ids)}
        return self._remember(self._connection.execute(_SQL["lock_patients"], keys, binary=True).fetchall())

    def lock_organization(self, organization_id: str) -> Organization | None:
        """Lock and return the organization, `None` when there is none yet."""
        self.begin()
        row = self._connection.execute(_SQL["lock_organization"], {"id": organization_id}).fetchone()
        if row is None:
            return None
        self._chains[organization_id] = row[2]
        self.states[organization_id] = Organization.from_json(row[3])
        return Organization.from_json(row[3])

    def _remember(self, rows: Iterable[tuple[UUID, bytes, dict[str, Any]]]) -> list[Patient]:
        found = []
        for stream, chain_hash, fold in rows:
            state = Patient.from_json(fold)
            self._chains[str(stream)] = chain_hash
            self.states[str(stream)] = state
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
        changes = self._project(entries)
        before, earlier = self._chained(entries)
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
        self._batch.execute(_SQL["append_events"], {"pending": self._pending, **columns})
        inline.write(self._batch, changes, inline.WITH_PLACE)
        stored = self.commit()[place]
        last = number(stored[0][0])
        self._at = instant(hashing.at_microseconds(microseconds(stored[0][1])))
        self.states |= {str(each.after.id): self._timed(each.after) for each in changes}
        return list(range(last - len(entries) + 1, last + 1))

    def stored(self, stream_id: str, version: int) -> Patient | Organization | None:
        """Return the state of a version that `append` stored, `None` of any other."""
        now = self.states.get(stream_id)
        if now is not None and now.version == version:
            return now
        found = self._versions.get((stream_id, version))
        return None if found is None else self._timed(found)

    def _timed(self, state: Patient | Organization) -> Any:
        """Return a state that waited for its instant, with it."""
        stored = canonical(state).replace(self._pending.encode(), self._at.encode())
        return type(state).from_json(orjson.loads(stored))

    def _chained(self, entries: Iterable[StoredEntry]) -> tuple[list[bytes | None], list[int]]:
        """Return for each entry the chain hash before it, or else the place in the list of the entry before it."""
        places: dict[str, int] = {}
        before, earlier = [], []
        for place, entry in enumerate(entries, start=1):
            stream = str(entry.originator_id)
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

    def _project(self, entries: Iterable[StoredEntry]) -> list[Change]:
        """Return what these entries change; the instant is still to come."""
        before: dict[str, Patient | Organization | None] = {}
        for entry in entries:
            stream, tenant = str(entry.originator_id), str(entry.organization_id)
            envelope = Envelope(tenant, stream, self._pending, entry.source)
            state = self.states.get(stream)
            before.setdefault(stream, state)
            assert entry.event is not None
            if stream == tenant:
                assert state is None or isinstance(state, Organization)
                self.states[stream] = organization.evolve(state, entry.event, envelope)
            else:
                assert state is None or isinstance(state, Patient)
                self.states[stream] = patient.evolve(state, entry.event, envelope)
            self._versions[stream, entry.originator_version] = self.states[stream]
        return [Change(old, self.states[stream], None) for stream, old in before.items()]


def _advisory_lock(key: Key) -> int:
    """Return the advisory lock of a match key: 64 bits of its hash, the organization included."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
