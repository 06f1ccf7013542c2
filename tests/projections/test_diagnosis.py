"""What the doctor sees, each fault by its name, with something to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from domain import erasure
from projections.diagnosis import Finding, diagnose
from projections.rebuild import rebuild
from tests.clinic import Clinic
from tests.projections.histories import an_organization, live, opened

OF_THE_TESTS = {"durability", "projections"}
"""The tests' server does not flush to disk, and nobody follows."""


@pytest.fixture
def ledger_url(database_url: str) -> str:
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 20, seed=1)
    return database_url


def findings(url: str, *, ahead: float = 0.0, thorough: bool = True) -> dict[str, Finding]:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=ahead)

    with psycopg.connect(url, autocommit=True) as owner, owner.cursor() as cursor:
        return {each.check: each for each in diagnose(cursor, now, thorough=thorough)}


def wrong(url: str, *, ahead: float = 0.0, thorough: bool = True) -> set[str]:
    found = findings(url, ahead=ahead, thorough=thorough)
    return {name for name, each in found.items() if not each.fine} - OF_THE_TESTS


@contextmanager
def superuser(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def test_a_sound_ledger_has_nothing_wrong_and_advice_for_everything(ledger_url):
    assert wrong(ledger_url) == set()
    for each in findings(ledger_url).values():
        assert each.detail
        assert each.advice


def test_an_erased_patient_is_nothing_wrong(clinic: Clinic):
    patient_id = clinic.send(first_name="Ann", phone_number="212-555-0142").patient.id
    erasure.erase(clinic.ledger, patient_id, "#77", clinic.caller)
    assert wrong(clinic.url) == set()


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("GRANT DELETE ON ledger_events TO ledger_app", "grants"),
        ("GRANT TRUNCATE ON ledger_events TO PUBLIC", "grants"),
        ("REVOKE INSERT ON ledger_events FROM ledger_app", "grants"),
        ("REVOKE UPDATE ON patients FROM ledger_app", "grants"),
        ("ALTER TABLE ledger_events DISABLE TRIGGER ledger_events_append_only", "append-only"),
        ("DROP TRIGGER ledger_events_never_truncated ON ledger_events", "append-only"),
        ("ALTER TABLE match_keys DISABLE ROW LEVEL SECURITY", "tenants"),
        ("DROP POLICY tenant ON patients", "tenants"),
        ("CREATE TABLE extra (organization_id uuid, note text)", "tenants"),
        ("DELETE FROM migrations WHERE number = 7", "migrations"),
        ("UPDATE migrations SET checksum = 'x' WHERE number = 1", "migrations"),
        ("INSERT INTO migrations VALUES (99, '0099_later', 'x')", "migrations"),
        ("UPDATE ledger_head SET position = position + 1", "positions"),
        ("UPDATE ledger_head SET recorded_at = now() + interval '1 hour'", "clock"),
        ("UPDATE patients SET version = version + 1 WHERE ctid = (SELECT min(ctid) FROM patients)", "read model"),
        ("DELETE FROM patients WHERE ctid = (SELECT min(ctid) FROM patients)", "read model"),
        ("UPDATE organizations SET version = 77", "read model"),
        ("CREATE TABLE ledger_building.patients (x int)", "leftovers"),
    ],
)
def test_a_fault_is_found_by_its_name(ledger_url, fault, check):
    with superuser(ledger_url) as connection:
        connection.execute(fault.encode())
    assert wrong(ledger_url) == {check}


def test_a_missing_entry_is_seen_in_positions_and_in_its_stream(ledger_url):
    with superuser(ledger_url) as connection:
        connection.execute(
            "DELETE FROM ledger_events WHERE originator_version = 1 AND originator_id = (SELECT originator_id"
            " FROM ledger_events WHERE originator_version = 2 AND organization_id <> originator_id LIMIT 1)"
        )
    assert {"positions", "streams"} <= wrong(ledger_url)
    assert wrong(ledger_url, thorough=False) == set()


def test_clocks_that_are_apart_are_told(ledger_url):
    assert wrong(ledger_url, ahead=3600) == {"clock"}
    assert wrong(ledger_url, ahead=-3600) == {"clock"}


def test_old_tables_that_nobody_dropped_are_told(ledger_url):
    rebuild(ledger_url, ["patients"])
    assert wrong(ledger_url) == set()
    with superuser(ledger_url) as connection:
        connection.execute("UPDATE standby_tables SET since = now() - interval '30 days'")
    assert wrong(ledger_url) == {"leftovers"}


def test_a_user_that_is_not_the_owner_is_told_so(ledger_url):
    role = "ledger_doctor_stranger"
    with superuser(ledger_url) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
        try:
            connection.execute(SQL("GRANT pg_read_all_data, pg_monitor TO {}").format(Identifier(role)))
            with psycopg.connect(ledger_url, autocommit=True) as stranger, stranger.cursor() as cursor:
                stranger.execute(SQL("SET SESSION AUTHORIZATION {}").format(Identifier(role)))
                stranger.execute("SET row_security = on")
                found = {}
                for each in diagnose(cursor, lambda: datetime.now(UTC), thorough=False):
                    found[each.check] = each
                    if each.check == "roles":
                        break
            assert not found["owner"].fine
            assert not found["roles"].fine
            assert f"GRANT ledger_app TO {role};" in found["roles"].advice
        finally:
            connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


def test_an_empty_database_is_told_to_migrate(server_url):
    with psycopg.connect(server_url, autocommit=True) as connection, connection.cursor() as cursor:
        told = {each.check: each for each in diagnose(cursor, lambda: datetime.now(UTC))}
    assert not told["migrations"].fine
    assert "positions" not in told
