"""May the flip take its locks in the order of `PROJECTIONS`? Whoever waits for it must not hold what it wants next."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from domain.commands import ChangeSetting
from projections.inline import PROJECTIONS
from tests.clinic import WAITING, Clinic, asked, open_ledger
from tests.scripts.waiting import until

TABLES = [table.name for projection in PROJECTIONS.values() for table in projection.tables]
"""In the order in which the flip locks them."""

HELD = """
    SELECT DISTINCT relation::regclass::text FROM pg_locks
    WHERE locktype = 'relation' AND granted AND relation = ANY (%s::regclass[])
      AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'patient-ledger')
"""
ANN = {"first_name": "Ann", "last_name": "Garcia", "date_of_birth": "03/01/1980"}


def _upsert(clinic: Clinic, _patient_id: str) -> None:
    clinic.send(**ANN, comments=str(clinic.ledger.recorder.max_notification_id()))


def _change(clinic: Clinic, patient_id: str) -> None:
    clinic.communicate(patient_id)


def _administer(clinic: Clinic, _patient_id: str) -> None:
    clinic.ledger.administer(ChangeSetting("close_variants", "off"), clinic.caller)


WRITES = {"upsert": _upsert, "change": _change, "administer": _administer}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("before", [0, 4], ids=["first on its connection", "prepared"])
@pytest.mark.parametrize("locked", range(1, len(TABLES) + 1))
def test_a_write_that_waits_for_a_table_of_the_flip_holds_none_that_the_flip_has_yet_to_lock(
    clinic: Clinic, write: Callable[[Clinic, str], None], before: int, locked: int
):
    patient = clinic.send(**ANN).patient
    with open_ledger(clinic.url) as ledger, psycopg.connect(clinic.url) as flip, ThreadPoolExecutor(1) as pool:
        again = Clinic(clinic.url, ledger, clinic.id)
        for _ in range(before):
            _upsert(again, patient.id)
        flip.execute(f"LOCK TABLE {', '.join(TABLES[:locked])} IN ACCESS EXCLUSIVE MODE".encode())
        written = pool.submit(write, again, patient.id)
        until(lambda: written.done() or asked(clinic.url, WAITING))
        held = asked(clinic.url, HELD, TABLES[locked:])
        flip.rollback()
        written.result(30)
    assert not held
