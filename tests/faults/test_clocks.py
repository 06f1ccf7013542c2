"""The application's clock may step, and those of two workers may disagree: order and instants are the database's."""

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from api.bootstrap import new_id
from domain.errors import LedgerUnavailable
from domain.ledger import Ledger
from domain.receipt import Receipt
from tests.clinic import Clinic, asked
from tests.faults.truth import check_ledger

STEPS = {
    "two hours back": timedelta(hours=-2),
    "a year ahead": timedelta(days=365),
    "an hour ahead, as with a wrong time zone": timedelta(hours=1),
    "a second back, as by NTP": timedelta(seconds=-1),
    "back to the epoch, as with an empty battery": datetime(1970, 1, 1, tzinfo=UTC) - datetime.now(UTC),
}


class Clock:
    """The clock of a machine, which somebody sets."""

    def __init__(self) -> None:
        self.off = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


def _open(url: str, clock: Clock) -> Ledger:
    settings = {"PERSISTENCE_MODULE": "projections.event_store:Factory", "DATABASE_URL": url}
    return Ledger(settings, new_id=new_id, random_bytes=os.urandom, clock=clock)


@pytest.fixture
def workers(database_url: str) -> Iterator[list[tuple[Clock, Clinic]]]:
    """Yield two workers on one database, each with a clock of its own."""
    clocks = [Clock(), Clock()]
    with ExitStack() as stack:
        ledgers = [stack.enter_context(_open(database_url, clock)) for clock in clocks]
        first = Clinic(database_url, ledgers[0]).found()
        yield [(clocks[0], first), (clocks[1], Clinic(database_url, ledgers[1], first.id))]


@pytest.mark.parametrize("step", STEPS)
def test_a_stepping_clock_changes_neither_order_nor_instants(workers: list[tuple[Clock, Clinic]], step: str):
    url = workers[0][1].url
    chance = random.Random(step)
    patient = {"first_name": "Ann", "last_name": "Lee", "phone_number": "212-555-0142"}
    ((began,),) = asked(url, "SELECT now()")
    receipts = []
    for number in range(24):
        clock, clinic = workers[number % 2]
        if chance.random() < 0.3:
            clock.off = timedelta() if clock.off else STEPS[step]
        receipts.append(clinic.send(**patient, comments=f"note {number}"))
    ((ended,),) = asked(url, "SELECT now()")
    positions = [receipt.position or 0 for receipt in receipts]
    assert positions == sorted(positions)
    assert len({receipt.patient.id for receipt in receipts}) == 1
    times = [datetime.fromisoformat(receipt.patient.updated_at) for receipt in receipts]
    assert times == sorted(times)
    assert began <= times[0]
    assert times[-1] <= ended
    check_ledger(url)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_while_records_wait_refuses_them_for_a_moment_at_most(workers: list[tuple[Clock, Clinic]], step: str):
    clock, clinic = workers[0]

    def send(number: int) -> Receipt:
        if number == 20:
            clock.off = STEPS[step]
        for _ in range(500):
            try:
                return clinic.ledger.upsert(*clinic.upserts({"phone_number": f"212-555-{number + 100:04}"}))
            except LedgerUnavailable:
                threading.Event().wait(0.02)
        raise AssertionError("refused for ten seconds")

    with ThreadPoolExecutor(8) as threads:
        receipts = [*threads.map(send, range(60))]
    assert all(receipt.created for receipt in receipts)
    assert len({receipt.position for receipt in receipts}) == 60
    check_ledger(clinic.url)


def test_two_digit_years_follow_the_clock_of_the_application_and_stay_as_they_were_read(
    workers: list[tuple[Clock, Clinic]],
):
    """What a clock is used for is decided once, and stored: a replay needs none."""
    clock, clinic = workers[0]
    ann = {"first_name": "Ann", "last_name": "Lee", "phone_number": "212-555-0142"}
    clock.off = datetime(2020, 6, 1, tzinfo=UTC) - datetime.now(UTC)
    early = clinic.send(**ann, date_of_birth="3/1/25")
    clock.off = datetime(2040, 6, 1, tzinfo=UTC) - datetime.now(UTC)
    assert early.patient.facts["date_of_birth"] == "1925-03-01"
    assert clinic.ledger.patient_as_of(clinic.id, early.patient.id).facts["date_of_birth"] == "1925-03-01"
    check_ledger(clinic.url)
