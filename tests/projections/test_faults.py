"""Is what was acknowledged there exactly once, and nothing of what was not, whoever is killed and whatever fails?"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import psycopg
import pytest

from domain.errors import LedgerUnavailable
from domain.ledger import ATTEMPTS
from projections.migrations import migrate
from scripts.embedded import EmbeddedPostgres
from tests.clinic import WAITING, Clinic, asked, check_positions, check_read_models, open_ledger, wait_until
from tests.projections.writer import body

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}
BOB = {"first_name": "Robert", "last_name": "Stone", "date_of_birth": "1971-12-24"}


# ---- what the server can say in the middle of an append


def troubled(clinic: Clinic, code: str, times: int) -> None:
    """Have the next appends fail with this SQLSTATE, so many times."""
    with psycopg.connect(clinic.url) as owner:
        owner.execute("CREATE SEQUENCE troubles")
        owner.execute("GRANT USAGE ON SEQUENCE troubles TO ledger_app")
        owner.execute(
            f"""
            CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('troubles') <= {times} THEN
                    RAISE EXCEPTION 'trouble' USING ERRCODE = '{code}';
                END IF;
                RETURN NEW;
            END $$
            """.encode()
        )
        owner.execute(
            "CREATE TRIGGER troubled BEFORE INSERT ON match_keys FOR EACH STATEMENT EXECUTE FUNCTION trouble()"
        )


def tries(clinic: Clinic) -> int:
    ((tried,),) = asked(clinic.url, "SELECT last_value FROM troubles")
    return int(tried)


AWAY = {
    "53100": "DiskFull",
    "53200": "OutOfMemory",
    "53300": "TooManyConnections",
    "55P03": "LockNotAvailable",
    "57014": "QueryCanceled",
    "57P03": "CannotConnectNow",
    "58030": "IoError",
}


@pytest.mark.parametrize("code", AWAY)
def test_a_server_that_cannot_go_on_is_away_nothing_is_stored_and_afterwards_all_is_well(clinic: Clinic, code: str):
    before = check_positions(clinic.url)
    troubled(clinic, code, times=1)
    with pytest.raises(LedgerUnavailable) as refused:
        clinic.send_list(ANN, BOB)
    assert refused.value.details == {"cause": AWAY[code]}
    assert check_positions(clinic.url) == before
    assert clinic.send(**ANN).created
    assert tries(clinic) == 2, "it is not tried again by itself"
    check_read_models(clinic)


@pytest.mark.parametrize("code", ["23505", "40P01", "40001"])
def test_who_was_overtaken_tries_again_and_not_for_ever(clinic: Clinic, code: str):
    before = check_positions(clinic.url)
    troubled(clinic, code, times=ATTEMPTS - 1)
    assert clinic.send(**ANN).created
    assert tries(clinic) == ATTEMPTS
    assert check_positions(clinic.url) == before + 1


def test_one_who_is_always_overtaken_is_refused_in_the_end(clinic: Clinic):
    before = check_positions(clinic.url)
    troubled(clinic, "40001", times=1_000)
    with pytest.raises(LedgerUnavailable) as refused:
        clinic.send(**ANN)
    assert refused.value.details == {"cause": "contention"}
    assert tries(clinic) == ATTEMPTS
    assert [type(each) for each in clinic.send_list(ANN, BOB)] == [LedgerUnavailable] * 2
    assert check_positions(clinic.url) == before


@pytest.mark.parametrize("code", ["42P01", "22P02", "P0001", "XX001"])
def test_a_wrong_program_or_damaged_data_is_not_taken_for_an_outage(clinic: Clinic, code: str):
    before = check_positions(clinic.url)
    troubled(clinic, code, times=1)
    with pytest.raises(psycopg.Error) as raised:
        clinic.send(**ANN)
    assert raised.value.sqlstate == code
    assert check_positions(clinic.url) == before
    assert clinic.send(**ANN).created


# ---- processes that are killed


@contextmanager
def writer(clinic: Clinic, series: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.projections.writer", clinic.url, clinic.id, series]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError("the writer ended")


IDLE = """
    SELECT WHERE NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'patient-ledger' AND xact_start IS NOT NULL)
"""
"""No transaction of the ledger is open any more."""


def killed_while_it_waits(clinic: Clinic, held: str) -> int:
    """Kill an application that waits for what another transaction holds; return how much it acknowledged."""
    with writer(clinic, "K") as process:
        read_until(process, "done 0")
        with psycopg.connect(clinic.url) as other:
            other.execute(held.encode())
            wait_until(clinic.url, WAITING)
            process.kill()
            process.wait(30)
        wait_until(clinic.url, IDLE)
        assert process.stdout is not None
        return 1 + sum(line.startswith("done") for line in process.stdout)


def test_an_application_killed_before_it_stored_leaves_nothing_and_no_position_is_lost(clinic: Clinic):
    acknowledged = killed_while_it_waits(clinic, "LOCK TABLE match_keys IN ACCESS EXCLUSIVE MODE")
    head = check_positions(clinic.url)
    assert asked(clinic.url, "SELECT count(*) FROM patients") == [(acknowledged,)]
    again = clinic.send(**body("K", acknowledged))
    assert again.created
    assert again.position == head + len(again.events)
    assert clinic.send(**body("K", acknowledged)).events == ()


def test_an_application_killed_while_it_stores_has_stored_all_of_it(clinic: Clinic):
    """Everything with its COMMIT was on the server already, where nobody waits for who sent it."""
    acknowledged = killed_while_it_waits(clinic, "UPDATE ledger_head SET position = position")
    check_positions(clinic.url)
    check_read_models(clinic)
    assert asked(clinic.url, "SELECT count(*) FROM patients") == [(acknowledged + 1,)]
    again = clinic.send(**body("K", acknowledged))
    assert not again.created
    assert again.events == ()


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(400)])])
def test_applications_killed_in_the_middle_of_it_keep_what_they_acknowledged(clinic: Clinic, kills: int):
    for series in range(kills):
        with writer(clinic, str(series)) as process:
            read_until(process, f"done {series * 3 + 2}")
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            said = [line.split() for line in process.stdout]
        wait_until(clinic.url, IDLE)
        acknowledged = max([series * 3 + 2, *(int(number) for word, number in said if word == "done")])
        for number in range(acknowledged + 1):
            assert not clinic.send(**body(str(series), number)).created
        clinic.send(**body(str(series), acknowledged + 1))  # stored or not: the client cannot know, and sends it again
        assert clinic.send(**body(str(series), acknowledged + 1)).events == ()
        held = "SELECT count(*), count(DISTINCT key) FROM match_keys WHERE kind = 'external_id' AND key LIKE %s"
        assert asked(clinic.url, held, f"%:{series}-%") == [(acknowledged + 2, acknowledged + 2)]
    check_positions(clinic.url)
    check_read_models(clinic)


def test_a_killed_postgresql_has_all_that_it_acknowledged_and_workers_come_back_by_themselves():
    """With fsync on, as it is served: the postmaster is killed under load and started again."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-crash-"))
    try:
        with EmbeddedPostgres(folder, "tests", alone=True) as server:
            url = server.database("crash")
            migrate(url)
            ledger = open_ledger(url, POSTGRES_CONNECT_TIMEOUT="2")
            clinic = Clinic(url, ledger).found()
            acknowledged, killed = _load_until_killed(clinic, _postmaster(folder))
            assert killed
        with EmbeddedPostgres(folder, "tests", alone=True) as server, ledger:
            assert server.database("crash") == url
            _until_it_answers(clinic)
            for number in acknowledged:
                assert not clinic.send(**body("C", number)).created
            check_positions(url)
            check_read_models(clinic)
    finally:
        shutil.rmtree(folder)


def _postmaster(folder: Path) -> int:
    (found,) = folder.rglob("postmaster.pid")
    return int(found.read_text().split()[0])


def _load_until_killed(clinic: Clinic, postmaster: int) -> tuple[list[int], bool]:
    ended = Event()

    def write(thread: int) -> list[int]:
        done: list[int] = []
        for number in range(thread, 100_000, 4):
            try:
                clinic.send(**body("C", number))
            except LedgerUnavailable:
                break
            done.append(number)
            if len(done) == 12:
                os.kill(postmaster, signal.SIGKILL)
                ended.set()
        return done

    with ThreadPoolExecutor(4) as pool:
        done = [number for each in pool.map(write, range(4)) for number in each]
    return done, ended.is_set()


def _until_it_answers(clinic: Clinic) -> None:
    end = monotonic() + 30
    while True:
        try:
            clinic.send(**ANN)
        except LedgerUnavailable:
            assert monotonic() < end
        else:
            return
