"""A clinic on a real database: one organization with an item of each kind, and short ways to write to it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from os import urandom
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.bootstrap import new_id
from domain.commands import AddReferenceItem, CreateOrganization, RecordCommunication
from domain.entry import Draft, canonical
from domain.errors import LedgerError
from domain.events import Event
from domain.ledger import Ledger
from domain.organization import KINDS
from domain.receipt import Caller, Receipt, Upsert
from domain.record import read_record
from projections import match_index
from tests.domain.records import EXTERNAL_ID_TYPE, INSURANCE, LOCATION, TODAY, USER, WORKFLOW_STAGE

ITEMS = {
    "external-id-type": EXTERNAL_ID_TYPE,
    "location": LOCATION,
    "user": USER,
    "workflow-stage": WORKFLOW_STAGE,
    "insurance": INSURANCE,
}


def open_ledger(url: str, **settings: str) -> Ledger:
    """Return a ledger on this database, as a worker has it; `settings` are the library's."""
    return Ledger(
        {"PERSISTENCE_MODULE": "projections.event_store:Factory", "DATABASE_URL": url, **settings},
        new_id=new_id,
        random_bytes=urandom,
        clock=lambda: datetime.combine(TODAY, time(12), UTC),
    )


@dataclass
class Clinic:
    """One organization of a ledger."""

    url: str
    ledger: Ledger
    id: str = field(default_factory=lambda: str(new_id()))

    @property
    def caller(self) -> Caller:
        """Return who writes."""
        return Caller(self.id, "key:test", "req_test")

    def found(self) -> "Clinic":
        """Create the organization with one item of each kind."""
        self.ledger.administer(CreateOrganization(name="Hudson Physical Therapy"), self.caller)
        for kind in KINDS:
            self.ledger.administer(AddReferenceItem(kind=kind, item_id=ITEMS[kind], name=kind), self.caller)
        return self

    def upserts(self, *bodies: dict[str, Any]) -> list[Upsert]:
        """Return these records, as this clinic's partner sends them."""
        read = (read_record(body) for body in bodies)
        return [Upsert(record, self.caller, received) for record, received in read]

    def send_list(self, *bodies: dict[str, Any]) -> list[Receipt | LedgerError]:
        """Place records in one transaction."""
        return self.ledger.upsert_many(self.upserts(*bodies))

    def send(self, **body: Any) -> Receipt:
        """Place one record; raise what it was refused for."""
        (result,) = self.send_list(body)
        if isinstance(result, LedgerError):
            raise result
        return result

    def communicate(self, patient_id: str) -> None:
        """Have the first communication with a patient."""
        command = RecordCommunication(channel="sms", direction="outbound", occurred_at="2026-11-23T12:00:00.000000Z")
        self.ledger.change(patient_id, command, self.caller)

    def drafts(self, stream_id: str, version: int, *events: Event) -> list[Draft]:
        """Return these events as the next ones of a stream that is at `version`."""
        return [
            Draft(UUID(self.id), UUID(stream_id), version + place, event, "req_test", "key:test", "api", urandom(16))
            for place, event in enumerate(events, start=1)
        ]

    def story(self, patient_id: str) -> list[Event]:
        """Return what has happened to a patient, oldest first."""
        return [entry.event for entry in self.ledger.stream(self.id, patient_id)]


@pytest.fixture
def clinic(database_url: str) -> Iterator[Clinic]:
    """Yield a clinic on a database of its own."""
    with open_ledger(database_url) as ledger:
        yield Clinic(database_url, ledger).found()


def asked(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query, asked by the owner of the database."""
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), values).fetchall()


WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'patient-ledger' AND wait_event_type = 'Lock'
"""
"""The ledger's transactions that wait for a lock."""


def wait_until(url: str, query: str, *values: Any) -> None:
    """Ask until the answer is not empty."""
    end = monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute(query.encode(), values).fetchall():
            assert monotonic() < end, "it never came to that"


def check_positions(url: str) -> int:
    """Check what holds at every moment: gapless positions, contiguous versions, time that never decreases.

    Returns the head.
    """
    ((head, count, last),) = asked(
        url,
        "SELECT (SELECT position FROM ledger_head), count(*), coalesce(max(position), 0) FROM ledger_events",
    )
    assert head == count == last
    assert not asked(
        url,
        "SELECT originator_id FROM ledger_events GROUP BY originator_id"
        " HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)",
    )
    assert not asked(
        url,
        "SELECT position FROM (SELECT position, recorded_at < lag(recorded_at) OVER (ORDER BY position) AS back"
        " FROM ledger_events) AS steps WHERE back",
    )
    return int(head)


def check_read_models(clinic: Clinic) -> None:
    """Check that what the inline projections hold of every patient is what its stream says, byte for byte."""
    stored = asked(
        clinic.url, "SELECT id::text, version, fold::text FROM patients WHERE organization_id = %s", clinic.id
    )
    indexed: set[match_index.Row] = set(
        asked(
            clinic.url,
            "SELECT organization_id::text, kind, key, patient_id::text FROM match_keys WHERE organization_id = %s",
            clinic.id,
        )
    )
    keys: set[match_index.Row] = set()
    for patient_id, version, fold in stored:
        state = clinic.ledger.patient_as_of(clinic.id, patient_id)
        assert canonical(state).decode() == fold
        assert state.version == version
        keys.update((clinic.id, kind, key, patient_id) for kind, key in match_index.keys(state))
    assert indexed == keys
    streams = "SELECT count(DISTINCT originator_id) FROM ledger_events WHERE organization_id = %s"
    assert asked(clinic.url, streams, clinic.id) == [(len(stored) + 1,)], "its own stream is the other one"
