"""Does `erase` tell whoever ordered it what is left, and where?"""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from domain.errors import LedgerUnavailable
from domain.ledger import Ledger
from domain.patient import Patient
from domain.review import Resolution, Review
from projections.inline import PROJECTIONS
from projections.mentions import CARRIED_OVER, UNREADABLE, Mention, mentions
from projections.rebuild import alone, rebuild
from scripts.ledger import app
from scripts.verbs import proofs
from tests.clinic import Clinic, asked, open_ledger
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.scripts.waiting import until

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}
BOB = {"first_name": "Bob", "last_name": "Ruiz", "date_of_birth": "1955-07-09"}
ROOT = Path(__file__).parents[2]
WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'ledger_previous.patients'::regclass AND NOT granted"


@pytest.fixture
def both(database_url: str) -> tuple[str, str, str]:
    """Return the database, and two patients; a record of the second came with the first one's external id."""
    with open_ledger(database_url) as ledger:
        clinic = Clinic(database_url, ledger).found()
        ann = clinic.send(**ANN, external_id={"type_id": EXTERNAL_ID_TYPE, "value": "MRN-1"}).patient.id
        bob = clinic.send(**BOB).patient.id
        clinic.send(**BOB, external_id={"type_id": EXTERNAL_ID_TYPE, "value": "MRN-1"})
    return database_url, ann, bob


def erase(url: str, folder: Path, *words: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LEDGER_DATABASE_URL": url, "LEDGER_DATA_DIR": str(folder)}
    command = [str(ROOT / "scripts" / "ledger"), "erase", *words, "--json"]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env=environment, stdin=stdin
    )


def test_what_stays_in_another_ones_stream_is_named_before_and_after(both: tuple[str, str, str], tmp_path: Path):
    url, ann, bob = both
    looked = erase(url, tmp_path, bob, "--check")
    assert looked.returncode == 1
    (place,) = json.loads(looked.stdout)["told_elsewhere"]
    assert place["patient_id"] == ann
    done = erase(url, tmp_path, bob, "--order", "#77", "--yes")
    assert done.returncode == 1
    assert json.loads(done.stdout)["streams"] == [bob]
    assert json.loads(done.stdout)["told_elsewhere"] == [place]
    assert json.loads(erase(url, tmp_path, bob, "--check").stdout)["told_elsewhere"] == [place]
    assert not [value for value in BOB.values() if value in looked.stdout + done.stdout + done.stderr]


def test_tables_that_a_rebuild_kept_tell_nothing_of_it_any_more(both: tuple[str, str, str], tmp_path: Path):
    url, ann, _ = both
    assert rebuild(url, list(PROJECTIONS)).flipped
    assert asked(url, "SELECT count(*) FROM ledger_previous.patients WHERE id = %s", ann) == [(1,)]
    with alone(url):
        refused = erase(url, tmp_path, ann, "--order", "#77", "--yes")
    assert refused.returncode == 3, "while a rebuild runs"
    assert asked(url, "SELECT count(*) FROM patients WHERE id = %s", ann) == [(1,)]
    done = erase(url, tmp_path, ann, "--order", "#77", "--yes")
    assert "patients" in json.loads(done.stdout)["dropped"]
    assert asked(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'ledger_previous'") == [(0,)]


def test_an_erasure_that_leaves_nothing_elsewhere_ends_well(both: tuple[str, str, str], tmp_path: Path):
    url, ann, _ = both
    assert erase(url, tmp_path, ann).returncode == 2, "an erasure names its order"
    done = erase(url, tmp_path, ann, "--order", "#77", "--yes")
    assert (done.returncode, json.loads(done.stdout)["told_elsewhere"]) == (0, [])


def test_whoever_looks_at_a_merged_patient_is_sent_to_the_one_it_lives_on_in(database_url: str, tmp_path: Path):
    with open_ledger(database_url) as ledger:
        clinic = Clinic(database_url, ledger).found()
        ann, bob = (clinic.send(**each).patient.id for each in (ANN, BOB))
        Review(ledger).resolve(ann, bob, Resolution.MERGE, clinic.caller)
    for words in (["--check"], ["--order", "#77", "--yes"]):
        refused = erase(database_url, tmp_path, bob, *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"survivor: {ann}" in refused.stderr


def test_who_does_not_confirm_erases_nothing(both: tuple[str, str, str], tmp_path: Path):
    url, ann, _ = both
    terminal, typed = os.openpty()
    os.write(terminal, b"n\n")
    declined = erase(url, tmp_path, ann, "--order", "#77", stdin=typed)
    assert (declined.returncode, declined.stderr) == (2, "Nothing was erased.\n")
    assert asked(url, "SELECT count(*) FROM ledger_events WHERE topic = 'PatientErased'") == [(0,)]


def test_an_entry_that_nobody_can_read_keeps_no_order_from_being_carried_out(
    both: tuple[str, str, str], tmp_path: Path
):
    url, ann, bob = both
    with psycopg.connect(url) as superuser:
        superuser.execute("SET session_replication_role = replica")  # no trigger fires
        for topic, stream in (("PatientCreated", bob), ("OverlaySuspected", ann)):
            forged = "UPDATE ledger_events SET state = '{not json' WHERE topic = %s AND originator_id = %s"
            assert superuser.execute(forged, (topic, stream)).rowcount == 1
    done = erase(url, tmp_path, bob, "--order", "#77", "--yes")
    told = json.loads(done.stdout)
    assert (done.returncode, told["streams"]) == (1, [bob])
    assert [(each["patient_id"], each["why"]) for each in told["told_elsewhere"]] == [(ann, UNREADABLE)]


def test_whom_somebody_merged_into_the_patient_at_the_last_moment_is_looked_for_too(database_url: str, tmp_path: Path):
    """The erasure waits for who reads the tables that it drops, and meanwhile the patient becomes another one too."""
    with open_ledger(database_url) as ledger, psycopg.connect(database_url) as reader:
        clinic, review = Clinic(database_url, ledger).found(), Review(ledger)
        ann, bob = (clinic.send(**each).patient.id for each in (ANN, BOB))
        cat = clinic.send(first_name="Cat", last_name="Wu", date_of_birth="1990-05-05").patient.id
        review.resolve(ann, cat, Resolution.MERGE, clinic.caller)
        review.unmerge(ann, cat, clinic.caller)
        assert rebuild(database_url, list(PROJECTIONS)).flipped
        reader.execute("LOCK TABLE ledger_previous.patients IN ACCESS SHARE MODE")
        with ThreadPoolExecutor(1) as threads:
            erasing = threads.submit(erase, database_url, tmp_path, bob, "--order", "#77", "--yes")
            until(lambda: asked(database_url, WAITING) == [(1,)])
            review.resolve(bob, cat, Resolution.MERGE, clinic.caller, bob)
            reader.rollback()
            done = erasing.result()
    told = json.loads(done.stdout)
    assert told["streams"] == sorted((bob, cat))
    assert [(each["patient_id"], each["why"]) for each in told["told_elsewhere"]] == [(ann, CARRIED_OVER)]
    assert done.returncode == 1


def test_an_erasure_that_is_done_is_told_though_the_others_cannot_be_asked_again(
    both: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
):
    url, ann, bob = both
    monkeypatch.setenv("LEDGER_DATABASE_URL", url)
    asked_before = iter([mentions])

    def once(ledger: Ledger, patient: Patient) -> list[Mention]:
        look = next(asked_before, None)
        if look is None:
            raise LedgerUnavailable(cause="QueryCanceled")
        return look(ledger, patient)

    monkeypatch.setattr(proofs, "mentions", once)
    done = CliRunner().invoke(app, ["erase", bob, "--order", "#77", "--yes", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["streams"]) == (1, [bob])
    assert [each["patient_id"] for each in told["told_elsewhere"]] == [ann]
    assert "Erased." in done.stderr
