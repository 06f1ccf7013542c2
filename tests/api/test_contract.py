"""The partner documentation's call gets the partner documentation's answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from api import answers
from domain.matching import STEPS
from tests.api.clinic import Clinic, Partner
from tests.domain.records import DOCUMENTED, EXTERNAL_ID_TYPE

EXAMPLE_REQUEST = json.loads((Path(__file__).parent / "documented_request.json").read_text())
EXAMPLE_ANSWER = json.loads((Path(__file__).parent / "documented_answer.json").read_text())
"""Both as the partner documentation prints them."""


def missing(example: Any, answer: Any, path: str = "") -> Iterator[str]:
    """Yield where the answer lacks a member of the example or holds another type of value."""
    match example, answer:
        case (_, None):
            return
        case dict(), dict():
            for name in example:
                if name in answer:
                    yield from missing(example[name], answer[name], f"{path}.{name}")
                else:
                    yield f"{path}.{name}"
        case [first, *_], list():
            for item in answer:
                yield from missing(first, item, f"{path}[]")
        case (str(), str()) | (bool(), bool()) | ([], list()):
            return
        case int() | float(), int() | float() if isinstance(example, bool) == isinstance(answer, bool):
            return
        case _:
            yield f"{path}: {type(answer).__name__}"


def test_the_documented_record_gets_every_documented_member(partner: Partner):
    answer = partner.upsert(DOCUMENTED)
    assert answer.status_code == 200
    patient = answer.json["patient"]
    assert [*missing(EXAMPLE_ANSWER, answer.json)] == []
    assert all(patient[each] for each in ("tags", "referrals", "payors", "external_id_values", "workflow_stage"))
    assert patient["payors"][0]["services"][0]["location_rates"]
    assert answer.json["dropped_fields"] == []


def test_the_documented_call_word_for_word_says_what_of_it_is_no_value(partner: Partner):
    answer = partner.upsert(EXAMPLE_REQUEST)
    assert answer.status_code == 422, "all its values are the word <string>"
    assert "phone_number" in answer.json["dropped_fields"]


def test_the_same_record_again_is_found_and_appends_nothing(partner: Partner):
    first = partner.upsert(DOCUMENTED).json
    again = partner.upsert(DOCUMENTED).json
    assert (first["created"], first["matched"], first["match_tier"]) == (True, False, None)
    assert (again["created"], again["matched"], again["match_tier"]) == (False, True, "external_id")
    assert again["patient"] == first["patient"]
    assert (again["receipt"]["events"], again["receipt"]["position"]) == ([], None)


def test_a_changed_external_id_is_told_old_and_new(partner: Partner):
    first = partner.upsert(DOCUMENTED).json["patient"]
    renamed = {**DOCUMENTED, "external_id": {**DOCUMENTED["external_id"], "value": "B-2"}}
    assert partner.upsert(renamed).json["match_tier"] == "demographics"
    newest = partner.get(f"/v1/patients/{first['id']}/history?event=ExternalIdReplaced").json["items"][0]
    assert newest["changes"] == [{"field": "external_id", "old": "some value", "new": "B-2"}]


def test_a_phone_sent_after_a_communication_is_kept_told_and_reported(partner: Partner):
    first = partner.upsert(DOCUMENTED).json["patient"]
    spoke = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    told = partner.post(f"/v1/patients/{first['id']}/communications", spoke)
    assert told.json["patient"]["first_communication_at"] == "2026-01-05T15:30:00.000000Z"
    again = partner.upsert({**DOCUMENTED, "phone_number": "+12125550177"}).json
    assert again["patient"]["phone_number"] == first["phone_number"]
    assert again["dropped_fields"] == ["phone_number"]
    kept = partner.get(f"/v1/patients/{first['id']}/history?kind=kept").json["items"]
    assert [item["data"] for item in kept] == [{"kept": "+12125550142", "offered": "+12125550177"}]


def test_what_is_kept_stands_among_the_dropped_fields_in_the_order_of_the_contract(partner: Partner):
    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    spoke = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    partner.post(f"/v1/patients/{patient_id}/communications", spoke)
    sent = {**DOCUMENTED, "nickname": "An", "email": "none", "phone_number": "+12125550177", "date_of_birth": "soon"}
    assert partner.upsert(sent).json["dropped_fields"] == ["date_of_birth", "phone_number", "email", "nickname"]


def test_a_dry_run_answers_alike_and_stores_nothing(partner: Partner):
    tried = partner.upsert(DOCUMENTED, query="?dry_run=true")
    assert (tried.status_code, tried.json["created"]) == (200, True)
    assert partner.get(f"/v1/patients/{tried.json['patient']['id']}").status_code == 404
    assert partner.upsert(DOCUMENTED).json["created"]


def test_every_answer_holds_exactly_what_its_model_describes(partner: Partner, clinic: Clinic):
    upserted = partner.upsert(DOCUMENTED).json
    patient_id = upserted["patient"]["id"]
    spoke = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    answers.Upserted.model_validate(upserted, strict=True)
    answers.Upserted.model_validate(partner.upsert({"phone_number": "+12125550199"}).json, strict=True)
    answers.Patient.model_validate(partner.get(f"/v1/patients/{patient_id}").json, strict=True)
    answers.Communicated.model_validate(partner.post(f"/v1/patients/{patient_id}/communications", spoke).json)
    answers.HistoryPage.model_validate(partner.get(f"/v1/patients/{patient_id}/history").json, strict=True)
    assert upserted["patient"]["organization_id"] == clinic.organization_id


def test_the_documented_tiers_are_those_of_the_matching():
    assert set(get_args(answers.Tier)) == {"external_id", *STEPS}


@pytest.mark.parametrize("source", ["form", "chat_agent"])
def test_the_source_of_a_record_is_told_by_its_events(partner: Partner, source: str):
    patient = partner.upsert({**DOCUMENTED, "source": source}).json["patient"]
    items = partner.get(f"/v1/patients/{patient['id']}/history").json["items"]
    assert {item["source"] for item in items} == {source}


def test_two_ids_sent_as_numbers_beyond_64_bits_are_never_taken_for_one(partner: Partner):
    ann, bob = {"first_name": "Ann", "phone_number": "2125550101"}, {"first_name": "Bob", "phone_number": "2125550102"}
    told = []
    for person, number in ((ann, 10**20 + 1), (bob, 10**20 + 2)):
        external_id = {"type_id": EXTERNAL_ID_TYPE, "value": number}
        told.append(partner.upsert(json.dumps({**person, "external_id": external_id}).encode()).json)
    assert [each["dropped"] for each in told] == [[{"field": "external_id", "reason": "out_of_range"}]] * 2
    assert [each["created"] for each in told] == [True, True]
