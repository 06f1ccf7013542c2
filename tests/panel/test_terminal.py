"""What does an auditor at the terminal see, and how does somebody get let in from there?"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from projections import access_log
from scripts.ledger import app

Run = Callable[..., Any]


@pytest.fixture
def run(panel_url, monkeypatch):
    """Return a function that runs a verb on the story's database and returns what it printed."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", panel_url)

    def ledger(*words: str, typed: str = "", ends_with: int = 0) -> str:
        result = CliRunner().invoke(app, words, input=typed)
        assert result.exit_code == ends_with, result.output
        return result.output

    return ledger


def test_history_tells_everything_and_what_is_true_now(run, story):
    said = run("history", story.ann)
    assert "Phone kept: Acme Pharmacy sent (212) 555-0199; (212) 555-0150 has been locked since the first text" in said
    assert said.index("New patient: Ann Lopez") < said.index("Last name changed: Lopez → Garcia-Lopez.")
    assert "Prefers mornings <before 9>." in said


def test_history_as_of_a_version_ends_there(run, story):
    told = json.loads(run("history", story.ann, "--as-of", "3", "--json"))
    assert told["patient"]["phone_number"] == "+12125550142"
    assert [event["version"] for event in told["events"]] == [1, 2, 3]


def test_history_of_a_field_leaves_out_the_others(run, story):
    told = json.loads(run("history", story.ann, "--field", "phone_number", "--json"))
    assert [event["event"] for event in told["events"]] == ["PatientCreated", "PhoneChanged", "PhoneLockRespected"]


def test_whoever_asks_for_a_field_that_nothing_tells_of_is_told_so(run, story):
    assert "Nothing here concerns the field fone." in run("history", story.ann, "--field", "fone")
    assert "Nothing here concerns" not in run("history", story.ann, "--field", "phone_number")


def test_a_day_means_until_its_end_at_the_clinic(run, story):
    assert json.loads(run("history", story.ann, "--as-of", "2001-01-01", "--json")) == {"patient": None, "events": []}
    assert json.loads(run("history", story.ann, "--as-of", "2199-01-01", "--json"))["patient"]["version"] > 30


def test_replay_gives_the_state_after_each_event(run, story):
    steps = json.loads(run("replay", story.ann, "--json"))
    assert [step["event"]["version"] for step in steps] == [step["patient"]["version"] for step in steps]
    assert steps[0]["patient"]["last_name"] == "Lopez"
    assert steps[-1]["patient"]["last_name"] == "Garcia-Lopez"
    said = run("replay", story.ann, "--after", "30")
    assert "▸  Person" in said
    assert "After event 31 of" in said


def test_diff_shows_only_what_differs(run, story):
    told = json.loads(run("diff", story.ann, "3", "16", "--json"))
    phone = {"field": "phone_number", "before": "(212) 555-0142", "after": "(212) 555-0150"}
    assert phone in told["different"]
    assert "email" not in [each["field"] for each in told["different"]]
    assert "Nothing differs." in run("diff", story.ann, "3", "3")


def test_looking_at_the_terminal_is_recorded(run, story, panel_ledger):
    run("history", story.twin)
    with panel_ledger.recorder.reading(story.clinic) as cursor:
        last = access_log.of_patient(cursor, story.clinic, story.twin, limit=1)[0]
    assert (last.action, last.detail) == ("view", {"what": "history"})
    assert last.actor.startswith("operator:")


@pytest.mark.parametrize("moment", ["yesterday", "2024-13-01", "-1", "9999-12-31"])
def test_a_moment_that_is_none_is_a_usage_error(run, story, moment):
    run("history", story.ann, f"--as-of={moment}", ends_with=2)


def test_staff_are_added_with_a_link_that_signs_in(run, story, somebody):
    login = f"term-{uuid4().hex}"
    added = json.loads(
        run(
            "staff", "add", login, "--organization", story.clinic, "--name", "Terry Term", "--role", "auditor", "--json"
        )
    )
    person = somebody()
    path = added["link"].removeprefix("http://127.0.0.1:8080")
    person.get(path)
    assert person.post(path, {}).status_code == 303
    assert "Terry Term" in person.get("/panel").text
    run("staff", "disable", login)
    assert person.get("/panel").status_code == 303
    listed = json.loads(run("staff", "list", "--organization", story.clinic, "--json"))
    assert [each["name"] for each in listed if each["login"] == login and each["disabled_at"]] == ["Terry Term"]


def test_staff_are_added_with_a_password_from_standard_input(run, story, somebody):
    login = f"term-{uuid4().hex}"
    words = ("staff", "add", login, "--organization", story.clinic, "--name", "Pat Pass", "--password-stdin")
    assert "link" not in run(*words, typed="a long enough one\n")
    assert somebody().sign_in(login, "a long enough one").status_code == 303
    run("staff", "password", login, typed="another long enough\n")
    assert somebody().sign_in(login, "another long enough").status_code == 303
