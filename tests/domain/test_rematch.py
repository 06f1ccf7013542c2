"""Do the rules that decided once decide the same again from the log alone, and is it told where others would not?"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from domain.commands import ChangeSetting
from domain.entry import Entry
from domain.erasure import erase
from domain.matching import Rules
from domain.receipt import Receipt
from domain.rematch import Difference, Rematch
from domain.review import Resolution, Review
from domain.upsert import rules_of
from projections.event_store import Recorder
from tests.clinic import Clinic, check_positions, clinic
from tests.domain.records import EXTERNAL_ID_TYPE

__all__ = ["clinic"]

FIRST = ("Ann", "Anna", "Robert", "Bob", "Maria", "Mary", "Jon", "John", "Baby Boy")
LAST = ("Lee", "Leigh", "Garcia-Lopez", "Lopez", "Smith Jr", "Smith")


def log(clinic: Clinic) -> list[Entry]:
    recorder = clinic.ledger.recorder
    assert isinstance(recorder, Recorder)
    with recorder.reading(clinic.id) as cursor:
        rows = recorder.select_log(cursor, after=0, limit=100_000)
    return [clinic.ledger.mapper.to_domain_event(row) for row in rows]


def a_record(random: Random) -> dict[str, Any]:
    """Return a record of a small town where everybody is mistaken for somebody."""
    optional = {
        "first_name": random.choice(FIRST),
        "last_name": random.choice(LAST),
        "date_of_birth": random.choice(("1980-03-01", "1980-01-03", "2015-06-06", "1900-01-01")),
        "email": random.choice(("a@example.com", "b@example.com")),
        "gender": random.choice(("female", "male")),
        "additional_phone_number": "212-555-0149 x7",
        "external_id": {"type_id": EXTERNAL_ID_TYPE, "value": random.choice("ABCDE")},
    }
    told = {name: value for name, value in optional.items() if random.random() < 0.6}
    return {"phone_number": f"212-555-014{random.randrange(4)}", **told}


@pytest.mark.parametrize("seed", range(3))
def test_the_rules_that_decided_decide_the_same_again(clinic, seed):
    random = Random(seed)
    review = Review(clinic.ledger)
    patients: list[str] = []
    for _ in range(12):
        sent = clinic.send_list(*(a_record(random) for _ in range(random.randrange(1, 16))))
        patients += [each.patient.id for each in sent if isinstance(each, Receipt)]
        one, other = (review.survivor(clinic.id, random.choice(patients)).id for _ in range(2))
        if one != other:
            review.resolve(one, other, random.choice((Resolution.MERGE, Resolution.DISTINCT)), clinic.caller)
        clinic.communicate(one)
        setting = ChangeSetting(setting="close_variants", new=random.choice(("on", "off")))
        clinic.ledger.administer(setting, clinic.caller)
    head = check_positions(clinic.url)
    again = Rematch(rules_of)
    assert list(again.differences(log(clinic))) == []
    assert again.decisions > 60
    assert check_positions(clinic.url) == head


def difference(clinic: Clinic, **changed: Any) -> tuple[Rematch, list[Difference]]:
    again = Rematch(lambda organization: replace(rules_of(organization), **changed))
    return again, list(again.differences(log(clinic)))


ROBERT = {"first_name": "Robert", "last_name": "Smith", "date_of_birth": "1980-03-01"}


def test_a_match_that_other_rules_would_not_make_is_told(clinic):
    created = clinic.send(**ROBERT)
    matched = clinic.send(**{**ROBERT, "first_name": "Bob"})
    assert matched.patient.id == created.patient.id
    again, (told,) = difference(clinic, close_variants=False)
    assert again.decisions == 2
    assert (told.was.patient_id, told.was.tier) == (created.patient.id, "demographics")
    assert (told.would_be.patient_id, told.would_be.tier) == (None, "created")
    assert told.rivals == ((created.patient.id, "close_variants_off"),)


def test_a_new_patient_that_other_rules_would_have_found_is_told(clinic):
    clinic.ledger.administer(ChangeSetting(setting="close_variants", new="off"), clinic.caller)
    created = clinic.send(**ROBERT)
    other = clinic.send(**{**ROBERT, "first_name": "Bob"})
    assert other.created
    _, (told,) = difference(clinic, close_variants=True)
    assert (told.was.patient_id, told.was.tier) == (None, "created")
    assert (told.would_be.patient_id, told.would_be.tier) == (created.patient.id, "demographics")
    assert difference(clinic)[1] == []


def test_each_decision_is_judged_on_what_was_decided_before(clinic):
    """One difference does not lead to the next: Bob was Robert when his second record came."""
    clinic.send(**ROBERT)
    clinic.send(**{**ROBERT, "first_name": "Bob"})
    clinic.send(**{**ROBERT, "first_name": "Bob", "email": "bob@example.com"})
    _, told = difference(clinic, close_variants=False)
    assert [each.would_be.tier for each in told] == ["created"]


def test_decisions_on_an_erased_patient_are_counted_and_not_judged(clinic):
    gone = clinic.send(**ROBERT).patient.id
    clinic.send(**ROBERT, email="robert@example.com")
    clinic.send(first_name="Zoe", last_name="Fox", phone_number="212-555-0142")
    erase(clinic.ledger, gone, "order 77", clinic.caller)
    again, told = difference(clinic)
    assert (told, again.decisions, again.not_judged) == ([], 1, 2)


def test_a_record_that_identifies_nobody_without_its_match_would_be_refused(clinic):
    mrn = {"type_id": EXTERNAL_ID_TYPE, "value": "A"}
    clinic.send(**ROBERT, external_id=mrn)
    clinic.send(external_id=mrn, email="bob@example.com")
    entries = log(clinic)
    for entry in entries:
        record = getattr(entry.event, "record", {})
        if "external_id" in record:
            record["external_id"] = f"{EXTERNAL_ID_TYPE}:B"
    (told,) = Rematch(lambda _: Rules()).differences(entries)
    assert told.would_be.tier == "refused"
