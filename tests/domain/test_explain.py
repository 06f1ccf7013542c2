"""Does every answer say how it came about, the same when it is only tried, and for any two patients?"""

from typing import Any

import pytest

from api.bootstrap import new_id
from api.resources.upsert import answer
from domain.errors import UnknownPatient
from domain.events import PatientMatched
from domain.explain import NO_COMMON_KEY, TOO_DIFFERENT, explain
from domain.matching import RULE_VERSION
from domain.receipt import Receipt
from domain.review import Resolution, Review
from tests.clinic import check_positions, clinic
from tests.domain.records import EXTERNAL_ID_TYPE

__all__ = ["clinic"]

ANN: dict[str, Any] = {
    "first_name": "Ann",
    "last_name": "Lee",
    "date_of_birth": "1980-03-01",
    "phone_number": "212-555-0142",
}


def test_a_match_tells_tier_rules_evidence_record_and_why_each_rival_lost(clinic):
    clinic.send(**ANN)
    twin = clinic.send(**{**ANN, "first_name": "Mia"}).patient.id
    receipt = clinic.send(**{**ANN, "email": "ann@example.com"})
    told = receipt.events[0]
    assert isinstance(told, PatientMatched)
    assert (told.tier, told.rule_version) == ("demographics", RULE_VERSION)
    assert told.evidence == {"first_name": "equal", "last_name": "equal", "date_of_birth": "equal", "phone": "equal"}
    assert told.record == {**ANN, "phone_number": "+12125550142", "email": "ann@example.com"}
    (rival,) = told.rivals
    assert rival["patient_id"] == twin
    assert rival["reason"]
    match = answer(receipt)["receipt"]["match"]
    assert match == {
        "tier": told.tier,
        "rule_version": RULE_VERSION,
        "evidence": told.evidence,
        "rivals": told.rivals,
    }


@pytest.mark.parametrize(
    "record",
    [
        ANN,
        {**ANN, "email": "ann@example.com", "date_of_birth": "not a day"},
        {**ANN, "first_name": "Mia"},
        {"first_name": "Zoe", "last_name": "Fox", "phone_number": "212-555-0199"},
        {"first_name": "Zoe"},
    ],
)
def test_trying_gives_the_answer_of_doing_and_writes_nothing(clinic, record):
    clinic.send(**ANN)
    before = check_positions(clinic.url)
    (tried,) = clinic.ledger.upsert_many(clinic.upserts(record), dry_run=True)
    assert check_positions(clinic.url) == before
    (done,) = clinic.send_list(record)
    assert type(tried) is type(done)
    if not isinstance(tried, Receipt) or not isinstance(done, Receipt):
        return
    assert tried.events == done.events
    assert (tried.outcome, tried.dropped) == (done.outcome, done.dropped)
    assert tried.position is None
    given, got = answer(tried), answer(done)
    for each in (given, got):
        each["receipt"].pop("position")
        if done.created:
            each["patient"].pop("id")
        for name in ("created_at", "updated_at"):
            each["patient"].pop(name)
    assert given == got


def test_a_match_is_explained_from_both_sides(clinic):
    """The second one came before there was a date of birth to tell who it is."""
    one = clinic.send(first_name="Ann", last_name="Lee", date_of_birth="1980-03-01").patient.id
    mrn = {"type_id": EXTERNAL_ID_TYPE, "value": "A-1"}
    other = clinic.send(first_name="Ann", last_name="Lee", phone_number="212-555-0142", external_id=mrn).patient.id
    assert one != other
    clinic.send(external_id=mrn, date_of_birth="1980-03-01")
    for record, patient in ((one, other), (other, one)):
        told = explain(clinic.ledger, clinic.id, record, patient)
        assert (told.matches, told.tier, told.reason) == (True, "demographics", "")
        assert told.evidence == {"first_name": "equal", "last_name": "equal", "date_of_birth": "equal"}


def test_a_rival_is_explained_by_the_tier_and_reason_it_lost_for(clinic):
    ann = clinic.send(**ANN).patient.id
    twin = clinic.send(**{**ANN, "first_name": "Mia"}).patient.id
    told = explain(clinic.ledger, clinic.id, twin, ann)
    assert (told.matches, told.winner_id) == (False, None)
    assert told.tier == "phone_fuzzy_name"
    assert told.reason == "first_name"


def test_two_who_share_nothing_are_compared_all_the_same(clinic):
    ann = clinic.send(**ANN).patient.id
    zoe = clinic.send(first_name="Zoe", last_name="Fox", phone_number="212-555-0199").patient.id
    told = explain(clinic.ledger, clinic.id, ann, zoe)
    assert told.reason == NO_COMMON_KEY
    assert told.evidence["last_name"] == "different"


def test_those_who_share_a_key_and_no_more_are_too_different(clinic):
    one = clinic.send(first_name="Ann", last_name="Lee", phone_number="212-555-0142").patient.id
    other = clinic.send(first_name="Maria", last_name="Fox", phone_number="212-555-0142").patient.id
    told = explain(clinic.ledger, clinic.id, one, other)
    assert (told.tier, told.reason, told.winner_id) == (None, TOO_DIFFERENT, None)
    assert told.evidence["phone"] == "equal"


def test_merged_patients_are_explained_as_one(clinic):
    one = clinic.send(**ANN).patient.id
    other = clinic.send(first_name="Zoe", last_name="Fox", phone_number="212-555-0199").patient.id
    Review(clinic.ledger).resolve(one, other, Resolution.MERGE, clinic.caller)
    told = explain(clinic.ledger, clinic.id, other, one)
    assert told.record_id == told.patient_id == one


def test_an_unknown_patient_cannot_be_explained(clinic):
    ann = clinic.send(**ANN).patient.id
    with pytest.raises(UnknownPatient):
        explain(clinic.ledger, clinic.id, ann, str(new_id()))
