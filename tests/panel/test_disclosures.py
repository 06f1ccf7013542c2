"""Does the accounting of disclosures hold every one of them, however many there are?"""

import psycopg
import pytest

from api.keys import new_key
from domain.receipt import Caller, Upsert
from domain.record import read_record
from tests.panel.conftest import Person
from tests.panel.story import send, tell_long_story, tell_story


@pytest.fixture(scope="module")
def story(panel_ledger):
    """Return a clinic of our own: its long history is nobody else's."""
    return tell_story(panel_ledger, clinic_name="Disclosing", logins="-disclosing")


@pytest.fixture(scope="module")
def auditor(client, story):
    """Return its auditor."""
    person = Person(client, story)
    assert person.sign_in("axel-disclosing").status_code == 303
    return person


@pytest.fixture
def partner(panel_ledger, story):
    """Return the header of a partner that may send records."""
    shown, command = new_key("Repeater")
    panel_ledger.administer(command, Caller(story.clinic, "test", "issuing"))
    return {"X-API-Key": shown}


def test_every_look_and_every_answer_has_a_line(panel_url, panel_ledger, auditor, story):
    patient, looks = tell_long_story(panel_ledger, story, 5200), 2100
    with psycopg.connect(panel_url) as owner:
        owner.execute(
            "INSERT INTO access_log (organization_id, actor, name, action, patient_id, request_id)"
            " SELECT %s, 'key:reader', 'Reader', 'read', %s, 'req_' || n FROM generate_series(1, %s) AS n",
            (story.clinic, patient, looks),
        )
    answers = len({entry.request_id for entry in panel_ledger.stream(story.clinic, patient)})
    page = auditor.get(f"/panel/patients/{patient}/disclosures").text
    assert page.count("The patient, through the API") == looks
    assert page.count("The patient, in the answer to a record sent") == answers


def test_what_was_no_record_is_not_told_as_one_too(client, auditor, partner):
    body = {"first_name": "Una", "last_name": "Once", "phone_number": "212-555-0167"}
    patient = client.simulate_post("/v1/patients/upsert", json=body, headers=partner).json["patient"]["id"]
    spoken = {"channel": "call", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    client.simulate_post(f"/v1/patients/{patient}/communications", json=spoken, headers=partner)
    page = auditor.get(f"/panel/patients/{patient}/disclosures").text
    assert page.count("The patient, in the answer to a record sent") == 1
    assert page.count("The patient, through the API") == 1


def test_what_the_clinic_imports_itself_is_answered_to_nobody(panel_ledger, auditor, story):
    record, received = read_record({"phone_number": "212-555-0164"})
    maria = Caller(story.clinic, "operator:maria", "importing", source="file")
    patient = panel_ledger.upsert(Upsert(record, maria, received)).patient.id
    page = auditor.get(f"/panel/patients/{patient}/disclosures").text
    assert "The patient, in the answer to a record sent" not in page


def test_requests_under_one_id_have_a_line_each(client, auditor, partner):
    patient = ""
    for comments in ("Called", "Called again", "Called back"):
        body = {"first_name": "Rae", "last_name": "Same", "phone_number": "212-555-0166", "comments": comments}
        answer = client.simulate_post(
            "/v1/patients/upsert", json=body, headers={**partner, "X-Request-Id": "always-the-same"}
        )
        patient = answer.json["patient"]["id"]
    page = auditor.get(f"/panel/patients/{patient}/disclosures").text
    assert page.count("<code>always-the-same</code>") == 3


def test_a_day_is_from_its_midnight_at_the_clinic_up_to_the_next_one(panel_url, panel_ledger, auditor, story):
    patient = send(panel_ledger, story.clinic, story.partners["Web form"], "form", {"phone_number": "212-555-0165"})
    midnights = {"On its day": "2026-03-05T00:00:00-05:00", "On the next": "2026-03-06T00:00:00-05:00"}
    with psycopg.connect(panel_url) as owner:
        for name, at in midnights.items():
            owner.execute(
                "INSERT INTO access_log (organization_id, at, actor, name, action, patient_id, request_id)"
                " VALUES (%s, %s, 'key:reader', %s, 'read', %s, 'req_midnight')",
                (story.clinic, at, name, patient),
            )
    page = auditor.get(f"/panel/patients/{patient}/disclosures?from=2026-03-05&to=2026-03-05").text
    assert [name for name in midnights if name in page] == ["On its day"]
