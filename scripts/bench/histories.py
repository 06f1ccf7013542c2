"""A ledger with many events, made fast: the entries that upserts would have left, hashed as they are, and copied in.

No read model is written: a rebuild makes it.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from api.bootstrap import build_ledger, new_id
from domain import hashing
from domain.commands import CreateOrganization
from domain.entry import canonical
from domain.events import (
    AddressChanged,
    EmailChanged,
    Event,
    ExternalIdAssigned,
    FieldDropped,
    FirstNameChanged,
    PatientCreated,
    PatientMatched,
    PhoneChanged,
)
from domain.matching import RULE_VERSION
from domain.receipt import Caller
from scripts.bench import records

COLUMNS = (
    ("position", "int8"), ("organization_id", "uuid"), ("originator_id", "uuid"), ("originator_version", "int8"),
    ("topic", "text"), ("schema_version", "int4"), ("state", "bytea"), ("recorded_at", "timestamptz"),
    ("request_id", "text"), ("actor", "text"), ("source", "text"), ("salt", "bytea"), ("state_hash", "bytea"),
    ("leaf_hash", "bytea"), ("chain_hash", "bytea"),
)  # fmt: skip


def fill(url: str, events: int, *, seed: int = 1) -> str:
    """Add about this many events of a new organization to a migrated ledger at rest; return the organization.

    A patient has 4.5 events in the mean: two when it is created, and two for each of the upserts that changed
    something, which come in any order, as they do in a clinic.
    """
    organization_id = str(new_id())
    with build_ledger(url) as ledger:
        ledger.administer(CreateOrganization(name="bench"), Caller(organization_id, "bench", "bench", source="manual"))
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        (last,) = cursor.execute("SELECT position FROM ledger_head FOR UPDATE").fetchone() or (0,)
        names = ", ".join(name for name, _ in COLUMNS)
        with cursor.copy(f"COPY ledger_events ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.set_types([kind for _, kind in COLUMNS])
            for row in _rows(UUID(organization_id), last, events, random.Random(seed)):
                copy.write_row(row)
                last = row[0]
        cursor.execute("UPDATE ledger_head SET position = %s, recorded_at = clock_timestamp()", (last,))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) ledger_events")
    return organization_id


def _rows(organization_id: UUID, after: int, events: int, pick: random.Random) -> Iterator[tuple[Any, ...]]:
    heads: dict[UUID, tuple[int, bytes]] = {}
    bodies: list[tuple[UUID, dict[str, Any]]] = []
    at = datetime.now(UTC)
    position = after
    while position < after + events:
        if not bodies or pick.random() < 0.45:
            stream, body = new_id(), _facts(len(bodies))
            bodies.append((stream, body))
            told = _creation(body, len(bodies))
        else:
            stream, body = pick.choice(bodies)
            told = _change(body, pick)
        at += timedelta(milliseconds=1)
        request = f"req_{os.urandom(16).hex()}"
        version, chain = heads.get(stream, (0, hashing.BEFORE_FIRST))
        for event in told:
            position, version = position + 1, version + 1
            state, salt = canonical(event), os.urandom(16)
            state_hash = hashing.state_hash(salt, state)
            topic = type(event).__name__
            prefix = hashing.leaf_prefix(
                organization_id, stream, version, topic, 1, request, "key:bench", "api", state_hash
            )
            leaf = hashing.leaf_hash(prefix, position, hashing.microseconds(at))
            chain = hashing.chain_hash(chain, leaf)
            yield (
                position, organization_id, stream, version, topic, 1, state, at,
                request, "key:bench", "api", salt, state_hash, leaf, chain,
            )  # fmt: skip
        heads[stream] = version, chain


def _facts(number: int) -> dict[str, Any]:
    """Return the facts of one person, as a record that was read leaves them."""
    body = records.person(number)
    month, day, year = body["date_of_birth"].split("/")
    del body["external_id"]
    return {
        **body,
        "date_of_birth": f"{year}-{month}-{day}",
        "phone_number": f"+1{2_000_000_000 + number * 37 % 7_999_999_999}",
        "email": body["email"].lower(),
    }


def _creation(facts: dict[str, Any], number: int) -> list[Event]:
    external = ExternalIdAssigned(type_id="0190a0c4-5d5f-7d52-a3cf-000000000001", value=f"MRN-{number}")
    return [PatientCreated(facts=facts), external]


def _change(facts: dict[str, Any], pick: random.Random) -> list[Event]:
    matched = PatientMatched(
        tier="demographics",
        rule_version=RULE_VERSION,
        evidence={"first_name": "equal", "last_name": "equal", "date_of_birth": "equal", "phone": "equal"},
        rivals=[],
        record={name: facts[name] for name in ("first_name", "last_name", "date_of_birth", "phone_number")},
    )
    kind = pick.random()
    if kind < 0.5:
        street = f"{pick.randint(1, 999)} {pick.choice(records.STREETS)} Ave"
        return [matched, AddressChanged(old={"address": facts["address"]}, new={"address": street})]
    if kind < 0.65:
        return [matched, EmailChanged(old=facts["email"], new=f"mail{pick.randint(0, 10**9)}@example.com")]
    if kind < 0.8:
        new = f"+1{pick.randint(2_010_000_000, 9_899_999_999)}"
        return [matched, PhoneChanged(old=facts["phone_number"], new=new, extension=None)]
    if kind < 0.9:
        return [matched, FieldDropped(field="gender", reason="unknown_value", offered="martian")]
    return [matched, FirstNameChanged(old=facts["first_name"], new=pick.choice(records.FIRST))]
