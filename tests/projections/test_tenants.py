"""What may the application do with the database, and what does it see of whom?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from api.bootstrap import new_id
from domain.commands import IssueApiKey
from domain.errors import UnknownOrganization, UnknownPatient
from projections import directory, patients
from projections.migrations import migrate
from tests.clinic import Clinic, asked, check_positions, open_ledger
from tests.domain.records import EXTERNAL_ID_TYPE

ANN = {
    "first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "212-555-0142",
    "email": "ann@example.com", "external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "A-1"},
}  # fmt: skip


@contextmanager
def as_application(url: str, *organizations: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the owner, work as `ledger_app`; admit these organizations for the transaction."""
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE ledger_app")
        if organizations:
            connection.execute("SELECT set_config('ledger.organizations', %s, true)", (",".join(organizations),))
        yield connection


def of_tenants(url: str) -> list[str]:
    """Return the tables with rows of organizations that the application may read."""
    rows = asked(
        url,
        """
        SELECT c.relname FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
          AND has_table_privilege('ledger_app', c.oid, 'SELECT')
          AND (c.relname = 'organizations' OR a.attname IS NOT NULL)
        ORDER BY 1
        """,
    )
    return [name for (name,) in rows]


SPINE = {"ledger_events", "patients", "match_keys", "organizations", "api_keys", "api_key_uses"}


@pytest.fixture
def two(clinic: Clinic) -> tuple[Clinic, Clinic]:
    """Return two clinics in one database that know the same person."""
    other = Clinic(clinic.url, clinic.ledger).found()
    for each in (clinic, other):
        each.send(**ANN)
        command = IssueApiKey(key_id=f"k{each.id[-11:]}", name="p", secret_hash="00" * 32, last_four="wxyz", scopes=())
        each.ledger.administer(command, each.caller)
        with each.ledger.recorder.reading(each.id) as cursor:
            directory.note_use(cursor, each.id, command.key_id)
    return clinic, other


# ---- rows


def test_every_table_with_rows_of_organizations_is_under_row_level_security(database_url: str):
    assert set(of_tenants(database_url)) >= SPINE
    unguarded = [
        table
        for table in of_tenants(database_url)
        if asked(
            database_url,
            """
            SELECT FROM pg_class c WHERE c.oid = %s::regclass AND NOT (c.relrowsecurity AND EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 'ledger_app'::regrole = ANY (p.polroles)))
            """,
            table,
        )
    ]
    assert not unguarded


def test_where_no_organization_is_set_nothing_is_seen(two: tuple[Clinic, Clinic]):
    url = two[0].url
    with as_application(url) as application:
        for table in of_tenants(url):
            assert application.execute(f"SELECT count(*) FROM {table}".encode()).fetchall() == [(0,)], table


@pytest.mark.parametrize("setting", ["", "00000000-0000-4000-8000-000000000000"])
def test_an_empty_or_unknown_setting_sees_nothing_either(two: tuple[Clinic, Clinic], setting: str):
    with as_application(two[0].url) as application:
        application.execute("SELECT set_config('ledger.organizations', %s, true)", (setting,))
        for table in SPINE:
            assert application.execute(f"SELECT count(*) FROM {table}".encode()).fetchall() == [(0,)], table


def test_exactly_the_admitted_organizations_are_seen(two: tuple[Clinic, Clinic]):
    one, other = two
    for table in SPINE:
        column = "id" if table == "organizations" else "organization_id"
        counted = f"SELECT DISTINCT {column}::text FROM {table}".encode()
        with as_application(one.url, one.id) as application:
            assert application.execute(counted).fetchall() == [(one.id,)], table
        with as_application(one.url, one.id, other.id) as application:
            assert {each for (each,) in application.execute(counted)} == {one.id, other.id}, table


@pytest.mark.parametrize("table", sorted(SPINE))
def test_no_row_can_be_written_for_an_organization_that_is_not_admitted(two: tuple[Clinic, Clinic], table: str):
    one, other = two
    column = "id" if table == "organizations" else "organization_id"
    names = asked(
        one.url,
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'",
        table,
    )
    listed = ", ".join(name for (name,) in names)
    shown = ", ".join("%(fresh)s::uuid" if name == column else name for (name,) in names)
    copied = f"INSERT INTO {table} ({listed}) SELECT {shown} FROM {table} WHERE {column} = %(own)s"
    with as_application(one.url, one.id) as application, pytest.raises(errors.InsufficientPrivilege):
        application.execute(copied.encode(), {"fresh": other.id, "own": one.id})


def test_rows_of_others_are_neither_changed_nor_removed(two: tuple[Clinic, Clinic]):
    one, other = two
    with as_application(one.url, one.id) as application:
        for table in sorted(SPINE - {"ledger_events", "organizations"}):
            gone = application.execute(f"DELETE FROM {table} WHERE organization_id = %s".encode(), (other.id,))
            assert gone.rowcount == 0, table
        with pytest.raises(errors.InsufficientPrivilege):
            application.execute("UPDATE patients SET organization_id = %s", (other.id,))


def test_what_one_transaction_may_see_the_next_on_the_same_connection_may_not(clinic: Clinic):
    clinic.send(**ANN)
    with open_ledger(clinic.url, POSTGRES_POOL_SIZE="1", POSTGRES_MAX_OVERFLOW="0") as narrow:
        for _ in range(3):
            with narrow.recorder.reading(clinic.id) as cursor:
                assert cursor.execute("SELECT count(*) FROM patients").fetchall() == [(1,)]
            with narrow.recorder.reading() as cursor:
                assert cursor.execute("SELECT count(*) FROM patients").fetchall() == [(0,)]
            with narrow.recorder.unit_of_work([clinic.id]) as work:
                work.look_up([], known={}, limit=0)
            with narrow.recorder.connection() as connection:  # type: ignore[attr-defined] # of this store
                assert connection.execute("SELECT count(*) FROM patients").fetchall() == [(0,)]


# ---- people


def test_the_same_person_in_two_organizations_is_two_patients(two: tuple[Clinic, Clinic]):
    one, other = two
    first, second = one.send(**ANN), other.send(**ANN)
    assert first.patient.id != second.patient.id
    assert (first.events, second.events) == ((), ())
    assert first.outcome.rivals == second.outcome.rivals == ()


def test_a_patient_of_another_organization_is_unknown(two: tuple[Clinic, Clinic]):
    one, other = two
    patient_id = one.send(**ANN).patient.id
    with pytest.raises(UnknownPatient):
        other.communicate(patient_id)
    with pytest.raises(UnknownPatient):
        other.ledger.patient_as_of(other.id, patient_id)
    with other.ledger.recorder.reading(other.id) as cursor:
        assert patients.get(cursor, other.id, patient_id) is None
        assert patients.get(cursor, one.id, patient_id) is None
    assert other.ledger.stream(one.id, patient_id) != []  # who asks for an organization must be of it: see the keys


@pytest.mark.parametrize("strange", ["", "x", "organization", "00000000-0000-4000-8000-000000000000", "a\x00b", "é"])
def test_an_id_of_nobody_is_unknown(clinic: Clinic, strange: str):
    with pytest.raises(UnknownPatient):
        clinic.communicate(strange)
    with pytest.raises(UnknownPatient):
        clinic.ledger.patient_as_of(clinic.id, strange)
    with pytest.raises(UnknownOrganization):
        clinic.ledger.organization(strange)


def test_the_stream_of_an_organization_is_no_patient(clinic: Clinic):
    for text in (clinic.id, clinic.id.upper(), f"{{{clinic.id}}}"):
        with pytest.raises(UnknownPatient):
            clinic.communicate(text)
        with pytest.raises(UnknownPatient):
            clinic.ledger.patient_as_of(clinic.id, text)


def test_an_id_in_another_spelling_is_the_same_id(clinic: Clinic):
    patient = clinic.send(**ANN).patient
    clinic.communicate(patient.id.upper())
    assert clinic.ledger.patient_as_of(clinic.id, patient.id.upper()).phone_locked
    assert clinic.ledger.organization(clinic.id.upper()).id == clinic.id


# ---- the role


def test_the_application_role_is_an_ordinary_one(database_url: str):
    flags = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin"
    assert asked(database_url, f"SELECT {flags} FROM pg_roles WHERE rolname = 'ledger_app'") == [(False,) * 6]
    assert asked(database_url, "SELECT FROM pg_auth_members WHERE member = 'ledger_app'::regrole") == []
    assert asked(database_url, "SELECT FROM pg_class WHERE relowner = 'ledger_app'::regrole") == []


def privileges(url: str, table: str) -> set[str]:
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    query = "SELECT has_table_privilege('ledger_app', %s, %s) OR has_any_column_privilege('ledger_app', %s, %s)"
    return {
        kind
        for kind in kinds
        if asked(
            url,
            query if kind in ("SELECT", "INSERT", "UPDATE", "REFERENCES") else query.partition(" OR ")[0],
            *([table, kind] * (2 if kind in ("SELECT", "INSERT", "UPDATE", "REFERENCES") else 1)),
        )
        == [(True,)]
    }


def test_the_application_adds_events_and_reads_them_and_nothing_else(database_url: str):
    assert privileges(database_url, "ledger_events") == {"SELECT", "INSERT"}
    assert privileges(database_url, "ledger_head") == {"SELECT", "UPDATE"}
    assert privileges(database_url, "migrations") == {"SELECT"}


def test_the_application_empties_no_table_and_ties_nothing_to_one(database_url: str):
    for (table,) in asked(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        assert not privileges(database_url, table) & {"TRUNCATE", "REFERENCES", "TRIGGER"}, table


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE another (id int)",
        "CREATE SCHEMA another",
        "CREATE FUNCTION another() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX another ON ledger_events (actor)",
        "ALTER TABLE ledger_events ADD COLUMN another int",
        "ALTER TABLE ledger_events DISABLE TRIGGER ALL",
        "ALTER TABLE patients DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON patients",
        "DROP TABLE ledger_events",
        "CREATE POLICY everything ON patients USING (true)",
    ],
)
def test_the_application_changes_no_definition(clinic: Clinic, statement: str):
    with as_application(clinic.url) as application, pytest.raises(errors.InsufficientPrivilege):
        application.execute(statement.encode())


CHANGES = [
    "UPDATE ledger_events SET actor = 'somebody else'",
    "UPDATE ledger_events SET state = NULL, salt = NULL",
    "DELETE FROM ledger_events",
    "TRUNCATE ledger_events",
    "TRUNCATE ledger_events CASCADE",
    "INSERT INTO ledger_events SELECT * FROM ledger_events ON CONFLICT (position) DO UPDATE SET actor = 'another'",
    "MERGE INTO ledger_events AS e USING ledger_head ON true WHEN MATCHED THEN DELETE",
]


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", ["ledger_app", "owner"])
def test_the_ledger_is_append_only_for_the_application_and_for_its_owner(clinic: Clinic, statement: str, role: str):
    clinic.send(**ANN)
    before = asked(clinic.url, "SELECT * FROM ledger_events ORDER BY position")
    connected = psycopg.connect(clinic.url) if role == "owner" else as_application(clinic.url, clinic.id)
    with connected as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement.encode())
    assert asked(clinic.url, "SELECT * FROM ledger_events ORDER BY position") == before
    check_positions(clinic.url)


def test_one_key_is_found_by_its_id_and_no_more_of_the_keys_is_told(two: tuple[Clinic, Clinic]):
    one, other = two
    with one.ledger.recorder.reading() as cursor:
        found = directory.find_key(cursor, f"k{other.id[-11:]}")
        assert found is not None
        assert str(found.organization_id) == other.id
        assert directory.find_key(cursor, "%") is None
        assert cursor.execute("SELECT count(*) FROM api_keys").fetchall() == [(0,)]


def test_an_owner_who_is_no_superuser_can_migrate_and_serve(database_url: str):
    """As on a hosted PostgreSQL: a role that may create roles and owns its database."""
    name = f"owner_{new_id().hex[-8:]}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            # On a server of its own it creates the roles, and becomes what PostgreSQL 16 makes of who creates one.
            created = "WITH ADMIN TRUE, SET FALSE, INHERIT FALSE" if admin.info.server_version >= 160_000 else ""
            for (role,) in asked(database_url, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'ledger\\_%%'"):
                admin.execute(f"GRANT {role} TO {name} {created}".encode())
            url = psycopg.conninfo.make_conninfo(database_url, dbname=name, user=name)
            migrate(url)
            migrate(url)
            with open_ledger(url) as ledger:
                hosted = Clinic(url, ledger).found()
                assert hosted.send(**ANN).created
                assert not hosted.send(**ANN).created
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            admin.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())
