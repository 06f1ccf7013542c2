"""While the database is away or its wire is cut, requests are refused soon; then all goes on without a human."""

import random
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.clinic import Clinic
from tests.faults.installation import Installation
from tests.faults.senders import sending
from tests.faults.truth import check_acknowledged, check_ledger
from tests.projections.wire import Cut, wire
from tests.scripts.waiting import until

SOON = 15
"""Seconds: an answer that takes longer, on a busy machine, was waited for in vain."""


@pytest.mark.parametrize(
    "seconds",
    [
        1,
        pytest.param(30, marks=pytest.mark.long),
        pytest.param(120, marks=[pytest.mark.long, pytest.mark.timeout(400)]),
    ],
)
def test_a_database_that_comes_back_is_found(installation: Installation, clinic: Clinic, seed: int, seconds: float):
    with sending(installation.base_url, clinic, seed=seed) as senders:
        senders.await_more(20)
        installation.stop_postgres()
        began = time.monotonic()
        threading.Event().wait(seconds)
        assert installation.answers(), "the service itself is alive"
        installation.start_postgres()
        there = time.monotonic()
        senders.await_more(1)
        back = time.monotonic()
        senders.await_more(30)
    senders.sent.tell(f"away for {there - began:.1f} s, first answer {back - there:.1f} s after its return")
    assert senders.sent.tries["503"]
    assert back - there < SOON
    check_acknowledged(installation.url, senders.sent)
    check_ledger(installation.url)


@pytest.mark.parametrize("cuts", [8, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_wire_cut_at_commit_doubles_and_loses_nothing(
    installation: Installation, clinic: Clinic, seed: int, cuts: int
):
    """Cut before the server saw COMMIT or after it was done: the retry is what tells them apart."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, wire(Path(folder), installation.url) as laid:
        installation.stop_service()
        installation.service_database = laid.url
        try:
            installation.start_service()
            with sending(installation.base_url, clinic, seed=seed) as senders:
                for number in range(cuts):
                    senders.await_more(chance.randint(1, 20))
                    laid.cut = (Cut.BEFORE, Cut.AFTER)[number % 2]
                    until(lambda: laid.cut is Cut.NEVER, 60)
                senders.await_more(20)
        finally:
            installation.service_database = None
            installation.stop_service()
    senders.sent.tell(f"{cuts} cuts")
    assert senders.sent.tries["503"] >= cuts, "a sender waits behind each append that was cut"
    check_acknowledged(installation.url, senders.sent)
    check_ledger(installation.url)


def test_a_lock_on_the_head_row_is_waited_for_and_then_refused(installation: Installation, clinic: Clinic, seed: int):
    with sending(installation.base_url, clinic, seed=seed, connections=12) as senders:
        senders.await_more(20)
        with psycopg.connect(installation.url) as owner:
            owner.execute("SELECT FROM ledger_head FOR UPDATE")
            until(lambda: senders.sent.tries["503"] >= 2, 30)
            assert installation.answers()
        senders.await_more(30)
    senders.sent.tell("head row held")
    check_acknowledged(installation.url, senders.sent)
    check_ledger(installation.url)


def test_readers_that_find_no_connection_are_refused_soon_and_hold_up_nobody_else(
    installation: Installation, clinic: Clinic, seed: int
):
    """Sixty readers behind a lock take every connection of both workers, and some wait for one."""
    with sending(installation.base_url, clinic, seed=seed) as senders:
        senders.await_more(10)
    (first, *_) = senders.sent.answers.values()
    url = f"{installation.base_url}/v1/patients/{first['patient']['id']}"
    answers: list[tuple[int, float]] = []

    def read() -> None:
        began = time.monotonic()
        answer = httpx.get(url, headers={"X-API-Key": clinic.api_key}, timeout=60)
        answers.append((answer.status_code, time.monotonic() - began))

    readers = [threading.Thread(target=read) for _ in range(60)]
    with psycopg.connect(installation.url) as owner:
        owner.execute("LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")
        for reader in readers:
            reader.start()
        until(lambda: answers, 30)
        assert installation.answers(), "what needs no database is answered"
        for reader in readers:
            reader.join(60)
    assert {status for status, _ in answers} == {503}
    longest = max(seconds for _, seconds in answers)
    print(f"60 readers refused after at most {longest:.1f} s")
    assert len(answers) == 60
    assert longest < 2 * SOON
    assert httpx.get(url, headers={"X-API-Key": clinic.api_key}, timeout=60).status_code == 200
