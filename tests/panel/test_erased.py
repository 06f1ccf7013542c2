"""What is left to see of a patient that was erased, and of a ledger that was verified?"""

import re

import psycopg
import pytest

from domain import erasure
from domain.receipt import Caller
from tests.panel.conftest import Person
from tests.panel.story import tell_story
from tests.panel.test_pages import PAGES, secrets_in, text_of


@pytest.fixture(scope="module")
def after_erasure(panel_ledger, client):
    """Return an auditor of a clinic whose Ann was erased."""
    story = tell_story(panel_ledger, clinic_name="Forgetful", logins="-forgetful")
    erasure.erase(panel_ledger, story.ann, "order #77", Caller(story.clinic, "operator:maria", "erasing"))
    person = Person(client, story)
    assert person.sign_in("axel-forgetful").status_code == 303
    return person


def test_the_timeline_shows_that_something_was_there(after_erasure):
    page = text_of(after_erasure.get(f"/panel/patients/{after_erasure.story.ann}"))
    assert "Erased by order. What this patient was is gone" in page
    assert "Content erased by order. This was “phone lock respected”." in page
    assert "erased by order: order #77." in page
    assert "Northside Hospital through a file" in page


@pytest.mark.parametrize("path", [each for each in PAGES if each != "/states"] + ["/export", "/looks", "/disclosures"])
def test_no_page_tells_a_value_of_an_erased_patient(after_erasure, path):
    answer = after_erasure.get(f"/panel/patients/{after_erasure.story.ann}{path}")
    assert answer.status_code == 200
    assert secrets_in(answer) == []


def test_how_an_erased_record_was_placed_is_still_told_as_that(after_erasure):
    ann = f"/panel/patients/{after_erasure.story.ann}"
    request = re.search(r'/requests/(req_[0-9a-f]+)">Cause', after_erasure.get(ann).text)
    assert request is not None
    tree = text_of(after_erasure.get(f"{ann}/requests/{request[1]}"))
    assert tree.index("sent a record") < tree.index("This was “patient matched”") < tree.index("And led to")


def test_two_moments_of_an_erased_patient_are_not_called_the_same(after_erasure):
    page = text_of(after_erasure.get(f"/panel/patients/{after_erasure.story.ann}/compare?a=2"))
    assert "Nothing about the patient differs" not in page
    assert "what the patient was at either moment is gone" in page


def test_an_erased_patient_has_no_states_and_is_not_found(after_erasure):
    story = after_erasure.story
    assert after_erasure.get(f"/panel/patients/{story.ann}/states").status_code == 404
    after_erasure.get("/panel")
    assert "Nobody found" in after_erasure.post("/panel", {"words": "garcia"}).text


@pytest.mark.parametrize(
    ("passed", "position", "said"),
    [
        (True, 2**62, r"verified \d+ s ago(?!, the latest)"),
        (True, 1, r"verified \d+ s ago, the latest not yet"),
        (False, 2**62, "not verified yet"),
    ],
    ids=["wholly", "not the latest", "failed"],
)
def test_the_chip_says_when_the_ledger_was_verified(auditor, story, panel_url, passed, position, said):
    with psycopg.connect(panel_url) as owner:
        owner.execute(
            "INSERT INTO ledger_checks (kind, subject, position, passed, result)"
            " VALUES ('verify', 'ledger', %s, %s, '') ON CONFLICT (kind, subject) DO UPDATE SET"
            " passed = excluded.passed, position = excluded.position, finished_at = now()",
            (position, passed),
        )
    assert re.search(said, text_of(auditor.get(f"/panel/patients/{story.ann}")))
