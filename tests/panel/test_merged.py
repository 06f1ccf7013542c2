"""What do the pages say of two patients who were merged?"""

import re
from typing import Any

import pytest

from api.keys import new_key
from domain.receipt import Caller
from tests.panel.conftest import Person
from tests.panel.test_pages import text_of

ADA = {"first_name": "Ada", "last_name": "Twofold", "date_of_birth": "1991-01-01", "phone_number": "212-555-0161 x7"}
ADAH = {"first_name": "Adah", "last_name": "Twofold", "date_of_birth": "1991-10-01", "email": "ada@example.com"}


@pytest.fixture(scope="module")
def pair(client, panel_ledger, story):
    """Merge two patients of the clinic; return (the survivor, the one that was merged into it)."""
    shown, command = new_key("Reviewer")
    panel_ledger.administer(command, Caller(story.clinic, "test", "issuing"))

    def post(path: str, body: dict[str, Any]) -> Any:
        answer = client.simulate_post(f"/v1{path}", json=body, headers={"X-API-Key": shown})
        assert answer.status_code == 200, answer.text
        return answer.json

    payor = {"insurance_id": story.items["Aetna"], "plan_name": "Gold"}
    ids = [post("/patients/upsert", body)["patient"]["id"] for body in (ADA, {**ADAH, "payors": [payor]})]
    found = post("/duplicates", {"patient_ids": ids})
    post(f"/duplicates/{found['id']}/resolve", {"resolution": "merge"})
    post("/patients/upsert", {**ADA, "phone_number": "212-555-0162"})
    return tuple(ids)


def rows_of(auditor: Person, patient_id: str) -> dict[str, str]:
    """Return the key of each row of the card by its label."""
    states = auditor.get(f"/panel/patients/{patient_id}/states").json
    return {label: key for key, _, label, _ in states["rows"]}


@pytest.mark.parametrize(("label", "value"), [("Email", "ada@example.com"), ("Plan name", "Gold")])
def test_blame_names_who_merged_where_a_value_came_from_the_other(auditor, pair, label, value):
    survivor, other = pair
    key = rows_of(auditor, survivor)[label]
    page = text_of(auditor.get(f"/panel/patients/{survivor}/blame?field={key}"))
    assert f"{label} {value}Set by Reviewer through the API" in page
    assert f"Merged with patient …{other[-6:]}" in page


def test_blame_of_what_stood_before_a_merge_does_not_name_who_merged(auditor, pair):
    page = text_of(auditor.get(f"/panel/patients/{pair[0]}/blame?field=first_name"))
    assert "Merged with" not in page


def test_blame_names_the_phone_that_took_the_extension_away(auditor, pair):
    page = text_of(auditor.get(f"/panel/patients/{pair[0]}/blame?field=phone_extension"))
    assert "Phone changed: (212) 555-0161 → to (212) 555-0162." in page


def test_the_cause_view_calls_nothing_a_record_that_is_none(auditor, pair):
    page = auditor.get(f"/panel/patients/{pair[1]}?kind=reviewed").text
    request = re.search(r"/requests/(req_[0-9a-f]+)", page)
    assert request is not None
    tree = text_of(auditor.get(f"/panel/patients/{pair[1]}/requests/{request[1]}"))
    assert "Reviewer made a request through the API" in tree


def test_a_fhir_bundle_tells_what_a_merge_changed(auditor, pair):
    auditor.get(f"/panel/patients/{pair[0]}/export")
    form = {"format": "fhir", "purpose": "Legal request", "recipient": "Dr. Elsewhere"}
    bundle = auditor.post(f"/panel/patients/{pair[0]}/export", form).json
    merge = next(
        each["resource"] for each in bundle["entry"] if "Merged with patient" in each["resource"]["text"]["div"]
    )
    assert merge["resourceType"] == "Provenance"
    told = [{part["url"]: part["valueString"] for part in change["extension"]} for change in merge["extension"]]
    assert {"field": "email", "new": "ada@example.com"} in told
