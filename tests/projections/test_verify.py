"""Does the verifier find what somebody with every right on the database has done to the ledger, and name it?"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import psycopg
import pytest

from domain import erasure, hashing
from domain.errors import UnknownPatient
from projections import proven
from projections.checkpoint_folder import CheckpointFolder
from projections.event_store import stored_entry
from projections.follow import AheadOfLedger, run
from projections.sign import Signer
from projections.statements import statements
from projections.verdict import MOST_FINDINGS
from projections.verify import UnknownCheckpoint, verify
from tests.clinic import asked
from tests.projections.signed_ledger import ANN, KEY, Signed, found

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"


def test_a_ledger_that_nobody_touched_passes_with_every_checkpoint(signed: Signed):
    verdict = signed.verify()
    assert verdict.passed
    assert verdict.checkpoints == len(signed.folder.sizes()) == 2
    assert verdict.last_checkpoint == verdict.position == verdict.events


def test_a_ledger_that_holds_nothing_yet_passes(database_url: str, tmp_path: Path):
    assert verify(database_url, KEY.verifier, CheckpointFolder(tmp_path)).passed


def test_how_far_it_is_is_told_at_each_checkpoint_and_at_the_end(signed: Signed):
    first, head = signed.folder.sizes()
    signed.tamper(f"DELETE FROM ledger_events WHERE position > {head - 3}")
    told: list[tuple[int, int]] = []
    verify(signed.clinic.url, KEY.verifier, signed.folder, progress=lambda *so_far: told.append(so_far))
    assert told == [(first, head), (head - 3, head), (head, head)]


@pytest.mark.parametrize(
    "column",
    [
        "organization_id = '00000000-0000-4000-8000-000000000001'",
        "originator_id = '00000000-0000-4000-8000-000000000001'",
        "topic = 'PhoneChanged'",
        "schema_version = 2",
        "state = state || ' '::bytea",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "request_id = 'req_other'",
        "actor = 'key:other'",
        "source = 'manual'",
        "salt = sha256(salt)",
        "state_hash = sha256(state_hash)",
        "leaf_hash = sha256(leaf_hash)",
        "chain_hash = sha256(chain_hash)",
    ],
    ids=lambda column: column.split(" ")[0],
)
def test_an_edited_column_is_found_where_it_stands(signed: Signed, column: str):
    signed.tamper(f"UPDATE ledger_events SET {column} WHERE position = 9")
    assert found(signed.verify()) == ("edited", 9)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param("salt = salt || substring(state FOR 1), state = substring(state FROM 2)", id="salt and state"),
        pytest.param("leaf_hash = leaf_hash || leaf_hash", id="leaf_hash"),
        pytest.param("leaf_hash = ''", id="no leaf_hash"),
        pytest.param("chain_hash = substring(chain_hash FROM 2)", id="chain_hash"),
        pytest.param("state_hash = state_hash || state_hash", id="state_hash"),
        pytest.param("state = ''", id="state"),
    ],
)
def test_a_column_of_another_length_is_found(signed: Signed, columns: str):
    signed.tamper(f"UPDATE ledger_events SET {columns} WHERE position = 9")
    assert found(signed.verify()) == ("edited", 9)


def test_an_instant_that_no_clock_shows_is_found(signed: Signed):
    signed.tamper("UPDATE ledger_events SET recorded_at = 'infinity' WHERE position = 9")
    assert found(signed.verify()) == ("edited", 9)


@pytest.mark.parametrize(("version", "what"), [(40, "deleted"), (-1, "inserted")])
def test_an_edited_version_is_found(signed: Signed, version: int, what: str):
    signed.tamper(f"UPDATE ledger_events SET originator_version = {version} WHERE position = 9")
    edited, misplaced = signed.verify().findings[:2]
    assert (edited.what, edited.position) == ("edited", 9)
    assert (misplaced.what, misplaced.position) == (what, 9)


@pytest.mark.parametrize(("last", "gone"), [(9, "9"), (10, "9 to 10")])
def test_entries_deleted_from_the_middle_are_found(signed: Signed, last: int, gone: str):
    signed.tamper(f"DELETE FROM ledger_events WHERE position BETWEEN 9 AND {last}")
    verdict = signed.verify()
    assert found(verdict) == ("deleted", 9)
    assert verdict.findings[0].detail == f"position {gone} is missing"


def test_an_entry_in_a_place_that_is_taken_is_found(signed: Signed):
    signed.tamper(
        "DROP INDEX ledger_events_position",
        "CREATE TEMPORARY TABLE one AS SELECT * FROM ledger_events WHERE position = 9",
        "UPDATE one SET originator_version = 99",
        "INSERT INTO ledger_events SELECT * FROM one",
    )
    findings = [(each.what, each.position, each.detail) for each in signed.verify().findings]
    assert ("inserted", 9, "this position stands twice") in findings


def test_a_deleted_tail_is_found(signed: Signed):
    head = signed.verify().position
    signed.tamper(f"DELETE FROM ledger_events WHERE position > {head - 3}")
    assert found(signed.verify()) == ("truncated", head - 2)


def test_a_tail_that_was_deleted_with_its_place_in_the_head_is_found(signed: Signed):
    head = signed.verify().position
    signed.tamper(
        f"DELETE FROM ledger_events WHERE position > {head - 3}",
        f"UPDATE ledger_head SET position = {head - 3}",
        "TRUNCATE checkpoints",
    )
    assert found(signed.verify()) == ("rolled back", head - 2)


def test_an_emptied_ledger_is_found(signed: Signed):
    signed.tamper("TRUNCATE ledger_events", "UPDATE ledger_head SET position = 0", "TRUNCATE checkpoints")
    assert found(signed.verify()) == ("rolled back", 1)


def test_an_entry_inserted_behind_the_head_is_found(signed: Signed):
    head = signed.verify().position
    signed.tamper(
        "INSERT INTO ledger_events SELECT position + 1, organization_id, originator_id, originator_version + 1, topic,"
        " schema_version, state, recorded_at, request_id, actor, source, salt, state_hash, leaf_hash, chain_hash"
        f" FROM ledger_events WHERE position = {head}"
    )
    verdict = signed.verify()
    assert {finding.position for finding in verdict.findings} == {head + 1}
    assert "inserted" in {finding.what for finding in verdict.findings}


@pytest.mark.parametrize("position", [0, -7, -(1 << 63)])
def test_an_entry_inserted_before_the_first_is_found(signed: Signed, position: int):
    signed.tamper(
        "CREATE TEMPORARY TABLE one AS SELECT * FROM ledger_events WHERE position = 9",
        f"UPDATE one SET position = {position}, originator_version = 99",
        "INSERT INTO ledger_events SELECT * FROM one",
    )
    verdict = signed.verify()
    assert found(verdict) == ("inserted", position)
    assert (len(verdict.findings), verdict.checkpoints) == (1, 2)


def test_swapped_entries_are_found_and_their_places_named(signed: Signed):
    signed.tamper(
        "UPDATE ledger_events SET position = -position WHERE position IN (1, 11)",
        "UPDATE ledger_events SET position = CASE position WHEN -1 THEN 11 ELSE 1 END WHERE position < 0",
    )
    verdict = signed.verify()
    assert [(each.position, each.detail) for each in verdict.findings if each.what == "reordered"] == [
        (1, "this entry was recorded at position 11"),
        (11, "this entry was recorded at position 1"),
    ]


def test_renumbered_entries_are_found(signed: Signed):
    signed.tamper(
        "DELETE FROM ledger_events WHERE position = 9",
        "UPDATE ledger_events SET position = -(position - 1) WHERE position > 9",
        "UPDATE ledger_events SET position = -position WHERE position < 0",
        "UPDATE ledger_head SET position = position - 1",
    )
    assert found(signed.verify()) == ("reordered", 9)


def test_a_mass_edit_of_a_large_ledger_is_told_without_searching_it_for_each_entry(signed: Signed):
    """Where an entry was recorded is only worth a search while there is room to tell it: the head says a trillion."""
    for number in range(MOST_FINDINGS):
        signed.clinic.send(**{**ANN, "comments": f"call {number}"})
    signed.tamper(
        f"UPDATE ledger_events SET state = state || ' '::bytea WHERE position <= {MOST_FINDINGS}",
        f"UPDATE ledger_events SET actor = 'key:other' WHERE position > {MOST_FINDINGS}",
        "UPDATE ledger_head SET position = 1000000000000",
    )
    findings = signed.verify().findings
    assert [(each.what, each.position) for each in findings] == [
        ("edited", place) for place in range(1, MOST_FINDINGS + 1)
    ]


def test_a_payload_removed_without_an_order_is_found(signed: Signed):
    signed.tamper("UPDATE ledger_events SET state = NULL, salt = NULL WHERE position = 9")
    assert found(signed.verify()) == ("erased", 9)


def test_an_order_to_erase_one_patient_excuses_no_payload_that_was_removed_from_another(signed: Signed):
    ((first, last),) = asked(
        signed.clinic.url,
        "SELECT position, (SELECT max(position) FROM ledger_events WHERE topic = 'PatientCreated') FROM ledger_events"
        " WHERE topic = 'PatientCreated' ORDER BY position LIMIT 1",
    )
    ((patient_id,),) = asked(signed.clinic.url, "SELECT originator_id FROM ledger_events WHERE position = %s", last)
    signed.tamper(f"UPDATE ledger_events SET state = NULL, salt = NULL WHERE position = {first}")
    erasure.erase(signed.clinic.ledger, str(patient_id), "#77", signed.clinic.caller)
    assert found(signed.verify()) == ("erased", first)


def recompute(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Recompute every hash from the stored columns, as somebody who has read the documentation would."""
    log = statements("event_store")["select_log"]
    chains: dict[object, bytes] = {}
    for entry in map(stored_entry, connection.execute(log, {"after": 0, "up_to": 2**62, "limit": 10_000}).fetchall()):
        assert entry.recorded_at is not None
        fresh = hashing.state_hash(entry.salt, entry.state)
        rewritten = replace(entry, state_hash=fresh)
        leaf = hashing.leaf_hash(rewritten.leaf_prefix(), entry.position, hashing.microseconds(entry.recorded_at))
        chain = hashing.chain_hash(chains.get(entry.originator_id, hashing.BEFORE_FIRST), leaf)
        chains[entry.originator_id] = chain
        connection.execute(
            "UPDATE ledger_events SET state_hash = %s, leaf_hash = %s, chain_hash = %s WHERE position = %s",
            (fresh, leaf, chain, entry.position),
        )


def test_a_rewritten_ledger_with_every_hash_recomputed_contradicts_what_was_signed(signed: Signed):
    first, last = signed.folder.sizes()
    with psycopg.connect(signed.clinic.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger_events SET actor = 'key:other' WHERE position = %s", (last,))
        recompute(connection)
    verdict = signed.verify()
    assert found(verdict) == ("rewritten", first + 1)
    assert f"positions {first + 1} to {last}" in verdict.findings[0].detail
    assert verdict.checkpoints == 1


def test_a_checkpoint_that_was_replaced_in_the_database_is_found(signed: Signed):
    signed.tamper("UPDATE checkpoints SET note = replace(note, 'signed-at 2026', 'signed-at 2025')")
    assert signed.verify().findings[0].what == "edited"


def test_since_a_checkpoint_only_what_came_later_is_read_and_still_held_to_its_streams(signed: Signed):
    first, last = signed.folder.sizes()
    verdict = signed.verify(since=first)
    assert verdict.passed
    assert verdict.events == last - first
    signed.tamper(f"UPDATE ledger_events SET chain_hash = sha256(chain_hash) WHERE position = {last}")
    assert found(signed.verify(since=first)) == ("edited", last)
    with pytest.raises(UnknownCheckpoint):
        signed.verify(since=first + 1)


def test_an_erased_patient_leaves_every_proof_valid_and_nothing_to_read(signed: Signed):
    clinic = signed.clinic
    patient = clinic.send(**{**ANN, "last_name": "Lee0", "phone_number": "+12125550100"}).patient
    erased = erasure.erase(clinic.ledger, patient.id, "#77", clinic.caller)
    assert erased.streams == (patient.id,)
    signed.sign()
    verdict = signed.verify()
    assert verdict.passed
    assert verdict.erased == erased.events == patient.version
    with psycopg.connect(clinic.url) as owner:
        for table in ("patients", "match_keys", "possible_duplicates", "idempotency_keys"):
            column = "id" if table == "patients" else "patient_id"
            left = owner.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", (patient.id,)).fetchone()
            assert left == (0,), table
        held = "SELECT count(*) FROM ledger_events WHERE originator_id = %s AND (state IS NOT NULL OR salt IS NOT NULL)"
        assert owner.execute(held, (patient.id,)).fetchone() == (1,)
    with pytest.raises(UnknownPatient):
        erasure.erase(clinic.ledger, patient.id, "#78", clinic.caller)
    assert clinic.send(**{**ANN, "last_name": "Lee0", "phone_number": "+12125550100"}).created


@pytest.mark.parametrize("column", ["state = '{}'", "salt = substring(sha256('') FOR 16)"], ids=["state", "salt"])
def test_what_is_put_in_the_place_of_an_erased_payload_is_found(signed: Signed, column: str):
    clinic = signed.clinic
    patient = clinic.send(**{**ANN, "last_name": "Lee0", "phone_number": "+12125550100"}).patient
    erasure.erase(clinic.ledger, patient.id, "#77", clinic.caller)
    ((first,),) = asked(clinic.url, "SELECT min(position) FROM ledger_events WHERE state IS NULL")
    signed.tamper(f"UPDATE ledger_events SET {column} WHERE position = {first}")
    assert found(signed.verify()) == ("edited", first)


def test_an_export_is_checked_by_the_offline_verifier_also_while_the_ledger_goes_on(signed: Signed, tmp_path: Path):
    clinic = signed.clinic
    patient = clinic.send(**{**ANN, "last_name": "Lee1", "phone_number": "+12125550101"}).patient
    for number in range(3):  # followed, and not yet signed
        clinic.send(**{**ANN, "last_name": "Lee1", "phone_number": "+12125550101", "comments": f"call {number}"})
        clinic.send(first_name="Zoe", last_name=f"New{number}", phone_number=f"+1212555017{number}")
    signed.now -= timedelta(seconds=61)
    signed.sign()
    document = proven.export(clinic.url, KEY.verifier, clinic.id, patient.id)
    file = tmp_path / "export.json"
    file.write_text(json.dumps(document))
    checked = subprocess.run([sys.executable, VERIFIER, file], check=False, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "C  PROVEN" in checked.stdout
    assert len(document["events"]) == patient.version


def test_an_erased_patient_is_exported_once_the_erasure_is_signed(signed: Signed, tmp_path: Path):
    clinic = signed.clinic
    patient = clinic.send(**{**ANN, "last_name": "Lee1", "phone_number": "+12125550101"}).patient
    erasure.erase(clinic.ledger, patient.id, "#77", clinic.caller)
    with pytest.raises(proven.NotYetSigned):
        proven.export(clinic.url, KEY.verifier, clinic.id, patient.id)
    signed.sign()
    file = tmp_path / "export.json"
    file.write_text(json.dumps(proven.export(clinic.url, KEY.verifier, clinic.id, patient.id)))
    checked = subprocess.run([sys.executable, VERIFIER, file], check=False, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"F  PROVEN: {patient.version} payloads are erased" in checked.stdout


def test_a_signer_signs_nothing_over_a_ledger_that_went_back_in_time(signed: Signed):
    head = signed.verify().position
    signed.tamper(
        f"DELETE FROM ledger_events WHERE position > {head - 3}",
        f"UPDATE ledger_head SET position = {head - 3}",
    )
    with pytest.raises(AheadOfLedger):
        signed.sign()


def test_the_signer_follows_a_live_ledger(signed: Signed, until: Callable[[Callable[[], bool]], None]):
    stop = Flag()
    signed.now += timedelta(seconds=61)
    thread = Thread(target=run, args=(Signer(KEY, signed.folder, lambda: signed.now), signed.clinic.url, stop))
    thread.start()
    try:
        signed.clinic.send(first_name="Zoe", last_name="Kim", phone_number="+12125550177")
        until(lambda: len(signed.folder.sizes()) == 3)
    finally:
        stop.set()
        thread.join()
    assert signed.verify().checkpoints == 3


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Return a function that waits for something to become true, for ten seconds at most."""

    def wait(done: Callable[[], bool]) -> None:
        pause, deadline = Flag(), time.monotonic() + 10
        while not done():
            assert time.monotonic() < deadline
            pause.wait(0.05)

    return wait
