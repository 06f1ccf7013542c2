"""How is a list of records looked up, decided and appended in one transaction?

Three trips to the server: look up (locks first, then candidates, in statements of their own) · take the head row ·
store everything and commit. The head row is taken last, so that nothing else is computed while others wait for it
but the hashes and folds that need the position and the instant it hands out.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection, Pipeline

from domain import hashing, organization, patient
from domain.entry import Envelope, StoredEntry, instant
from domain.errors import OutcomeUnknown
from domain.idempotency import Earlier, Kept, RequestKey
from domain.organization import Organization
from domain.patient import Patient
from projections import directory, idempotency, match_index, patients
from projections.statements import statements

_SQL = statements("event_store")

Key = tuple[str, str, str]
"""(organization_id, kind, key)."""


class UnitOfWork:
    """One transaction for the organizations of a list; nothing is stored unless `append` returned."""

    def __init__(self, connection: Connection[Any], pipeline: Pipeline, organization_ids: Iterable[str]) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._organization_ids = sorted(set(organization_ids))
        self._chains: dict[str, bytes] = {}
        self._open = False
        self.states: dict[str, Patient | Organization] = {}
        """Stream id → state, as looked up; after `append` as stored."""
        self.after: dict[tuple[str, int], Patient | Organization] = {}
        """(stream id, version) → state, for every version that `append` stored."""

    def close(self) -> None:
        """Roll back what was not committed."""
        if self._open and not self._connection.closed:
            with suppress(psycopg.Error):  # what follows a failed statement fails too, and must not hide why
                self._pipeline.sync()
            self._connection.execute("ROLLBACK")
        self._open = False

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self._connection.execute("BEGIN")
            admitted = {"organizations": ",".join(self._organization_ids)}
            self._connection.execute(_SQL["admit"], admitted)

    def _trip(self) -> None:
        """Send what waits, and wait for the answers.

        Fetching alone would leave the server in the middle of a statement, where no timeout ends a client that sleeps
        with the head row in its hands; a sync leaves it idle in transaction, where one does.
        """
        self._pipeline.sync()

    def look_up(
        self, keys: Iterable[Key], *, known: Mapping[str, int], limit: int
    ) -> tuple[list[Patient], dict[str, Organization]]:
        """Lock these keys and the patients that share one; return them, and the organizations that changed.

        `known`: organization id → version of the caller's copy. Each key finds at most `limit` patients.
        """
        wanted = sorted(set(keys))
        self._begin()
        ids, versions = list(known), list(known.values())
        organizations = self._connection.execute(
            _SQL["find_organizations"], {"ids": ids, "versions": versions}, binary=True
        )
        if wanted:
            self._connection.execute(_SQL["lock_keys"], {"locks": sorted({_lock(key) for key in wanted})})
        columns = {
            "organizations": [key[0] for key in wanted],
            "kinds": [key[1] for key in wanted],
            "keys": [key[2] for key in wanted],
            "limit": limit,
        }
        candidates = self._connection.execute(_SQL["find_candidates"], columns, binary=True)
        self._trip()
        changed = {
            str(found_id): Organization.from_json(fold)
            for found_id, _, _, fold in organizations.fetchall()
            if fold is not None
        }
        return self._remember(candidates.fetchall()), changed

    def lock_patients(self, organization_id: str, ids: Sequence[str]) -> list[Patient]:
        """Lock and return these patients, in the order of their ids; unknown ones are left out."""
        self._begin()
        keys = {"organization": organization_id, "ids": list(ids)}
        found = self._connection.execute(_SQL["lock_patients"], keys, binary=True)
        self._trip()
        return self._remember(found.fetchall())

    def lock_organization(self, organization_id: str) -> Organization | None:
        """Lock and return the organization, `None` when there is none yet."""
        self._begin()
        found = self._connection.execute(_SQL["lock_organization"], {"id": organization_id})
        self._trip()
        row = found.fetchone()
        if row is None:
            return None
        self._chains[organization_id] = row[2]
        self.states[organization_id] = Organization.from_json(row[3])
        return Organization.from_json(row[3])

    def _remember(self, rows: Iterable[tuple[UUID, bytes, dict[str, Any]]]) -> list[Patient]:
        found = []
        for stream, chain_hash, fold in rows:
            state = Patient(**fold)
            self._chains[str(stream)] = chain_hash
            self.states[str(stream)] = state
            found.append(state)
        return found

    def recall(self, requests: Sequence[RequestKey]) -> Earlier:
        """Return what is known of these requests, and hold those that nobody else is carrying out."""
        if not requests:
            return Earlier({}, frozenset())
        self._begin()
        return idempotency.recall(self._connection, requests)

    def keep(self, kept: Sequence[Kept]) -> None:
        """Store what requests led to, with what is appended next."""
        if kept:
            idempotency.keep(self._connection, kept)

    def append(self, entries: Sequence[StoredEntry]) -> list[int]:
        """Store the entries and what the inline projections make of them, and commit; return the positions.

        IntegrityError when another transaction wrote the same version or external id first.
        """
        prefixes = [entry.leaf_prefix() for entry in entries]
        taken = self._connection.execute(_SQL["take_head"], {"count": len(entries)}, binary=True)
        self._trip()
        head = taken.fetchone()
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
            name: [getattr(entry, name) for entry in entries]
            for name in (
                "organization_id", "originator_id", "originator_version", "topic", "schema_version", "state",
                "request_id", "actor", "source", "salt", "state_hash",
            )
        }  # fmt: skip
        own = {"position": positions, "leaf_hash": leaves, "chain_hash": chains, "recorded_at": recorded_at}
        cursor = self._connection.cursor()
        cursor.execute(_SQL["append_events"], {**columns, **own})
        self._project(entries, instant(recorded_at))
        self.commit()
        return positions

    def commit(self) -> None:
        """Commit. OutcomeUnknown when the connection broke after COMMIT was sent and before it was answered."""
        try:
            self._connection.execute("COMMIT")
            self._pipeline.sync()
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
        changed: list[tuple[Patient | None, Patient]] = []
        cursor = self._connection.cursor()
        for stream, old in before.items():
            new = self.states[stream]
            if isinstance(new, Organization):
                assert old is None or isinstance(old, Organization)
                directory.write(cursor, old, new, self._chains[stream])
            else:
                assert old is None or isinstance(old, Patient)
                changed.append((old, new))
        if changed:
            patients.write(cursor, [patients.row(new, self._chains[new.id]) for _, new in changed])
            match_index.write(cursor, changed)


def _lock(key: Key) -> int:
    """Return the advisory lock of a match key: 64 bits of its hash, the organization included."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
