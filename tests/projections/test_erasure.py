"""Whoever is erased is in no table any more, whatever else is going on; and nothing is left that nobody can answer."""

import threading

import pytest
from psycopg.sql import SQL, Identifier

from domain import erasure, merge
from domain.errors import UnknownPatient
from domain.review import Resolution, Review
from projections import duplicates
from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from tests.clinic import WAITING, Clinic, asked, check_positions, wait_until
from tests.domain.records import EXTERNAL_ID_TYPE

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "212-555-0142"}
ZOE = {"first_name": "Zoe", "last_name": "Fox", "date_of_birth": "1955-07-09", "phone_number": "212-555-0143"}
MRN = {"type_id": EXTERNAL_ID_TYPE, "value": "MRN-77"}


def rows_of(clinic: Clinic, patient_id: str) -> dict[str, int]:
    """Return in how many rows of each table a patient is."""
    columns = [("patients", "id"), ("match_keys", "patient_id"), ("possible_duplicates", "patient_id")]
    query = SQL("SELECT count(*) FROM {} WHERE {} = {}")
    return {
        each[0]: asked(clinic.url, query.format(*map(Identifier, each), patient_id).as_string())[0][0]
        for each in columns
    }


@pytest.mark.parametrize("phase", ["build", "index", "flip"])
def test_who_is_erased_while_the_tables_are_rebuilt_is_not_put_back(clinic, phase):
    patient_id = clinic.send(**ANN, external_id=MRN).patient.id
    erased: list[erasure.Erased] = []

    def progress(now: str, _done: int, _total: int) -> None:
        if now == phase and not erased:
            erased.append(erasure.erase(clinic.ledger, patient_id, "#77", clinic.caller))

    assert rebuild(clinic.url, list(PROJECTIONS), accept=True, progress=progress).flipped
    assert erased
    assert set(rows_of(clinic, patient_id).values()) == {0}
    assert clinic.send(**ZOE, external_id=MRN).created, "the external id is free again"
    assert rebuild(clinic.url, list(PROJECTIONS)).equal


def test_a_flag_whose_other_patient_was_erased_is_dismissed_by_who_looks_at_it(clinic):
    born = {"last_name": "Lee", "date_of_birth": "2015-06-06", "phone_number": "212-555-0142"}
    mia, sarah = (clinic.send(first_name=name, **born).patient.id for name in ("Mia", "Sarah"))
    erasure.erase(clinic.ledger, mia, "#77", clinic.caller)
    review = Review(clinic.ledger)
    for impossible in (Resolution.MERGE, Resolution.UNMERGE):
        with pytest.raises(UnknownPatient):
            review.resolve(mia, sarah, impossible, clinic.caller)
    assert review.resolve(mia, sarah, Resolution.DISTINCT, clinic.caller)[0].distinct_from[0] == mia
    with clinic.ledger.recorder.reading(clinic.id) as cursor:
        assert duplicates.queue(cursor, clinic.id, "open", limit=9) == []
    told = check_positions(clinic.url)
    review.resolve(sarah, mia, Resolution.DISTINCT, clinic.caller)
    assert check_positions(clinic.url) == told, "saying it twice appends nothing"


def test_a_pair_of_which_one_is_erased_meanwhile_is_looked_at_anew(clinic):
    ann, zoe = (clinic.send(**who).patient for who in (ANN, ZOE))
    erasure.erase(clinic.ledger, zoe.id, "#77", clinic.caller)
    assert Review(clinic.ledger)._together(ann, zoe, merge.dismiss, clinic.caller) is None


def test_an_erasure_waits_for_a_transaction_that_locks_the_same_patients_and_then_goes_on(clinic):
    zoe, ann = (clinic.send(**who).patient.id for who in (ZOE, ANN))
    Review(clinic.ledger).resolve(ann, zoe, Resolution.MERGE, clinic.caller, survivor_id=ann)
    first, last = sorted((ann, zoe))
    done: list[erasure.Erased] = []
    erasing = threading.Thread(target=lambda: done.append(erasure.erase(clinic.ledger, ann, "#77", clinic.caller)))
    with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
        work.lock_patients(clinic.id, [first])
        erasing.start()
        wait_until(clinic.url, WAITING)
        assert [each.id for each in work.lock_patients(clinic.id, [last])] == [last], "it holds nothing that we need"
    erasing.join(timeout=30)
    assert [each.streams for each in done] == [(first, last)]
