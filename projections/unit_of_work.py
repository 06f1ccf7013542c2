"""How is a list of records looked up, decided and appended in one transaction?

Four trips to the server: lock · look up · take the head row · store everything and commit, pipelined. The head row is
taken last, so that nothing else is computed while others wait for it but the hashes and folds that need the position
and the instant it hands out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from domain import hashing, organization, patient
from domain.entry import Envelope, StoredEntry, instant
from domain.errors import OutcomeUnknown
from domain.idempotency import Earlier, Kept, RequestKey
from domain.organization import Organization
from domain.patient import Patient
from projections import idempotency, inline
from projections.arrays import bigints, byteas, texts, uuids
from projections.inline import Change
from projections.statements import statements

_SQL = statements("event_store")

Key = tuple[str, str, str]
"""(organization_id, kind, key)."""


class UnitOfWork:
    """One transaction for the organizations of a list; nothing is stored unless `append` returned."""

    def __init__(self, connection: Connection[Any], organization_ids: Iterable[str]) -> None:
        self._connection = connection
        self._kept: Sequence[Kept] = ()
        self._waiting: Callable[[], None] | None = None
        self._erased: Mapping[str, int] = {}
        self._organization_ids = sorted(set(organization_ids))
        self._chains: dict[str, bytes] = {}
        self._open = False
        self.states: dict[str, Patient | Organization] = {}
        """Stream id → state, as looked up; after `append` as stored."""
        self.after: dict[tuple[str, int], Patient | Organization] = {}
        """(stream id, version) → state, for every version that `append` stored."""

    def close(self, *, failed: bool) -> None:
        """Give back the locks of a transaction that stored nothing; roll back one that failed.

        There is nothing to flush in the first case, and nothing to roll back: psycopg would forget all prepared
        statements of the connection with a ROLLBACK.
        """
        if self._open and not self._connection.closed:
            ending = b"ROLLBACK" if failed else b"SET LOCAL synchronous_commit = off; COMMIT"
            self._connection.execute(ending, prepare=False)
        self._open = False

    def _lock(self, locks: Iterable[int] = ()) -> None:
        """Open the transaction, admit its organizations and take advisory locks in their order, in one trip.

        Statements without parameters travel together and still run one after another. Nothing in them needs quoting:
        the ids are canonical UUIDs, the locks numbers. What is looked up afterwards sees what others left behind.
        """
        statements = []
        if not self._open:
            self._open = True
            admitted = ",".join(str(UUID(each)) for each in self._organization_ids)
            statements += ["BEGIN", f"SELECT set_config('ledger.organizations', '{admitted}', true)"]
        if listed := ",".join(str(lock) for lock in sorted(set(locks))):
            taken = f"SELECT count(pg_advisory_xact_lock(lock)) FROM unnest('{{{listed}}}'::bigint[]) AS lock"  # noqa: S608 - numbers
            statements.append(taken)  # unnest yields them in their order
        if statements:
            self._connection.execute(";".join(statements).encode(), prepare=False)

    def look_up(
        self, keys: Iterable[Key], *, known: Mapping[str, int], limit: int
    ) -> tuple[list[Patient], dict[str, Organization]]:
        """Lock these keys and the patients that share one; return them, and the organizations that changed.

        `known`: organization id → version of the caller's copy. Each key finds at most `limit` patients.
        """
        wanted = sorted(set(keys))
        self._lock(_advisory_lock(key) for key in wanted)
        columns = {
            "organizations": uuids(key[0] for key in wanted),
            "kinds": texts(key[1] for key in wanted),
            "keys": texts(key[2] for key in wanted),
            "limit": limit,
            "known_ids": uuids(known),
            "known_versions": bigints(known.values()),
        }
        rows = self._connection.execute(_SQL["look_up"], columns, binary=True).fetchall()
        changed = {str(row[0]): Organization.from_json(row[2]) for row in rows if row[1] is None}
        return self._remember(row for row in rows if row[1] is not None), changed

    def lock_patients(self, organization_id: str, ids: Sequence[str]) -> list[Patient]:
        """Lock and return these patients, in the order of their ids; unknown ones are left out."""
        self._lock()
        keys = {"organization": organization_id, "ids": uuids(ids)}
        return self._remember(self._connection.execute(_SQL["lock_patients"], keys, binary=True).fetchall())

    def lock_organization(self, organization_id: str) -> Organization | None:
        """Lock and return the organization, `None` when there is none yet."""
        self._lock()
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
        self._lock()
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
        prefixes = [entry.leaf_prefix() for entry in entries]
        head = self._connection.execute(_SQL["take_head"], {"count": len(entries)}, binary=True).fetchone()
        assert head is not None
        last, recorded_at = head
        first = last - len(entries) + 1
        positions = list(range(first, last + 1))
        moment = hashing.microseconds(recorded_at)
        leaves, chains = [], []
        for position, entry, prefix in zip(positions, entries, prefixes, strict=True):
            stream = str(entry.originator_id)
            leaf = hashing.leaf_hash(prefix, position, moment)
            chain = hashing.chain_hash(self._chains.get(stream, hashing.BEFORE_FIRST), leaf)
            self._chains[stream] = chain
            leaves.append(leaf)
            chains.append(chain)
        columns = {
            "position": bigints(positions),
            "organization_id": uuids(entry.organization_id for entry in entries),
            "originator_id": uuids(entry.originator_id for entry in entries),
            "originator_version": bigints(entry.originator_version for entry in entries),
            "topic": texts(entry.topic for entry in entries),
            "schema_version": bigints(entry.schema_version for entry in entries),
            "state": byteas(entry.state for entry in entries),
            "recorded_at": recorded_at,
            "request_id": texts(entry.request_id for entry in entries),
            "actor": texts(entry.actor for entry in entries),
            "source": texts(entry.source for entry in entries),
            "salt": byteas(entry.salt for entry in entries),
            "state_hash": byteas(entry.state_hash for entry in entries),
            "leaf_hash": byteas(leaves),
            "chain_hash": byteas(chains),
        }

        def write() -> None:
            self._connection.execute(_SQL["append_events"], columns)
            self._project(entries, instant(recorded_at))

        self._waiting = write
        self.commit()
        return positions

    def commit(self) -> None:
        """Send what waits to be written, what is kept and COMMIT in one trip.

        OutcomeUnknown when the connection broke before COMMIT was answered.
        """
        try:
            with self._connection.pipeline():
                if self._waiting is not None:
                    self._waiting()
                if self._kept:
                    idempotency.keep(self._connection, self._kept)
                if self._erased:
                    streams = {"streams": uuids(self._erased), "versions": bigints(self._erased.values())}
                    own = {"organization": self._organization_ids[0]}
                    self._connection.execute(_SQL["forget_requests"], {**streams, **own})
                    self._connection.execute("SET LOCAL ROLE ledger_eraser")
                    self._connection.execute(_SQL["erase"], {**streams, **own})
                self._connection.execute("COMMIT")
        except psycopg.Error:
            if self._connection.closed:
                raise OutcomeUnknown from None
            raise
        self._open = False

    def _project(self, entries: Iterable[StoredEntry], recorded_at: str) -> None:
        """Bring the inline projections up to these entries."""
        before: dict[str, Patient | Organization | None] = {}
        for entry in entries:
            stream, tenant = str(entry.originator_id), str(entry.organization_id)
            envelope = Envelope(tenant, stream, recorded_at, entry.source)
            state = self.states.get(stream)
            before.setdefault(stream, state)
            assert entry.event is not None
            if stream == tenant:
                assert state is None or isinstance(state, Organization)
                self.states[stream] = organization.evolve(state, entry.event, envelope)
            else:
                assert state is None or isinstance(state, Patient)
                self.states[stream] = patient.evolve(state, entry.event, envelope)
            self.after[stream, entry.originator_version] = self.states[stream]
        changes = [Change(old, self.states[stream], self._chains[stream]) for stream, old in before.items()]
        inline.write(self._connection.cursor(), changes)


def _advisory_lock(key: Key) -> int:
    """Return the advisory lock of a match key: 64 bits of its hash, the organization included."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
