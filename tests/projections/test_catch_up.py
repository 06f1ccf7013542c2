"""Tables that stand by reach where the ledger is, batch by batch. With all that may come meanwhile: test_rebuild.py."""

import psycopg
import pytest

from projections.catch_up import batches
from projections.gaps import EntriesSkipped
from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from tests.clinic import Clinic

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "212-555-0142"}


def test_batches_follow_each_other_and_the_last_one_ends_where_the_ledger_does():
    assert list(batches(3, 10, 4)) == [(3, 7), (7, 10)]
    assert list(batches(3, 3, 4)) == []


def test_an_entry_that_goes_missing_while_the_tables_are_caught_up_stops_the_rebuild(clinic: Clinic):
    """It is the last one of its stream, so that no version is missing."""

    def progress(phase: str, _done: int, _total: int) -> None:
        if phase == "index":
            clinic.send(**ANN, comments="prefers mornings")
            with psycopg.connect(clinic.url) as owner:
                owner.execute("SET session_replication_role = replica")
                last = "DELETE FROM ledger_events WHERE topic = 'CommentsChanged'"
                assert owner.execute(last).rowcount == 1

    clinic.send(**ANN)
    with pytest.raises(EntriesSkipped):
        rebuild(clinic.url, list(PROJECTIONS), progress=progress)
