"""A file lands once, in the order of each person, whatever stops it; and says what became of every row."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from domain.commands import AddReferenceItem
from domain.receipt import Caller
from projections.rebuild import rebuild
from scripts.bulk_import.importing import Import
from scripts.bulk_import.rows import BadRow, Row
from scripts.bulk_import.worker_process import ImportStopped, Job
from tests.projections.histories import an_organization, opened
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def organization(database_url: str) -> str:
    with opened(database_url) as ledger:
        caller = an_organization(ledger)
        ledger.administer(AddReferenceItem(kind="external-id-type", item_id=TYPE, name="MRN2", details={}), caller)
    return caller.organization_id


TYPE = "0190a0c4-5d5f-7d52-a3cf-000000000001"


def command(file: Path | str, organization: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "scripts.ledger", "import", str(file), "--organization", organization, *more]


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "LEDGER_DATABASE_URL": url}


def imported(url: str, file: Path | str, organization: str, *more: str, given: bytes | None = None) -> dict[str, Any]:
    done = subprocess.run(
        command(file, organization, *more, "--json"),
        cwd=ROOT,
        env=environment(url),
        input=given,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if told["rejected"] else 0)
    return told


def people(count: int, rounds: int) -> list[dict[str, Any]]:
    """Return each person several times, moving house each time, all mixed up."""
    return [
        {
            "external_id": {"type_id": TYPE, "value": f"MRN-{number}"},
            "first_name": _word(number),
            "last_name": _word(number + 1_000_000),
            "date_of_birth": str(date(1920, 1, 1) + timedelta(days=number * 17)),
            "phone_number": f"212{3000000 + number * 7}",
            "address": f"{turn} Oak Street",
        }
        for turn in range(rounds)
        for number in (range(count) if turn % 2 else reversed(range(count)))
    ]


def _word(number: int) -> str:
    return "".join(chr(97 + int(digit, 16)) for digit in sha256(str(number).encode()).hexdigest()[:12])


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def addresses(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as owner:
        return owner.execute("SELECT DISTINCT fold -> 'facts' ->> 'address' FROM patients").fetchall()


def one(url: str, query: str) -> Any:
    with psycopg.connect(url) as owner:
        row = owner.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_every_person_ends_up_as_the_last_row_says(database_url, organization, tmp_path):
    file = written(tmp_path / "people.ndjson", people(70, 6))
    told = imported(database_url, file, organization, "--workers", "3")
    assert (told["rows"], told["created"], told["matched"]) == (420, 70, {"external_id": 350})
    assert addresses(database_url) == [("5 Oak Street",)]
    assert one(database_url, "SELECT count(DISTINCT source) FROM ledger_events WHERE source = 'bulk_import'") == 1
    assert rebuild(database_url, ["patients", "match_index"], check=True).equal


def test_the_same_file_again_does_nothing(database_url, organization, tmp_path):
    file = written(tmp_path / "people.ndjson", people(20, 1))
    imported(database_url, file, organization)
    before = one(database_url, "SELECT position FROM ledger_head")
    for _ in range(2):
        assert imported(database_url, file, organization)["rows"] == 0
    again = imported(database_url, file, organization, "--again")
    assert (again["rows"], again["unchanged"]) == (20, 20)
    assert one(database_url, "SELECT position FROM ledger_head") == before


@contextmanager
def standing_still(url: str, *, after_position: int) -> Iterator[Callable[[], bool]]:
    """Let appends behind a position wait until the block ends; yield whether one does."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(4, 2); RETURN NEW; END'"
        )
        owner.execute(
            "CREATE TRIGGER stand_still BEFORE INSERT ON ledger_events FOR EACH ROW"
            f" WHEN (NEW.position > {after_position}) EXECUTE FUNCTION stand_still()".encode()
        )
        owner.execute("SELECT pg_advisory_lock(4, 2)")
        try:
            yield lambda: one(url, "SELECT count(*) FROM pg_locks WHERE (classid, objid) = (4, 2) AND NOT granted") > 0
        finally:
            owner.execute("SELECT pg_advisory_unlock(4, 2)")
            owner.execute("DROP FUNCTION stand_still CASCADE")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_was_stopped_goes_on_where_it_was(database_url, organization, tmp_path, how):
    count = 1000
    records = [*people(count, 1), {"first_name": "Too Little"}]
    file = written(tmp_path / "people.ndjson", [{"comments": "nobody"}, *records])
    with standing_still(database_url, after_position=count) as stands_still:  # a person has two events
        stopped = command(file, organization, "--workers", "1")
        with subprocess.Popen(stopped, cwd=ROOT, env=environment(database_url)) as process:
            until(stands_still, seconds=60)
            until(lambda: one(database_url, "SELECT coalesce(max(line), 0) FROM imports") > 0)
            process.send_signal(how)
    noted = one(database_url, "SELECT line FROM imports")
    assert 0 < noted < count + 2
    told = imported(database_url, file, organization)
    assert told["resumed_after_line"] == noted
    assert told["rows"] == count + 2 - noted
    assert one(database_url, "SELECT count(*) FROM patients") == count
    rejected = [json.loads(line) for line in (tmp_path / "people.ndjson.rejects.ndjson").read_text().splitlines()]
    assert [each["line"] for each in rejected] == [1, count + 2]
    assert one(database_url, "SELECT count(*) FROM ledger_events WHERE topic = 'PatientMatched'") == 0


@contextmanager
def an_import(
    url: str, server_url: str, organization: str, rejects: Path
) -> Iterator[tuple[Import, Callable[[], None]]]:
    """Yield an import whose worker has ended, and what takes its database away."""

    def away() -> None:
        name = urlsplit(url).path.removeprefix("/")
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    caller = Caller(organization, "operator:test", "import_test", source="bulk_import")
    job = Job("no database at all", caller, workers=1, digest=bytes(32))
    with opened(url) as ledger, Import(ledger, job, rejects, lambda _: None) as running:
        yield running, away


BAD = BadRow(1, "not-an-object", "[]")


@pytest.mark.parametrize("rows", [[BAD, Row(2, {"first_name": "Ann"}, b'{"first_name": "Ann"}', {})], [BAD]])
def test_a_database_that_is_away_at_the_last_note_too_leaves_it_said_how_to_go_on(
    database_url, server_url, organization, tmp_path, rows
):
    with an_import(database_url, server_url, organization, tmp_path / "rejects") as (running, away):

        def until_it_is_away() -> Iterator[Row | BadRow]:
            yield from rows
            away()

        with pytest.raises(ImportStopped):
            running.run(until_it_is_away(), 0)
        assert running._rejects.closed
    assert json.loads((tmp_path / "rejects").read_text())["line"] == 1


def test_who_interrupts_an_import_while_its_database_is_away_is_told_so(
    database_url, server_url, organization, tmp_path
):
    with an_import(database_url, server_url, organization, tmp_path / "rejects") as (running, away):

        def until_it_is_interrupted() -> Iterator[Row | BadRow]:
            yield BAD
            away()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            running.run(until_it_is_interrupted(), 0)
        assert running._rejects.closed


def test_rejected_rows_are_written_down_with_the_rule(database_url, organization, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(
        "first_name,last_name,date_of_birth,phone_number\n"
        "Ann,Lee,1980-03-01,2125550142\n"
        "Bob,,,\n"
        "Cy,Lee\n"
        "Di,Lee,31/31/1980,2125550143\n"
    )
    told = imported(database_url, file, organization)
    assert (told["created"], told["rejected"]) == (2, {"too-little-to-identify": 1, "wrong-number-of-cells": 1})
    assert told["dropped"] == {"date_of_birth": 1}
    rejects = Path(told["rejects"])
    assert rejects.stat().st_mode & 0o077 == 0
    rows = {each["line"]: each for each in map(json.loads, rejects.read_text().splitlines())}
    assert {line: each["problem"] for line, each in rows.items()} == {
        3: "too-little-to-identify",
        4: "wrong-number-of-cells",
    }
    assert rows[3]["row"]["first_name"] == "Bob"


def test_a_dry_run_counts_and_writes_nothing(database_url, organization, tmp_path):
    imported(database_url, written(tmp_path / "old.ndjson", people(10, 1)), organization)
    before = one(database_url, "SELECT position FROM ledger_head")
    changed = [{**each, "email": "nobody at home"} for each in people(15, 1)]
    told = imported(database_url, written(tmp_path / "new.ndjson", changed), organization, "--dry-run")
    assert (told["created"], told["matched"], told["dry_run"]) == (5, {"external_id": 10}, True)
    assert told["dropped"] == {"email": 15}
    assert one(database_url, "SELECT position FROM ledger_head") == before
    assert one(database_url, "SELECT count(*) FROM imports") == 1


def test_standard_input_is_a_file_too(database_url, organization, tmp_path):
    given = "\n".join(json.dumps(each) for each in people(5, 1)).encode()
    more = ("--format", "ndjson", "--rejects", str(tmp_path / "rejects"))
    assert imported(database_url, "-", organization, *more, given=given)["created"] == 5


def test_every_row_is_a_request_of_its_own(database_url, organization, tmp_path):
    imported(database_url, written(tmp_path / "people.ndjson", people(3, 1)), organization)
    with psycopg.connect(database_url) as owner:
        requests = owner.execute(
            "SELECT DISTINCT request_id FROM ledger_events WHERE source = 'bulk_import' ORDER BY 1"
        ).fetchall()
    assert [each[0].rpartition(".")[2] for each in requests] == ["1", "2", "3"]
    assert not (tmp_path / "people.ndjson.rejects.ndjson").exists()


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("no-such-file.csv", ()),
        ("-", ()),
        ("people.csv", ("--organization", "0190a0c4-5d5f-7d52-a3cf-0000000000ff")),
        ("people.csv", ("--encoding", "no-such")),
        ("people.csv", ("--encoding", "hex")),
        ("people.csv", ("--delimiter", "::")),
    ],
)
def test_what_cannot_be_imported_is_a_matter_of_usage(database_url, organization, tmp_path, file, more):
    (tmp_path / "people.csv").write_text("first_name\nAnn\n")
    path = file if file == "-" else str(tmp_path / file)
    done = refused(database_url, path, organization, *more)
    assert done.returncode == 2, done.stderr.decode()


def test_an_import_goes_on_behind_rejects_that_end_in_the_middle_of_a_line(database_url, organization, tmp_path):
    file = written(tmp_path / "people.ndjson", [{"comments": "nobody"}, *people(3, 1)])
    rejects = Path(imported(database_url, file, organization)["rejects"])
    whole = rejects.read_bytes()
    rejects.write_bytes(whole + b'{"line":2,"prob')
    assert imported(database_url, file, organization)["resumed_after_line"] == 4
    assert rejects.read_bytes() == whole


def test_rejects_that_cannot_be_written_are_what_is_told(database_url, organization, tmp_path):
    (tmp_path / "people.csv").write_text("first_name\nAnn\n")
    rejects = str(tmp_path / "no-such-folder" / "rejects")
    done = refused(database_url, str(tmp_path / "people.csv"), organization, "--rejects", rejects)
    assert done.returncode == 3
    assert rejects in done.stderr.decode()


def test_rejects_do_not_take_the_place_of_what_is_imported(database_url, organization, tmp_path):
    people_file = tmp_path / "people.csv"
    people_file.write_text("first_name\nAnn\n")
    done = refused(database_url, str(people_file), organization, "--rejects", str(people_file))
    assert (done.returncode, people_file.read_text()) == (2, "first_name\nAnn\n")


def refused(url: str, path: str, organization: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(path, organization, *more),
        cwd=ROOT,
        env=environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
