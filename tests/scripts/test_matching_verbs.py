"""Do `explain` and `rematch` say at the terminal what the matching does, and change nothing?"""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.bootstrap import new_id
from domain.errors import UnknownOrganization
from scripts.ledger import app
from tests.clinic import Clinic, check_positions, clinic

__all__ = ["clinic"]

ROBERT: dict[str, Any] = {"first_name": "Robert", "last_name": "Smith", "date_of_birth": "1980-03-01"}


@pytest.fixture
def run(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs a verb on the clinic's database."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", clinic.url)

    def verb(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return verb


def test_explain_judges_both_patients_as_records(clinic, run):
    one = clinic.send(**ROBERT, phone_number="212-555-0142").patient.id
    other = clinic.send(**{**ROBERT, "first_name": "Tom"}, phone_number="212-555-0142").patient.id
    ran = run("explain", one, other, "--json")
    assert ran.exit_code == 0
    told = json.loads(ran.stdout)
    assert [(each["record"], each["patient"]) for each in told["directions"]] == [(one, other), (other, one)]
    for each in told["directions"]:
        assert (each["matches"], each["reason"]) == (False, "first_name")
        assert each["evidence"]["phone"] == "equal"
    assert "does not match" in run("explain", one, other).stdout


def test_rematch_finds_nothing_under_the_rules_that_decided(clinic, run):
    clinic.send(**ROBERT)
    clinic.send(**{**ROBERT, "first_name": "Bob"})
    ran = run("rematch", "--rules", "current", "--json")
    assert ran.exit_code == 0
    told = json.loads(ran.stdout)
    assert (told["decisions"], told["different"], told["differences"]) == (2, 0, [])


@pytest.mark.parametrize("text", ["close_variants = false", '{"close_variants": false}'])
def test_rematch_names_the_decisions_that_another_rule_set_would_make(clinic, run, tmp_path, text):
    created = clinic.send(**ROBERT)
    matched = clinic.send(**{**ROBERT, "first_name": "Bob"})
    head = check_positions(clinic.url)
    file = tmp_path / "rules"
    file.write_text(text)
    ran = run("rematch", "--rules", str(file), "--organization", clinic.id, "--json")
    assert ran.exit_code == 1
    told = json.loads(ran.stdout)
    assert told["kinds"] == {"demographics → created": 1}
    (each,) = told["differences"]
    assert each["position"] == matched.position - len(matched.events) + 1
    assert each["was"]["patient_id"] == created.patient.id
    assert each["rivals"] == {created.patient.id: "close_variants_off"}
    assert check_positions(clinic.url) == head


@pytest.mark.parametrize("text", ["close_variants = 1", "threshold = 0.9", "{", "shared_contact_people = true"])
def test_rematch_refuses_what_is_no_rule_set(run, tmp_path, text):
    file = tmp_path / "rules"
    file.write_text(text)
    assert run("rematch", "--rules", str(file)).exit_code == 2
    assert run("rematch", "--rules", str(tmp_path / "none")).exit_code == 2


def test_explain_refuses_whom_it_does_not_know(clinic, run):
    one = clinic.send(**ROBERT).patient.id
    assert run("explain", one, str(new_id())).exit_code != 0
    assert run("explain", one, "no-id").exit_code == 2


@pytest.mark.parametrize("organization_id", ["no-id", "0190a0c4-5d5f-7d52-a3cf-0000000000ff"])
def test_rematch_refuses_an_organization_that_is_not_there(run, organization_id):
    assert isinstance(run("rematch", "--organization", organization_id).exception, UnknownOrganization)
