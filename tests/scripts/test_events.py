"""Does `events` show what is looked for, what comes, and no value?"""

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.errors import LedgerError
from scripts.ledger import app
from tests.clinic import Clinic, check_positions, clinic

__all__ = ["clinic"]

ROOT = Path(__file__).parents[2]
ANN = {"first_name": "Ann", "last_name": "Zebulon", "date_of_birth": "1980-03-01"}


@pytest.fixture
def run(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs the verb on the clinic's database, and returns what it printed."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", clinic.url)

    def verb(*words: str) -> str:
        ran = CliRunner().invoke(app, ["events", *words])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    return verb


def entries(printed: str) -> list[dict[str, Any]]:
    """Return the lines of --json."""
    return [json.loads(line) for line in printed.splitlines()]


def test_the_newest_are_shown_in_the_order_of_the_log(clinic, run):
    ann = clinic.send(**ANN).patient.id
    head = check_positions(clinic.url)
    told = entries(run("--last", "3", "--json"))
    assert [each["position"] for each in told] == [head - 2, head - 1, head]
    assert (told[-1]["event"], told[-1]["stream_id"], told[-1]["version"]) == ("PatientCreated", ann, 1)
    line = run("--last", "1")
    assert line.startswith(f"{head}  ")
    assert ann in line
    assert "Zebulon" not in run()


def test_what_a_request_or_an_actor_led_to_is_found(clinic, run):
    clinic.send(**ANN)
    stranger = replace(clinic.caller, actor="key:stranger", request_id="req_stranger")
    (upsert,) = clinic.upserts({**ANN, "email": "ann@example.com"})
    (receipt,) = clinic.ledger.upsert_many([replace(upsert, caller=stranger)])
    assert not isinstance(receipt, LedgerError)
    told = entries(run("--request-id", "req_stranger", "--json"))
    assert {each["stream_id"] for each in told} == {receipt.patient.id}
    assert {each["event"] for each in told} == {"PatientMatched", "EmailChanged"}
    assert entries(run("--actor", "key:stranger", "--json")) == told
    assert run("--request-id", "req_nobody") == ""


def test_what_comes_is_shown_until_it_is_stopped(clinic, tmp_path):
    environment = {**os.environ, "LEDGER_DATABASE_URL": clinic.url, "LEDGER_DATA_DIR": str(tmp_path)}
    command = [str(ROOT / "scripts" / "ledger"), "events", "--follow", "--last", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout is not None
        last = json.loads(watching.stdout.readline())
        clinic.send(**ANN)
        following = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0
    assert following["position"] == last["position"] + 1
