"""What is told, and what is stored, when the database is away, too slow, or lost in the middle of an append?"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from domain.errors import LedgerUnavailable, OutcomeUnknown
from projections.event_store import Recorder
from projections.unit_of_work import UnitOfWork
from tests.clinic import WAITING, Clinic, asked, check_positions, open_ledger, wait_until
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.projections.wire import Cut, wire
from tests.scripts.waiting import until

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}
BOB = {"first_name": "Robert", "last_name": "Stone", "date_of_birth": "1971-12-24"}


def numbered(value: str, **more: object) -> dict[str, object]:
    return {"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": value}, **more}


Sent = TypeVar("Sent")


@contextmanager
def _meanwhile(work: Callable[[], Sent]) -> Iterator["Future[Sent]"]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def test_a_lock_that_is_not_had_in_time_is_told_and_nothing_is_stored(clinic: Clinic):
    with open_ledger(clinic.url, POSTGRES_LOCK_TIMEOUT="1") as hasty, psycopg.connect(clinic.url) as other:
        impatient = Clinic(clinic.url, hasty, clinic.id)
        other.execute("UPDATE ledger_head SET position = position")
        with pytest.raises(LedgerUnavailable) as refused:
            impatient.send(**ANN)
        assert refused.value.details == {"cause": "LockNotAvailable"}
        other.rollback()
        assert impatient.send(**ANN).created
    check_positions(clinic.url)


def test_a_connection_lost_before_commit_stored_nothing(clinic: Clinic):
    with psycopg.connect(clinic.url) as other:
        other.execute("UPDATE ledger_head SET position = position")
        with _meanwhile(lambda: clinic.send(**ANN)) as sent:
            wait_until(clinic.url, WAITING)
            asked(clinic.url, f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")
            with pytest.raises(LedgerUnavailable) as lost:
                sent.result(30)
    assert not isinstance(lost.value, OutcomeUnknown)
    assert clinic.send(**ANN).created
    check_positions(clinic.url)


@pytest.mark.parametrize(("cut", "stored"), [(Cut.BEFORE, False), (Cut.AFTER, True)])
def test_a_connection_lost_at_commit_leaves_the_outcome_unknown(clinic: Clinic, cut: Cut, stored: bool):
    """Either way the client cannot know; either way the same record again is applied once."""
    with (
        tempfile.TemporaryDirectory(prefix="wire-") as folder,
        wire(Path(folder), clinic.url) as cable,
        open_ledger(cable.url) as remote,
    ):
        far = Clinic(clinic.url, remote, clinic.id)
        remote.organization(clinic.id)
        before = check_positions(clinic.url)
        cable.cut = cut
        with pytest.raises(OutcomeUnknown):
            far.send(**ANN)
        assert cable.cut is Cut.NEVER
        assert check_positions(clinic.url) == before + stored
        again = far.send(**ANN)
    assert again.created is not stored
    assert check_positions(clinic.url) == before + 1


def test_a_worker_that_sleeps_with_the_head_row_in_its_hands_loses_it(clinic: Clinic):
    """Between two trips the server is idle in transaction, so that its timeout ends a client which never comes back."""
    before = check_positions(clinic.url)

    def sleep() -> None:
        with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
            assert isinstance(work, UnitOfWork)
            work.look_up([], known={}, limit=0)
            assert work._connection.execute("SHOW idle_in_transaction_session_timeout").fetchall() == [("10s",)]
            work._connection.execute("SET idle_in_transaction_session_timeout = 20")
            work._connection.execute("SELECT position FROM ledger_head FOR UPDATE")
            pid = work._connection.info.backend_pid
            wait_until(clinic.url, "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", pid)
            work.lock_patients(clinic.id, [])

    with pytest.raises(LedgerUnavailable):
        sleep()
    assert clinic.send(**ANN).created
    assert check_positions(clinic.url) == before + 1


def test_a_database_that_only_reads_is_away(clinic: Clinic):
    name = psycopg.conninfo.conninfo_to_dict(clinic.url)["dbname"]
    with psycopg.connect(clinic.url, autocommit=True) as owner, open_ledger(clinic.url) as later:
        owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with pytest.raises(LedgerUnavailable):
            Clinic(clinic.url, later, clinic.id).send(**ANN)


def test_a_pool_that_has_no_connection_left_says_so_in_time(clinic: Clinic):
    settings = {"POSTGRES_POOL_SIZE": "1", "POSTGRES_MAX_OVERFLOW": "0", "POSTGRES_CONNECT_TIMEOUT": "1"}
    with open_ledger(clinic.url, **settings) as narrow:
        small = Clinic(clinic.url, narrow, clinic.id)
        with narrow.recorder.reading(clinic.id), pytest.raises(LedgerUnavailable) as refused:
            small.send(**ANN)
        assert refused.value.details == {"cause": "PoolTimeout"}
        assert small.send(**ANN).created


def test_a_server_that_is_not_there_is_away():
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    with open_ledger(nowhere, POSTGRES_CONNECT_TIMEOUT="1") as lost, pytest.raises(LedgerUnavailable):
        lost.organization("00000000-0000-4000-8000-000000000000")


def test_a_database_that_was_away_for_more_requests_than_may_wait_is_found_again(clinic: Clinic):
    """Those who waited in vain go on counting as waiting until there is a connection."""
    settings = {
        "POSTGRES_POOL_SIZE": "1",
        "POSTGRES_MAX_OVERFLOW": "0",
        "POSTGRES_MAX_WAITING": "3",
        "POSTGRES_CONNECT_TIMEOUT": "1",
    }
    with open_ledger(clinic.url, **settings) as ledger:
        small, recorder = Clinic(clinic.url, ledger, clinic.id), ledger.recorder
        assert isinstance(recorder, Recorder)
        assert small.send(**ANN).created
        with _away(clinic.url):
            while _refusal(small) != "TooManyRequests":
                pass
            until(lambda: recorder.datastore.pool.get_stats()["pool_size"] == 0)  # it has given up
        until(lambda: _refusal(small) is None)
        assert small.send(**BOB).created


@contextmanager
def _away(url: str) -> Iterator[None]:
    """Let nobody into a database, and put out who is in."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, dbname="postgres", autocommit=True) as owner:
        owner.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        owner.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def _refusal(clinic: Clinic) -> object:
    try:
        with clinic.ledger.recorder.reading(clinic.id):
            return None
    except LedgerUnavailable as error:
        return error.details["cause"]
