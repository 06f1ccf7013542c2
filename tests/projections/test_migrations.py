"""Is every migration applied once, whole, by one at a time, and never after it was changed?"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from projections import migrations
from projections.migrations import MigrationChanged, MigrationFailed, NewerDatabase, known, migrate, pending
from tests.clinic import asked


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """Yield the URL of a database with nothing in it."""
    name = f"ledger_empty_{uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that migrations are read from."""
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    (tmp_path / "0001_role.sql").write_text("SELECT 1")
    return tmp_path


def test_numbers_are_unique_and_files_are_named_after_them():
    files = sorted(each.name for each in migrations.FOLDER.iterdir())
    numbers = [each.number for each in known()]
    assert len(known()) == len(files), "a file that is not named 0000_name.sql would be passed over"
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)


def test_an_empty_database_gets_them_all_and_a_second_run_none(empty_url: str):
    assert [each.number for each in pending(empty_url)] == [each.number for each in known()]
    assert [each.number for each in migrate(empty_url)] == [each.number for each in known()]
    assert pending(empty_url) == []
    assert migrate(empty_url) == []
    rows = asked(empty_url, "SELECT number, name, checksum FROM migrations ORDER BY number")
    assert rows == [(each.number, each.name, each.checksum) for each in known()]


def test_workers_that_start_together_migrate_once(empty_url: str):
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_url] * 4))
    assert sorted(map(len, applied)) == [0, 0, 0, len(known())]


def test_databases_of_one_server_are_migrated_at_the_same_time(server_url: str, empty_url: str):
    """Roles belong to the server, so that two databases meet there."""
    name = f"ledger_empty_{uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            with ThreadPoolExecutor(2) as pool:
                applied = list(pool.map(migrate, [empty_url, make_conninfo(server_url, dbname=name)]))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    assert [len(each) for each in applied] == [len(known())] * 2


def _in_order(folder: Path, *statements: str) -> None:
    for number, statement in enumerate(statements, start=2):
        (folder / f"{number:04}_step.sql").write_text(statement)


def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
    empty_url: str, folder: Path, database_url: str
):
    assert database_url, "the roles are there"
    _in_order(folder, "CREATE TABLE one (id int)", "CREATE TABLE two (id int); SELECT 1 / 0")
    with pytest.raises(MigrationFailed) as failed:
        migrate(empty_url)
    assert failed.value.details == {"migration": "0003_step", "reason": "DivisionByZero"}
    assert asked(empty_url, "SELECT to_regclass('one') IS NULL, to_regclass('two') IS NULL") == [(False, True)]
    assert [each.number for each in pending(empty_url)] == [3]
    (folder / "0003_step.sql").write_text("CREATE TABLE two (id int)")
    assert [each.number for each in migrate(empty_url)] == [3]


def test_a_migration_that_fails_quotes_no_row(empty_url: str, folder: Path, database_url: str):
    assert database_url, "the roles are there"
    _in_order(folder, "CREATE TABLE one (name text); INSERT INTO one VALUES ('Rosa'), ('Rosa')", "")
    for statement, reason in (
        ("ALTER TABLE one ADD UNIQUE (name)", 'could not create unique index "one_name_key"'),
        ("ALTER TABLE one ALTER name TYPE int USING name::int", "InvalidTextRepresentation"),
        ("SELECT * FROM two", 'relation "two" does not exist'),
    ):
        (folder / "0003_step.sql").write_text(statement)
        with pytest.raises(MigrationFailed) as failed:
            migrate(empty_url)
        assert failed.value.details == {"migration": "0003_step", "reason": reason}


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(empty_url: str, folder: Path, database_url: str):
    assert database_url, "the roles are there"
    _in_order(folder, "CREATE TABLE one (id int)")
    migrate(empty_url)
    (folder / "0002_step.sql").write_text("CREATE TABLE one (id bigint)")
    for run in (migrate, pending):
        with pytest.raises(MigrationChanged) as refused:
            run(empty_url)
        assert refused.value.details == {"migration": "0002_step"}


def test_a_database_of_a_newer_program_is_refused(empty_url: str, folder: Path, database_url: str):
    assert database_url, "the roles are there"
    _in_order(folder, "CREATE TABLE one (id int)")
    migrate(empty_url)
    (folder / "0002_step.sql").unlink()
    for run in (migrate, pending):
        with pytest.raises(NewerDatabase):
            run(empty_url)


def test_a_migration_shows_its_name_and_not_its_text():
    assert "CREATE TABLE" not in repr(known()[0])


@pytest.mark.parametrize("table", ["ledger_events", "ledger_head", "patients", "match_keys", "organizations"])
def test_the_tables_of_the_spine_have_their_keys(database_url: str, table: str):
    assert asked(database_url, "SELECT FROM pg_index WHERE indrelid = %s::regclass AND indisprimary", table) == [()]


def test_the_organization_leads_the_keys_of_its_rows(database_url: str):
    """What lets organizations be spread over databases, and keeps their pages apart until then."""
    leading = """
        SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indisprimary AND c.relname IN ('ledger_events', 'patients', 'match_keys', 'api_keys', 'api_key_uses')
    """
    assert [column for _, column in asked(database_url, leading)] == ["organization_id"] * 5
