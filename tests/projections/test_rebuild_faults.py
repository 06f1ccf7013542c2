"""Rebuilds under live writes, killed at any moment: no event lost or doubled, no read or write that fails."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.ledger import Ledger
from projections import patients, twin_tables
from projections.crew import WorkerLost
from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from tests.faults.installation import command_line
from tests.projections.histories import an_organization, live, opened
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]
ALL = list(PROJECTIONS)


@contextmanager
def rebuilder(url: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "scripts.ledger", "rebuild", "--all", *arguments]
    environment = {**os.environ, "LEDGER_DATABASE_URL": url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Traffic:
    """Writers and readers that go on until the block ends; whatever fails ends up in `failures`."""

    def __init__(self, url: str, *, pause: float) -> None:
        self._url = url
        self._pause = pause
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        self.reads = 0
        self.written: set[tuple[str, str]] = set()
        """(patient, request) of every upsert that was acknowledged and changed something."""

    @contextmanager
    def going_on(self) -> Iterator["Traffic"]:
        threads = [
            threading.Thread(target=self._guarded, args=(each,)) for each in (self._write, self._write, self._read)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(30)

    def _guarded(self, work: Callable[[Ledger], None]) -> None:
        try:
            with opened(self._url) as ledger:
                work(ledger)
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.failures.append(error)

    def _write(self, ledger: Ledger) -> None:
        caller = an_organization(ledger)
        for seed in range(10**9):
            receipts = live(ledger, caller, 3, seed=seed, people=60)
            self.written |= {(each.patient.id, each.request_id) for each in receipts if each.events}
            if self._stop.wait(self._pause):
                return

    def _read(self, ledger: Ledger) -> None:
        while not self._stop.wait(self._pause):
            for patient_id, _ in list(self.written)[-5:]:
                with ledger.recorder.reading(self._organization(patient_id)) as cursor:
                    found = patients.get(cursor, self._organization(patient_id), patient_id)
                assert found is not None
                self.reads += 1

    def _organization(self, patient_id: str) -> str:
        with psycopg.connect(self._url) as owner:
            row = owner.execute(
                "SELECT organization_id::text FROM ledger_events WHERE originator_id = %s LIMIT 1", (patient_id,)
            ).fetchone()
        assert row is not None
        return str(row[0])


def assert_nothing_lost_or_doubled(url: str, traffic: Traffic) -> None:
    assert traffic.failures == []
    with psycopg.connect(url) as owner:
        numbers = owner.execute(
            "SELECT count(*), max(position), (SELECT position FROM ledger_head) FROM ledger_events"
        ).fetchone()
        told = owner.execute("SELECT DISTINCT originator_id::text, request_id FROM ledger_events").fetchall()
    assert numbers is not None
    assert numbers[0] == numbers[1] == numbers[2]
    assert traffic.written <= set(told)
    assert rebuild(url, ALL, check=True).equal


@pytest.mark.parametrize(
    ("rounds", "events"), [(4, 150), pytest.param(100, 3000, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]
)
def test_rebuilds_under_live_writes_killed_at_random_points(database_url, rounds, events):
    pick = random.Random(rounds)
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), events, seed=1)
    unfinished: list[tuple[int, str]] = []
    with Traffic(database_url, pause=0.01).going_on() as traffic:
        for number in range(rounds):
            until(lambda: not _sessions(database_url), seconds=30)  # the server notices a killed client in a moment
            with rebuilder(database_url, "--workers", str(1 + number % 2)) as process:
                if number % 2 == 0:
                    told = process.communicate(timeout=120)[0].decode()
                    if process.returncode:
                        unfinished.append((process.returncode, told))
                    continue
                until(lambda: _sessions(database_url) or process.poll() is not None, seconds=30)
                try:
                    process.wait(pick.uniform(0, 1.0))
                except subprocess.TimeoutExpired:
                    process.kill()
    assert unfinished == []
    assert traffic.reads > rounds
    assert len(traffic.written) > rounds
    assert_nothing_lost_or_doubled(database_url, traffic)


def _sessions(url: str) -> int:
    with psycopg.connect(url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ledger rebuild%'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_workers_of_a_killed_rebuild_do_not_outlive_it(database_url):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 300, seed=1)
    with rebuilder(database_url, "--workers", "2", "--throttle", "100") as process:
        until(lambda: _sessions(database_url) >= 5, seconds=30)
        process.kill()
        process.wait()
        until(lambda: _sessions(database_url) == 0, seconds=15)
    assert rebuild(database_url, ALL).equal
    with psycopg.connect(database_url) as owner:
        assert twin_tables.tables_of(owner.cursor(), "ledger_building") == []


def test_a_worker_that_starts_when_its_rebuild_was_killed_does_not_build_in_the_next_one(database_url):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 100, seed=1)
    killed = subprocess.Popen(["true"])
    killed.wait()
    orders = (
        {"for": killed.pid, "url": database_url, "names": ALL, "throttle": None},
        {"after": None, "up_to": None, "position": 50},
    )
    orphans: list[subprocess.CompletedProcess[str]] = []

    def progress(phase: str, _done: int, _total: int) -> None:
        if phase == "build" and not orphans:
            command = [sys.executable, "-m", "projections.crew"]
            told = "".join(json.dumps(each) + "\n" for each in orders)
            orphans.append(subprocess.run(command, cwd=ROOT, input=told, text=True, capture_output=True, check=False))

    assert rebuild(database_url, ALL, progress=progress).flipped
    assert (orphans[0].stdout, orphans[0].stderr) == ("", "the program that wanted this one has ended\n")


def test_one_rebuild_can_follow_another_at_once(database_url):
    with opened(database_url) as ledger:
        an_organization(ledger)
    for _ in range(10):
        assert rebuild(database_url, ["directory"]).flipped


def test_ctrl_c_leaves_everything_as_it_was_and_nothing_behind(database_url):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 200, seed=1)
    with rebuilder(database_url, "--workers", "2", "--throttle", "10") as process:
        until(lambda: _sessions(database_url) >= 5, seconds=30)
        process.send_signal(2)
        assert process.wait(20) not in (0, 1)
    until(lambda: _sessions(database_url) == 0, seconds=15)
    with psycopg.connect(database_url) as owner:
        for schema in ("ledger_building", "ledger_previous"):
            assert twin_tables.tables_of(owner.cursor(), schema) == []


def test_upserts_wait_no_longer_than_a_moment_for_the_flip(database_url):
    """A reader keeps the flip from happening for a while; upserts go on between the attempts."""
    waits: list[float] = []
    with opened(database_url) as ledger:
        caller = an_organization(ledger)
        live(ledger, caller, 50, seed=1)
        reports: list[Any] = []
        thread = threading.Thread(target=lambda: reports.append(rebuild(database_url, ALL)))
        with psycopg.connect(database_url) as reader:
            reader.execute("SELECT count(*) FROM patients")
            thread.start()
            until(lambda: _waiting_for_locks(database_url), seconds=30)
            for seed in range(20):
                started = time.monotonic()
                live(ledger, caller, 1, seed=seed)
                waits.append(time.monotonic() - started)
        thread.join(60)
    assert max(waits) < 5  # the application gives up on a lock after that
    assert reports[0].flipped


def _waiting_for_locks(url: str) -> bool:
    with psycopg.connect(url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
        ).fetchone()
    return row is not None and row[0] > 0


def test_hash_seeds_do_not_matter(database_url):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 80, seed=1)
    found = set()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "LEDGER_DATABASE_URL": database_url, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "scripts.ledger", "rebuild", "--all", "--check"]
        answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=60)
        found.add(answer.stdout)
    assert len(found) == 1


def test_a_worker_that_is_lost_stops_the_rebuild_and_nothing_live_is_touched(database_url):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 100, seed=1)

    def kill_the_other(_phase: str, _done: int, _total: int) -> None:
        for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            if "projections.crew" in command_line(int(pid)):
                os.kill(int(pid), signal.SIGKILL)

    with pytest.raises(WorkerLost):
        rebuild(database_url, ALL, workers=2, part=1, progress=kill_the_other)
    report = rebuild(database_url, ALL, workers=2)
    assert (report.equal, report.flipped) == (True, True)
