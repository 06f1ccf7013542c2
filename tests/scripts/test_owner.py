"""What the first command says to an owner of a database who may too little, on a server of somebody else's."""

from pathlib import Path

import psycopg
import pytest

from projections.migrations import migrate
from scripts import ledger
from scripts.embedded import EmbeddedPostgres
from scripts.embedded.configuration import FOR_TESTS


def test_an_owner_who_may_not_make_or_take_the_roles_is_told_what_to_grant(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with EmbeddedPostgres(folder, "the test", alone=True, settings=FOR_TESTS) as server:
        others, url = server.database("others"), server.database("ours").replace("postgres@", "clinic@")
        with psycopg.connect(server.url(), autocommit=True) as superuser:
            superuser.execute("CREATE ROLE clinic LOGIN")
            superuser.execute("ALTER DATABASE ours OWNER TO clinic")
            monkeypatch.setenv("LEDGER_DATABASE_URL", url)
            monkeypatch.setattr("sys.argv", ["ledger", "org", "create", "--name", "Hudson"])
            assert create(capsys) == (2, "ALTER ROLE clinic CREATEROLE")
            migrate(others)
            grant = "GRANT ledger_app, ledger_eraser, ledger_follower TO clinic"
            assert create(capsys) == (2, grant)
            superuser.execute(grant.encode())
            assert create(capsys)[0] == 0


def create(capsys: pytest.CaptureFixture[str]) -> tuple[int | str | None, str]:
    """Return the exit code of `org create`, and what it asks a superuser to run."""
    with pytest.raises(SystemExit) as ended:
        ledger.main()
    return ended.value.code, capsys.readouterr().err.partition("as_superuser: ")[2].rstrip(")\n")
