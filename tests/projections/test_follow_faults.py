"""What a follower survives: being killed anywhere, a rival, a network that was cut, a database that restarts."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import Cursor
from structlog.testing import capture_logs

from domain.entry import StoredEntry
from projections.follow import run, run_all
from projections.migrations import migrate
from projections.tracking import LEASE_SECONDS, FollowerRecorder
from scripts.embedded import EmbeddedPostgres
from scripts.embedded.configuration import FOR_TESTS
from tests.projections.follower_process import CRASHES
from tests.projections.histories import an_organization, live, opened
from tests.projections.tally import Tally, expected, make_tables, tallied
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger_url(database_url: str) -> str:
    make_tables(database_url)
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 30, seed=1)
    return database_url


@contextmanager
def follower_process(url: str, *crash: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.projections.follower_process", url, *map(str, crash)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def following(url: str) -> Iterator[None]:
    """Follow in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(Tally(), url, stop), kwargs={"poll": 0.05})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def caught_up(url: str) -> bool:
    return tallied(url) == expected(url)


def heartbeat(url: str) -> tuple[Any, ...] | None:
    with psycopg.connect(url) as owner:
        return owner.execute("SELECT instance, problem, beat_at FROM follower_heartbeats").fetchone()


def head(url: str) -> int:
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT position FROM ledger_head").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("where", CRASHES)
def test_a_follower_that_is_killed_in_the_middle_of_a_batch_does_nothing_twice(ledger_url, where):
    with follower_process(ledger_url, where, 40) as process:
        assert process.wait(30) == -signal.SIGKILL
    seen = tallied(ledger_url)[1]
    assert seen
    assert len(seen) < 40
    with following(ledger_url):
        until(lambda: caught_up(ledger_url), seconds=LEASE_SECONDS + 5)


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_follower_that_is_killed_again_and_again_at_any_moment_loses_and_doubles_nothing(ledger_url, rounds):
    random = Random(rounds)
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        for number in range(rounds):
            live(ledger, caller, 15, seed=number)
            with follower_process(ledger_url) as process:
                until(lambda: _sessions(ledger_url) == 1, seconds=20)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(random.uniform(0, 0.1))
    with following(ledger_url):
        until(lambda: caught_up(ledger_url), seconds=LEASE_SECONDS + 5)


def test_of_two_followers_one_is_active_and_the_other_takes_over_from_one_that_hangs(ledger_url):
    """Stopped, not ended: as after a cut network its session is still there, and says nothing."""
    with follower_process(ledger_url) as first:
        until(lambda: heartbeat(ledger_url) is not None, seconds=20)
        with follower_process(ledger_url) as second:
            until(lambda: _standing_by(ledger_url) == 1, seconds=20)
            until(lambda: caught_up(ledger_url), seconds=10)
            assert _instance(ledger_url) == first.pid
            os.kill(first.pid, signal.SIGSTOP)
            try:
                stopped = time.monotonic()
                with opened(ledger_url) as ledger:
                    live(ledger, an_organization(ledger), 5, seed=2)
                until(lambda: caught_up(ledger_url), seconds=20)
                assert time.monotonic() - stopped < LEASE_SECONDS + 10
                assert _instance(ledger_url) == second.pid
            finally:
                os.kill(first.pid, signal.SIGCONT)
            with opened(ledger_url) as ledger:
                live(ledger, an_organization(ledger), 5, seed=3)
            until(lambda: caught_up(ledger_url) and _standing_by(ledger_url) == 1, seconds=20)
            assert _instance(ledger_url) == second.pid


def _instance(url: str) -> int:
    row = heartbeat(url)
    assert row is not None
    return int(row[0].rpartition("/")[2])


def _standing_by(url: str) -> int:
    """Return how many sessions of the follower hold no lock."""
    with psycopg.connect(url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity a WHERE application_name = 'ledger follower tally' AND NOT EXISTS"
            " (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_session_of_a_follower_that_hangs_is_ended_within_the_lease(ledger_url):
    with follower_process(ledger_url) as process:
        until(lambda: heartbeat(ledger_url) is not None, seconds=20)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            until(lambda: _sessions(ledger_url) == 0, seconds=LEASE_SECONDS + 2)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        with opened(ledger_url) as ledger:
            live(ledger, an_organization(ledger), 5, seed=2)
        until(lambda: caught_up(ledger_url), seconds=10)


def _sessions(url: str) -> int:
    with psycopg.connect(url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ledger follower tally'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_an_entry_that_comes_while_nobody_looks_is_handled_within_a_second(ledger_url):
    """Nothing wakes the follower, and no further entry comes: it polls."""
    with following(ledger_url):
        until(lambda: caught_up(ledger_url), seconds=10)
        for seed in range(5):
            with opened(ledger_url) as ledger:
                live(ledger, an_organization(ledger), 1, seed=seed)
            until(lambda: caught_up(ledger_url), seconds=1)


def test_a_follower_whose_connection_is_cut_goes_on(ledger_url):
    with following(ledger_url):
        for seed in range(3):
            until(lambda: _sessions(ledger_url) == 1, seconds=10)
            with psycopg.connect(ledger_url) as superuser:
                superuser.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'ledger follower tally'"
                )
            with opened(ledger_url) as ledger:
                live(ledger, an_organization(ledger), 5, seed=seed)
            until(lambda: caught_up(ledger_url), seconds=10)


def test_a_follower_that_may_not_become_active_says_so_and_tries_until_it_may(ledger_url):
    with psycopg.connect(ledger_url, autocommit=True) as superuser, capture_logs() as logged:
        superuser.execute("REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM PUBLIC")
        with following(ledger_url):
            until(lambda: [line["error"] for line in logged] >= ["InsufficientPrivilege"] * 2, seconds=10)
            assert tallied(ledger_url)[1] == []
            superuser.execute("GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO PUBLIC")
            until(lambda: caught_up(ledger_url), seconds=10)


class Ended(BaseException):
    """What no follower survives."""


class Ending(Tally):
    """Ends its thread with the first entries."""

    name: ClassVar[str] = "ending"

    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """End."""
        raise Ended(cursor, entries)


def test_what_ends_one_follower_stops_the_others_and_is_raised(ledger_url):
    stop = threading.Event()
    try:
        with pytest.raises(Ended):
            run_all([Tally(), Ending()], ledger_url, stop)
    finally:
        stop.set()
    until(lambda: _sessions(ledger_url) == 0)


def test_a_follower_that_cannot_even_begin_is_no_success():
    with pytest.raises(psycopg.ProgrammingError):
        run_all([Tally()], "no address", threading.Event())


def test_the_library_waits_for_a_position_with_the_same_tracking(ledger_url):
    with following(ledger_url):
        recorder = FollowerRecorder(ledger_url)
        recorder.wait("tally", head(ledger_url), timeout=10)
        recorder.datastore.close()
    assert caught_up(ledger_url)


@pytest.mark.parametrize("away", [1, pytest.param(30, marks=pytest.mark.long)])
def test_followers_go_on_by_themselves_after_the_database_was_away(tmp_path, away):
    tmp_path.chmod(0o755)
    with EmbeddedPostgres(tmp_path / "data", "tests", alone=True, settings=FOR_TESTS) as server:
        url = server.database("ledger")
        migrate(url)
        make_tables(url)
        with opened(url) as ledger:
            live(ledger, an_organization(ledger), 20, seed=1)
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(Tally(), url, stop), kwargs={"poll": 0.05})
        thread.start()
        until(lambda: caught_up(url), seconds=10)
    try:
        assert not stop.wait(away)
        assert thread.is_alive()
        with EmbeddedPostgres(tmp_path / "data", "tests", alone=True, settings=FOR_TESTS) as server:
            with opened(server.database("ledger")) as ledger:
                live(ledger, an_organization(ledger), 20, seed=2)
            until(lambda: caught_up(url), seconds=10)
            stop.set()
            thread.join(20)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
