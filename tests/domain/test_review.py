"""What becomes of two patients when people say whether they are one? On a real database, through the ledger."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from api.bootstrap import new_id
from domain.child_ids import overlay_id, pair_id
from domain.errors import UnknownPatient
from domain.events import ExternalIdReplaced, OverlayDismissed, PossibleDuplicateFlagged
from domain.matching import Match
from domain.merge import MergedElsewhere, NotMerged, SamePatient
from domain.review import NotOfThePair, Resolution, Review
from projections import duplicates, match_index
from tests.clinic import Clinic, asked, check_positions, clinic, open_ledger
from tests.domain.records import EXTERNAL_ID_TYPE

__all__ = ["clinic"]

MERGE, DISTINCT, UNMERGE = Resolution.MERGE, Resolution.DISTINCT, Resolution.UNMERGE
ANN: dict[str, Any] = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}


def mrn(value: str) -> dict[str, str]:
    return {"type_id": EXTERNAL_ID_TYPE, "value": value}


@pytest.fixture
def review(clinic: Clinic) -> Review:
    return Review(clinic.ledger)


def two(clinic: Clinic) -> tuple[str, str]:
    """Create two patients who are one person: the older with id A-1, the younger with B-1."""
    older = clinic.send(**ANN, external_id=mrn("A-1"), phone_number="212-555-0142")
    names = {"first_name": "Nan", "last_name": "Lea", "email": "n.lea@example.org"}
    younger = clinic.send(**names, external_id=mrn("B-1"), phone_number="212-555-0143")
    assert younger.created
    return older.patient.id, younger.patient.id


def queue(clinic: Clinic, state: str = "open", **limits: Any) -> list[duplicates.Pair]:
    with clinic.ledger.recorder.reading(clinic.id) as cursor:
        return duplicates.queue(cursor, clinic.id, state, limit=100, **limits)


def check_projections(clinic: Clinic) -> None:
    """Check that the queue and the match index are what the folds of the streams say."""
    (streams,) = zip(*asked(clinic.url, "SELECT id FROM patients"), strict=True)
    states = [clinic.ledger.patient_as_of(clinic.id, str(each)) for each in streams]
    stored = asked(clinic.url, "SELECT organization_id::text, kind, key, patient_id::text FROM match_keys")
    assert sorted(stored) == sorted(
        (clinic.id, kind, key, state.id) for state in states for kind, key in match_index.keys(state)
    )
    flags = asked(clinic.url, "SELECT id::text, patient_id::text, state, reason FROM possible_duplicates")
    told = [row for state in states for row in duplicates.rows(state)]
    assert sorted(flags) == sorted((row.id, row.patient_id, row.state, row.reason) for row in told)
    check_positions(clinic.url)


def test_everything_that_means_the_merged_patient_lands_on_the_survivor(clinic, review):
    older, younger = two(clinic)
    survivor, _ = review.resolve(younger, older, MERGE, clinic.caller)
    assert survivor.id == older
    assert survivor.facts["email"] == "n.lea@example.org"
    for record in (
        {"external_id": mrn("B-1")},
        {"first_name": "Nan", "last_name": "Lea", "phone_number": "212-555-0143"},
        {"first_name": "Nan", "last_name": "Lea", "email": "n.lea@example.org", "phone_number": "212-555-0199"},
        {**ANN},
    ):
        receipt = clinic.send(**record)
        assert (receipt.patient.id, receipt.created) == (older, False)
    clinic.communicate(younger)
    assert clinic.ledger.patient_as_of(clinic.id, older).first_communication_at is not None
    assert clinic.ledger.patient_as_of(clinic.id, younger).first_communication_at is None
    check_projections(clinic)


def test_after_undoing_each_external_id_finds_its_own_patient_again(clinic, review):
    older, younger = two(clinic)
    review.resolve(older, younger, MERGE, clinic.caller)
    carried = clinic.send(external_id=mrn("B-1"), city="Troy")
    assert ExternalIdReplaced(EXTERNAL_ID_TYPE, "A-1", "B-1") in carried.events
    assert carried.patient.external_id(EXTERNAL_ID_TYPE) == "B-1"
    review.resolve(older, younger, UNMERGE, clinic.caller)
    again = clinic.ledger.patient_as_of(clinic.id, older)
    assert again.external_id(EXTERNAL_ID_TYPE) == "A-1"
    assert again.facts["city"] == "Troy"
    assert "email" not in again.facts
    assert clinic.send(external_id=mrn("A-1")).patient.id == older
    assert clinic.send(external_id=mrn("B-1")).patient.id == younger
    check_projections(clinic)


def test_who_survives_can_be_chosen_and_must_be_of_the_pair(clinic, review):
    older, younger = two(clinic)
    with pytest.raises(NotOfThePair):
        review.resolve(older, younger, MERGE, clinic.caller, survivor_id=str(new_id()))
    assert review.resolve(older, younger, MERGE, clinic.caller, survivor_id=younger)[0].id == younger
    assert clinic.send(**ANN).patient.id == younger


def test_a_merge_of_merged_patients_is_one_of_those_they_live_on_in(clinic, review):
    older, younger = two(clinic)
    third = clinic.send(first_name="Zoe", last_name="Fox", phone_number="212-555-0144").patient.id
    review.resolve(older, younger, MERGE, clinic.caller)
    assert review.resolve(younger, third, MERGE, clinic.caller, survivor_id=third)[0].id == third
    assert clinic.send(external_id=mrn("B-1")).patient.id == third
    with pytest.raises(MergedElsewhere):
        review.resolve(older, younger, UNMERGE, clinic.caller)
    review.resolve(third, older, UNMERGE, clinic.caller)
    review.resolve(older, younger, UNMERGE, clinic.caller)
    assert clinic.send(external_id=mrn("B-1")).patient.id == younger
    check_projections(clinic)


def test_saying_it_twice_appends_nothing(clinic, review):
    older, younger = two(clinic)
    for resolution in (MERGE, MERGE):
        review.resolve(older, younger, resolution, clinic.caller)
        merged = check_positions(clinic.url)
    review.resolve(older, younger, UNMERGE, clinic.caller)
    assert check_positions(clinic.url) == merged + 2
    review.resolve(older, younger, DISTINCT, clinic.caller)
    assert check_positions(clinic.url) == merged + 2


def test_what_cannot_be_resolved_is_refused(clinic, review):
    older, younger = two(clinic)
    with pytest.raises(NotMerged):
        review.resolve(older, younger, UNMERGE, clinic.caller)
    with pytest.raises(SamePatient):
        review.resolve(older, older, MERGE, clinic.caller)
    with pytest.raises(UnknownPatient):
        review.resolve(older, str(new_id()), MERGE, clinic.caller)
    with pytest.raises(UnknownPatient):
        review.resolve(older, clinic.id, MERGE, clinic.caller)
    assert asked(clinic.url, "SELECT count(*) FROM ledger_events WHERE topic LIKE 'Patient%%erged%%'") == [(0,)]


@pytest.fixture
def neighbour(clinic: Clinic) -> Iterator[Clinic]:
    with open_ledger(clinic.url) as ledger:
        yield Clinic(clinic.url, ledger).found()


def test_patients_of_two_organizations_are_never_merged(clinic, review, neighbour):
    older, _ = two(clinic)
    stranger, _ = two(neighbour)
    for caller in (clinic.caller, neighbour.caller):
        for resolution in Resolution:
            with pytest.raises(UnknownPatient):
                review.resolve(older, stranger, resolution, caller)
    assert queue(neighbour) == []


# ---- the queue


def twins(clinic: Clinic) -> tuple[str, str]:
    """Create twins, who are flagged."""
    born = {"last_name": "Lee", "date_of_birth": "2015-06-06", "phone_number": "212-555-0142"}
    mia = clinic.send(first_name="Mia", **born)
    sarah = clinic.send(first_name="Sarah", **born)
    assert any(isinstance(event, PossibleDuplicateFlagged) for event in sarah.events)
    return mia.patient.id, sarah.patient.id


def test_a_flag_shows_for_both_patients_with_its_evidence(clinic):
    mia, sarah = twins(clinic)
    (pair,) = queue(clinic)
    assert pair.id == pair_id(mia, sarah) == pair_id(sarah, mia)
    assert pair.patient_ids == tuple(sorted((mia, sarah)))
    assert pair.evidence["date_of_birth"] == "equal"
    assert queue(clinic, patient_id=mia) == queue(clinic, patient_id=sarah) == [pair]
    assert queue(clinic, patient_id=str(new_id())) == []


def test_distinct_sticks(clinic, review):
    mia, sarah = twins(clinic)
    review.resolve(mia, sarah, DISTINCT, clinic.caller)
    assert queue(clinic) == []
    (pair,) = queue(clinic, "distinct")
    assert pair.patient_ids == tuple(sorted((mia, sarah)))
    for name in ("Mia", "Sarah"):
        again = clinic.send(
            first_name=name, last_name="Lee", date_of_birth="2015-06-06", phone_number="212-555-0142", city=name
        )
        assert isinstance(again.outcome, Match)
        assert not any(isinstance(event, PossibleDuplicateFlagged) for event in again.events)
    assert queue(clinic) == []
    check_projections(clinic)


def test_a_merged_pair_can_be_found_and_taken_apart_again(clinic, review):
    mia, sarah = twins(clinic)
    review.resolve(mia, sarah, MERGE, clinic.caller)
    assert queue(clinic) == []
    (pair,) = queue(clinic, "merged")
    review.resolve(*pair.patient_ids, UNMERGE, clinic.caller)
    assert queue(clinic, "merged") == []
    assert [each.id for each in queue(clinic, "distinct")] == [pair.id]
    check_projections(clinic)


def test_a_person_can_put_a_pair_into_the_queue(clinic, review):
    older, younger = two(clinic)
    review.report(older, younger, clinic.caller)
    (pair,) = queue(clinic)
    assert (pair.reason, pair.id) == ("reported", pair_id(older, younger))
    with pytest.raises(SamePatient):
        review.report(older, older, clinic.caller)


def test_a_chart_that_may_hold_two_people_is_in_the_queue_and_can_be_dismissed(clinic, review):
    ann = clinic.send(**ANN, external_id=mrn("A-1")).patient.id
    clinic.send(external_id=mrn("A-1"), first_name="Bob", last_name="Ray", date_of_birth="1975-01-02")
    (pair,) = queue(clinic)
    assert (pair.id, pair.reason, pair.patient_ids) == (overlay_id(ann), "overlay_suspected", (ann,))
    review.dismiss_overlay(ann, clinic.caller)
    assert clinic.story(ann)[-1] == OverlayDismissed()
    assert queue(clinic) == []
    assert [each.id for each in queue(clinic, "distinct")] == [pair.id]
    check_projections(clinic)


def test_an_overlay_with_another_patients_demographics_is_a_pair_of_the_queue(clinic, review):
    ann = clinic.send(**ANN, external_id=mrn("A-1")).patient.id
    bob = clinic.send(first_name="Bob", last_name="Ray", date_of_birth="1975-01-02").patient.id
    clinic.send(external_id=mrn("A-1"), first_name="Bob", last_name="Ray", date_of_birth="1975-01-02")
    assert [(pair.reason, pair.patient_ids) for pair in queue(clinic)] == [
        ("overlay_suspected", tuple(sorted((ann, bob))))
    ]
    review.resolve(ann, bob, DISTINCT, clinic.caller)
    assert queue(clinic) == []
    assert not clinic.ledger.patient_as_of(clinic.id, ann).unresolved_overlay


def test_an_overlay_with_somebody_who_was_told_distinct_is_in_the_queue_by_itself(clinic, review):
    twins: dict[str, Any] = {"last_name": "Lee", "date_of_birth": "2015-08-09", "phone_number": "212-555-0142"}
    ann = clinic.send(first_name="Ann", external_id=mrn("A-1"), **twins).patient.id
    eve = clinic.send(first_name="Eve", external_id=mrn("E-1"), **twins).patient.id
    review.resolve(ann, eve, DISTINCT, clinic.caller)
    assert queue(clinic) == []
    assert clinic.send(first_name="Eve", external_id=mrn("A-1"), **twins).patient.id == ann
    assert [(pair.reason, pair.patient_ids) for pair in queue(clinic)] == [("overlay_suspected", (ann,))]
    assert clinic.ledger.patient_as_of(clinic.id, ann).unresolved_overlay
    check_projections(clinic)


def test_the_queue_is_paged_in_the_order_of_the_flags(clinic):
    born = {"last_name": "Lee", "date_of_birth": "2015-06-06", "phone_number": "212-555-0142"}
    for name in ("Mia", "Sarah", "Tom"):
        clinic.send(first_name=name, **born)
    whole = queue(clinic)
    assert len(whole) == 3
    paged: list[duplicates.Pair] = []
    with clinic.ledger.recorder.reading(clinic.id) as cursor:
        for _ in whole:
            after = (paged[-1].flagged_at, UUID(paged[-1].id)) if paged else duplicates.BEGINNING
            paged += duplicates.queue(cursor, clinic.id, "open", after=after, limit=1)
    assert paged == whole


# ---- at the same time


def test_records_that_come_while_two_are_merged_and_taken_apart_make_no_third(clinic, review):
    older, younger = two(clinic)

    def send(place: int) -> str:
        """Send the younger one's id, with nothing by which a new patient could be made: it must find somebody."""
        return str(clinic.send(external_id=mrn("B-1"), city=f"City {place}").patient.id)

    def review_them() -> None:
        for resolution in (MERGE, UNMERGE) * 6:
            review.resolve(older, younger, resolution, clinic.caller)

    with ThreadPoolExecutor(4) as pool:
        reviewing = pool.submit(review_them)
        landed = set(pool.map(send, range(60)))
        reviewing.result()
    assert landed <= {older, younger}
    assert asked(clinic.url, "SELECT count(*) FROM patients") == [(2,)]
    check_projections(clinic)


def test_people_who_merge_the_same_pair_at_once_merge_it_once(clinic, review):
    older, younger = two(clinic)
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda _: review.resolve(older, younger, MERGE, clinic.caller)[0].id, range(8))
    assert set(done) == {older}
    assert asked(clinic.url, "SELECT count(*) FROM ledger_events WHERE topic = 'PatientMerged'") == [(1,)]
