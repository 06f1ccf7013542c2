"""What status tells: where everything is, who is silent, what was parked, what was last checked."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from projections.status import STALE_SECONDS, Status, read_status
from tests.projections.histories import an_organization, live, opened
from tests.projections.tally import make_tables
from tests.projections.test_follow import run_dry
from tests.projections.test_follow_faults import caught_up, follower_process
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger_url(database_url: str) -> str:
    make_tables(database_url)
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 20, seed=1)
    return database_url


def status(url: str) -> Status:
    with psycopg.connect(url) as owner, owner.cursor() as cursor:
        return read_status(cursor, expected=["tally"])


def told_by_the_command(url: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.ledger", "status", "--json"],
        cwd=ROOT,
        env={**os.environ, "LEDGER_DATABASE_URL": url},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout)


def projected(found: Status, name: str) -> Any:
    return next(each for each in found.projections if each.name == name)


def test_inline_projections_are_where_the_ledger_is(ledger_url):
    found = status(ledger_url)
    for name in PROJECTIONS:
        assert (projected(found, name).position, projected(found, name).lag_events) == (found.position, 0)
    assert projected(found, "patients").fingerprint is None
    report = rebuild(ledger_url, ["patients"], check=True)
    checked = projected(status(ledger_url), "patients").fingerprint
    assert (checked.passed, checked.result, checked.position) == (True, report.rebuilt["patients"], found.position)
    assert 0 <= checked.age_seconds < 60


def test_rows_that_differed_from_a_rebuild_are_a_finding(ledger_url):
    with psycopg.connect(ledger_url) as owner:
        owner.execute("UPDATE patients SET last_name = 'x' WHERE ctid = (SELECT min(ctid) FROM patients)")
    rebuild(ledger_url, ["patients"], check=True)
    found = status(ledger_url)
    assert any(finding.startswith("patients: rows differed") for finding in found.findings)


def test_a_follower_that_never_ran_is_a_finding(ledger_url):
    found = projected(status(ledger_url), "tally")
    assert (found.state, found.position, found.lag_events) == ("never started", 0, status(ledger_url).position)
    assert "tally: never started" in status(ledger_url).findings


def test_lag_is_told_in_events_and_in_the_seconds_that_the_next_one_waits(ledger_url):
    run_dry(ledger_url)
    even = projected(status(ledger_url), "tally")
    assert (even.lag_events, even.lag_seconds) == (0, 0)
    with opened(ledger_url) as ledger:
        live(ledger, an_organization(ledger), 1, seed=2)
    with psycopg.connect(ledger_url) as owner:
        behind = projected(status(ledger_url), "tally")
        age = owner.execute(
            "SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM ledger_events WHERE position = %s",
            (behind.position + 1,),
        ).fetchone()
    assert behind.lag_events == status(ledger_url).position - behind.position > 0
    assert age is not None
    assert 0 < behind.lag_seconds < float(age[0])


def test_a_follower_that_hangs_is_seen_within_ten_seconds_on_a_quiet_ledger(ledger_url):
    assert STALE_SECONDS < 10
    with follower_process(ledger_url) as process:
        until(lambda: caught_up(ledger_url), seconds=20)
        assert projected(status(ledger_url), "tally").state == "following"
        os.kill(process.pid, signal.SIGSTOP)
        try:
            until(lambda: projected(status(ledger_url), "tally").state == "stuck", seconds=10)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert any("nothing heard for" in finding for finding in status(ledger_url).findings)
        until(lambda: projected(status(ledger_url), "tally").state == "following", seconds=10)


def test_a_follower_says_what_is_wrong(ledger_url):
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute("INSERT INTO follower_tracking VALUES ('tally', 100000)")
    with follower_process(ledger_url):
        until(lambda: projected(status(ledger_url), "tally").state == "in trouble", seconds=20)
    assert "AheadOfLedger" in projected(status(ledger_url), "tally").problem


def test_parked_streams_are_told_with_their_reason(ledger_url):
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE ledger_events SET topic = 'Unheard' WHERE position ="
            " (SELECT max(position) FROM ledger_events WHERE organization_id <> originator_id)"
        )
    rebuild(ledger_url, ["patients"])
    found = projected(status(ledger_url), "patients")
    assert (found.parked, found.parked_because) == (1, ("NewerEvent at Unheard (schema version 1)",))
    code, told = told_by_the_command(ledger_url)
    assert code == 1
    (parked,) = told["parked"]
    assert (parked["projection"], parked["reason"]) == ("patients", "NewerEvent at Unheard (schema version 1)")
    assert parked["originator_id"]


def test_the_application_sees_how_many_are_parked_but_not_whose(ledger_url):
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO parked_streams SELECT 'patients', organization_id, originator_id, 1, 1, 'X at Y', now()"
            " FROM ledger_events WHERE position = 1"
        )
    with opened(ledger_url) as ledger, ledger.recorder.reading() as cursor:
        assert projected(read_status(cursor), "patients").parked == 1
        assert cursor.execute("SELECT count(*) FROM parked_streams").fetchone() == (0,)
