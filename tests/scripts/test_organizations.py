"""What the verbs of tenants and keys say to whoever has not used them before."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from domain.errors import UnknownOrganization
from scripts.ledger import app
from tests.clinic import Clinic

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", clinic.url)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def key(clinic: Clinic, *words: str) -> Result:
    return run("key", *words, "--organization", clinic.id, "--json")


def issued(clinic: Clinic) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(key(clinic, "issue").stdout)
    return told


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
@pytest.mark.parametrize("given", ["id", "api_key"])
def test_a_key_is_named_by_its_id_or_as_a_whole(clinic: Clinic, verb: str, given: str):
    made = issued(clinic)
    done = key(clinic, verb, made[given])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["id" if verb == "revoke" else "replaces"] == made["id"]
    assert made["api_key"].rpartition("_")[2] not in done.output


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
@pytest.mark.parametrize("given", ["abcdefghijkl", f"pl_live_abcdefghijkl_{'x' * 40}", f"pl_live_{'x' * 30}"])
def test_a_key_that_is_not_there_is_told_without_repeating_it(clinic: Clinic, verb: str, given: str):
    refused = key(clinic, verb, given)
    assert refused.exit_code == 2
    assert "the organization has no such key" in " ".join(refused.output.replace("│", " ").split())
    assert given not in refused.output


def test_a_revoked_key_is_told_and_left_as_it_is(clinic: Clinic):
    made = issued(clinic)
    first = json.loads(key(clinic, "revoke", made["id"]).stdout)
    again = key(clinic, "revoke", made["id"])
    assert (again.exit_code, json.loads(again.stdout)) == (0, first)
    assert "revoked before" in again.stderr
    refused = key(clinic, "rotate", made["id"])
    assert refused.exit_code == 2
    assert "the key was revoked" in " ".join(refused.output.replace("│", " ").split())


def test_organizations_are_listed_with_name_and_id_in_the_order_they_were_made(clinic: Clinic):
    made = json.loads(run("org", "create", "--name", "Riverside", "--json").stdout)
    listed = run("org", "list", "--json")
    assert json.loads(listed.stdout) == [{"id": clinic.id, "name": "Hudson Physical Therapy"}, made]
    assert f"id: {made['id']}  name: Riverside\n" in run("org", "list").stdout


def test_a_region_that_has_no_phone_numbers_is_refused(clinic: Clinic):
    for region, code in (("XX", 2), ("us", 2), ("CH", 0)):
        assert run("org", "set", "region", region, "--organization", clinic.id).exit_code == code


@pytest.mark.parametrize(
    "words", [("org", "create"), ("key", "issue"), ("directory", "add", "location"), ("staff", "add", "ann")]
)
def test_a_blank_name_is_refused(clinic: Clinic, words: tuple[str, ...]):
    of = () if words[0] == "org" else ("--organization", clinic.id)
    assert run(*words, "--name", " ", *of).exit_code == 2


def test_a_blank_login_is_refused(clinic: Clinic):
    assert run("staff", "add", "", "--name", "Ann", "--organization", clinic.id).exit_code == 2


@pytest.mark.parametrize("verb", [("add", "ann", "--name", "Ann"), ("list",)])
@pytest.mark.parametrize("organization_id", ["no-id", "0190a0c4-5d5f-7d52-a3cf-0000000000ff"])
def test_staff_of_an_organization_that_is_not_there_are_refused(verb: tuple[str, ...], organization_id: str):
    assert isinstance(run("staff", *verb, "--organization", organization_id).exception, UnknownOrganization)


def test_a_verb_that_is_started_with_standard_input_closed_reads_nothing(clinic: Clinic):
    staff = ["staff", "add", "ann", "--name", "Ann", "--organization", clinic.id, "--password-stdin"]
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "scripts.ledger", *staff]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (2, "A password needs 12 characters at least.\n")
