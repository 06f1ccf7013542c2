"""What `status` says after several verifications: a failure stands until a run passes that covers it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.errors import UnreadableEntry
from projections.checkpoint_folder import CheckpointFolder
from projections.rebuild import RebuildRunning, alone
from scripts.ledger import app
from tests.clinic import Clinic
from tests.projections.signed_ledger import KEY, Signed, signed_twice

EDIT = "UPDATE ledger_events SET actor = 'key:other' WHERE position = 9"
MEND = "UPDATE ledger_events SET actor = 'key:test' WHERE position = 9"


class Verified:
    """A ledger that was signed twice, verified and asked for its status at the command line."""

    def __init__(self, signed: Signed) -> None:
        self.signed = signed
        self.first, self.second = signed.folder.sizes()

    def run(self, *words: str) -> int:
        return CliRunner().invoke(app, ["verify", *words]).exit_code

    def status(self) -> str:
        told: dict[str, Any] = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
        return str(told["last_verify"]["result"])


@pytest.fixture
def ledger(clinic: Clinic, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Verified:
    signed = signed_twice(clinic, CheckpointFolder(folder / "checkpoints"))
    (folder / "verifier-key").write_text(f"{KEY.verifier}\n")
    monkeypatch.setenv("LEDGER_DATABASE_URL", clinic.url)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(folder))
    return Verified(signed)


def test_a_failure_stands_until_a_run_that_covers_it_passes(ledger: Verified):
    ledger.signed.tamper(EDIT)
    assert (ledger.run(), ledger.status()) == (1, "edited")
    assert (ledger.run("--since", str(ledger.second)), ledger.status()) == (0, "edited")
    ledger.signed.tamper(MEND)
    assert (ledger.run("--since", str(ledger.second)), ledger.status()) == (0, "edited")
    assert (ledger.run(), ledger.status()) == (0, "passed")


def test_a_failure_over_a_part_is_covered_by_the_same_part(ledger: Verified):
    later = EDIT.replace("= 9", f"= {ledger.first + 1}")
    ledger.signed.tamper(later)
    assert (ledger.run("--since", str(ledger.first)), ledger.status()) == (1, "edited")
    ledger.signed.tamper(later.replace("key:other", "key:test"))
    assert (ledger.run("--since", str(ledger.second)), ledger.status()) == (0, "edited")
    assert (ledger.run("--since", str(ledger.first)), ledger.status()) == (0, "passed")


def test_after_a_change_of_the_rules_it_is_said_that_a_rebuild_makes_the_keys_anew(ledger: Verified):
    ledger.signed.tamper("UPDATE match_keys SET key = key || 'x' WHERE kind = 'birth_name'")
    verified, compared, examined = (
        CliRunner().invoke(app, words).stdout for words in (["verify"], ["rebuild", "--all", "--check"], ["doctor"])
    )
    assert "rebuild --all --check" in verified
    assert "rebuild --all --check" in examined
    assert compared.splitlines()[-1].partition(": ")[2].startswith("match_index. Nothing was changed")
    assert CliRunner().invoke(app, ["rebuild", "--all", "--accept"]).exit_code == 0
    assert (ledger.run(), ledger.status()) == (0, "passed")


def test_a_read_model_that_differed_is_covered_by_whatever_compares_it(ledger: Verified):
    ledger.signed.tamper("UPDATE patients SET last_name = last_name || 'x'")
    assert (ledger.run(), ledger.status()) == (1, "read model differs")
    assert (ledger.run("--no-read-model"), ledger.status()) == (0, "read model differs")
    ledger.signed.tamper("UPDATE patients SET last_name = left(last_name, -1)")
    assert (ledger.run("--since", str(ledger.second)), ledger.status()) == (0, "passed")


def test_without_the_key_nothing_is_said_of_what_was_signed(ledger: Verified, folder: Path):
    (folder / "verifier-key").unlink()
    patient = str(ledger.signed.clinic.send(first_name="Ann", phone_number="212-555-0142").patient.id)
    for words in (["verify", "--since", "1"], ["export", patient, "--proof", str(folder / "proof.json")]):
        assert type(CliRunner().invoke(app, words).exception).__name__ == "NoVerifierKey"
    verified = CliRunner().invoke(app, ["verify", "--json"])
    assert (verified.exit_code, [each["what"] for each in json.loads(verified.stdout)["findings"]]) == (
        1,
        ["not checked"],
    )


@pytest.mark.parametrize("forged", ["{not json", '{"first_name":"Ann"}'])
def test_an_entry_that_nobody_can_read_is_named_by_those_who_meet_it(ledger: Verified, forged: str):
    patient = str(ledger.signed.clinic.send(first_name="Ann", phone_number="212-555-0142").patient.id)
    ledger.signed.tamper(f"UPDATE ledger_events SET state = '{forged}' WHERE originator_id = '{patient}'")
    for words in (["history", patient], ["replay", patient], ["rematch"]):
        met = CliRunner().invoke(app, words).exception
        assert isinstance(met, UnreadableEntry)
        assert met.details["position"] > ledger.second
        assert "Ann" not in str(met.details)


def test_during_a_rebuild_the_log_is_verified_all_the_same(ledger: Verified):
    with alone(ledger.signed.clinic.url):
        met = CliRunner().invoke(app, ["verify", "--json"])
    assert isinstance(met.exception, RebuildRunning)
    assert (json.loads(met.stdout)["passed"], ledger.status()) == (True, "passed")
