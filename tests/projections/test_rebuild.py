"""A rebuild gives what is live, byte for byte, and takes its place unnoticed. Crashes: test_rebuild_faults.py."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from domain.commands import RecordCommunication
from domain.entry import Draft
from domain.events import CommentsChanged
from domain.patient import Patient
from domain.receipt import Caller
from projections import parking, twin_tables
from projections import patients as read_model
from projections.build import LOCK, NICENESS, connect, stand_back
from projections.flip import FlipBlocked
from projections.gaps import EntriesSkipped
from projections.inline import PROJECTIONS
from projections.rebuild import RebuildRunning, Report, alone, rebuild
from projections.rollback import NothingToRollBack, drop_previous, rollback
from projections.unit_of_work import UnitOfWork
from tests.projections.histories import an_organization, live, opened
from tests.scripts.waiting import until

ALL = list(PROJECTIONS)
TABLES = [table.name for projection in PROJECTIONS.values() for table in projection.tables]


def contents(url: str, schema: str = "public") -> dict[str, list[Any]]:
    """Return the rows of every table, as text, in order."""
    with psycopg.connect(url) as owner:
        return {
            table: owner.execute(
                SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(Identifier(schema, table))
            ).fetchall()
            for table in TABLES
        }


@contextmanager
def owner_of(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as owner:
        yield owner


def one(url: str, query: str, *parameters: Any) -> Any:
    with owner_of(url) as owner:
        row = owner.execute(query.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def ledger_url(database_url: str) -> str:
    with opened(database_url) as ledger:
        for seed in (1, 2):
            live(ledger, an_organization(ledger), 120, seed=seed)
    return database_url


@pytest.mark.parametrize(("workers", "part", "batch"), [(1, 25_000, 2_000), (1, 7, 1), (2, 50, 3), (3, 20, 1000)])
def test_what_is_rebuilt_is_what_was_live(ledger_url, workers, part, batch):
    before = contents(ledger_url)
    report = rebuild(ledger_url, ALL, workers=workers, part=part, batch=batch)
    assert report.flipped
    assert report.equal
    assert report.differences == []
    assert report.entries == report.position
    assert contents(ledger_url) == before
    assert contents(ledger_url, "ledger_previous") == before


@pytest.mark.parametrize("seed", range(3))
def test_random_histories_rebuild_to_the_same_fingerprint_whatever_the_batches(database_url, seed):
    random = Random(seed)
    with opened(database_url) as ledger:
        for number in range(2):
            live(ledger, an_organization(ledger), random.randrange(20, 90), seed=seed * 10 + number, people=12)
    found = []
    for _ in range(3):
        part, batch = random.randrange(1, 200), random.randrange(1, 50)
        report = rebuild(database_url, ALL, workers=random.randrange(1, 3), part=part, batch=batch)
        assert report.equal
        found.append(report.rebuilt)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", ALL)
def test_one_projection_alone_can_be_rebuilt(ledger_url, name):
    before = contents(ledger_url)
    ours = {table.name for table in PROJECTIONS[name].tables}
    report = rebuild(ledger_url, [name])
    assert (report.flipped, report.equal) == (True, True)
    assert contents(ledger_url) == before
    with owner_of(ledger_url) as owner:
        assert set(twin_tables.tables_of(owner.cursor(), "ledger_previous")) == ours


def test_an_empty_ledger_can_be_rebuilt(database_url):
    assert rebuild(database_url, ALL).flipped


def test_nothing_but_the_projections_is_touched(ledger_url):
    others = ("ledger_events", "ledger_head", "follower_tracking", "api_key_uses")
    with owner_of(ledger_url) as owner:
        before = [owner.execute(f"SELECT t::text FROM {name} t ORDER BY 1".encode()).fetchall() for name in others]
        rebuild(ledger_url, ALL)
        after = [owner.execute(f"SELECT t::text FROM {name} t ORDER BY 1".encode()).fetchall() for name in others]
    assert before == after


def test_the_new_tables_are_alike_in_everything(ledger_url):
    with owner_of(ledger_url) as owner, owner.cursor() as cursor:
        cursor.execute("COMMENT ON TABLE patients IS 'the read model'")
        cursor.execute("COMMENT ON COLUMN patients.fold IS 'of the stream'")
        cursor.execute("COMMENT ON INDEX patients_by_name IS 'for search'")
        cursor.execute("ALTER TABLE match_keys SET (fillfactor = 80)")
        cursor.execute("GRANT SELECT (id) ON patients TO ledger_eraser WITH GRANT OPTION")
        before = {table: twin_tables.description(cursor, table, "public") for table in TABLES}
        rebuild(ledger_url, ALL)
        assert {table: twin_tables.description(cursor, table, "public") for table in TABLES} == before
    assert before["patients"]["policies"]
    assert len(before["match_keys"]["grants"]) >= 4
    assert before["patients"]["grants"] != before["match_keys"]["grants"]


def test_running_workers_go_on_with_what_they_prepared(ledger_url):
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        receipts = live(ledger, caller, 60, seed=5)  # every statement is prepared by now
        for _ in range(2):
            rebuild(ledger_url, ALL)
            receipts += live(ledger, caller, 60, seed=6)
            told = RecordCommunication(channel="call", direction="inbound", occurred_at="2024-06-01T10:00:00.000000Z")
            for receipt in receipts[::9]:
                held = ledger.change(receipt.patient.id, told, caller)
                with ledger.recorder.reading(caller.organization_id) as cursor:
                    assert read_model.get(cursor, caller.organization_id, held.id) == held
            assert rebuild(ledger_url, ALL, check=True).equal


def test_an_organization_sees_its_own_rows_alone_after_a_flip(ledger_url):
    with opened(ledger_url) as ledger:
        mine, theirs = an_organization(ledger), an_organization(ledger)
        live(ledger, theirs, 10, seed=7)
        rebuild(ledger_url, ALL)
        with ledger.recorder.reading(mine.organization_id) as cursor:
            for table in ("patients", "match_keys", "possible_duplicates"):
                rows = cursor.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                assert rows == (0,), table


def _comment(caller: Caller, patient: Patient) -> Draft:
    return Draft(
        organization_id=UUID(caller.organization_id),
        originator_id=UUID(patient.id),
        originator_version=patient.version + 1,
        event=CommentsChanged(old=patient.facts.get("comments"), new="across the flip"),
        request_id="req_across",
        actor=caller.actor,
        source="fax",
        salt=bytes(16),
    )


COMMENTED = "SELECT count(*) FROM {}.patients WHERE fold -> 'facts' ->> 'comments' = 'across the flip'"


def test_an_append_held_open_across_the_flip_lands_in_the_new_tables(ledger_url):
    """It has looked up its patient in the old tables; the rebuild waits for it, and takes it along."""
    reports: list[Report] = []
    about_to_flip = threading.Event()

    def progress(phase: str, _done: int, _total: int) -> None:
        if phase == "flip":
            about_to_flip.set()

    rebuilder = threading.Thread(target=lambda: reports.append(rebuild(ledger_url, ALL, progress=progress)))
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        patient_id = live(ledger, caller, 30, seed=8)[0].patient.id
        with ledger.recorder.unit_of_work([caller.organization_id]) as work:
            (patient,) = work.lock_patients(caller.organization_id, [patient_id])
            rebuilder.start()
            assert about_to_flip.wait(60)
            rebuilder.join(1)
            assert rebuilder.is_alive()
            ledger.events.put([_comment(caller, patient)], work=work)
        rebuilder.join(60)
    assert reports[0].flipped
    assert one(ledger_url, COMMENTED.format("public")) == 1
    assert one(ledger_url, COMMENTED.format("ledger_previous")) == 1
    assert rebuild(ledger_url, ALL, check=True).equal


def test_an_append_opened_before_the_flip_and_made_after_it_lands_in_the_new_tables(ledger_url):
    """Its snapshot and its prepared statements are from before; the tables are found by name when they are needed."""
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        patient_id = live(ledger, caller, 30, seed=8)[0].patient.id
        with ledger.recorder.unit_of_work([caller.organization_id]) as work:
            assert isinstance(work, UnitOfWork)
            work.begin()  # the transaction is open, and has touched no table
            assert rebuild(ledger_url, ALL).flipped
            (patient,) = work.lock_patients(caller.organization_id, [patient_id])
            ledger.events.put([_comment(caller, patient)], work=work)
    assert one(ledger_url, COMMENTED.format("public")) == 1
    assert one(ledger_url, COMMENTED.format("ledger_previous")) == 0
    assert rebuild(ledger_url, ALL, check=True).equal


@pytest.mark.parametrize("schema", ["public", "ledger_previous"])
def test_a_flip_that_waits_for_vacuum_holds_up_nobody(ledger_url, schema):
    """VACUUM may be at work on tables that upserts need, and on those that wait for their place."""
    assert rebuild(ledger_url, ALL).flipped
    waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
    waiting += " AND application_name = 'ledger rebuild coordinator'"
    held = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'"
    held += " AND relation = ANY (ARRAY['public.patients', 'public.match_keys']::regclass[])"
    reports: list[Report] = []
    with psycopg.connect(ledger_url) as vacuum, opened(ledger_url) as ledger:
        vacuum.execute(f"LOCK TABLE {schema}.match_keys IN SHARE UPDATE EXCLUSIVE MODE".encode())
        rebuilder = threading.Thread(target=lambda: reports.append(rebuild(ledger_url, ALL)))
        rebuilder.start()
        until(lambda: one(ledger_url, waiting) == 1)
        assert one(ledger_url, held) == 0
        live(ledger, an_organization(ledger), 3, seed=7)
        assert rebuilder.is_alive()
        vacuum.rollback()
        rebuilder.join(60)
    assert reports[0].flipped
    assert rebuild(ledger_url, ALL, check=True).equal


def test_a_row_edited_by_hand_is_found_and_named_by_field(ledger_url):
    with owner_of(ledger_url) as owner:
        owner.execute(
            "UPDATE patients SET fold = jsonb_set(fold::jsonb, '{facts,last_name}', '\"Forged\"')::json"
            " WHERE id = (SELECT max(id::text)::uuid FROM patients)"
        )
        owner.execute("DELETE FROM match_keys WHERE ctid = (SELECT min(ctid) FROM match_keys WHERE kind = 'phone')")
        owner.execute("INSERT INTO match_keys SELECT organization_id, 'email', 'x', patient_id FROM match_keys LIMIT 1")
    forged = contents(ledger_url)
    checked = rebuild(ledger_url, ALL, check=True)
    assert not checked.equal
    by_table = {each.table: each for each in checked.differences}
    assert by_table["patients"].changed == 1
    assert "fold.facts.last_name" in by_table["patients"].fields
    assert (by_table["match_keys"].added, by_table["match_keys"].removed) == (1, 1)
    assert "Forged" not in str(checked.to_json())
    refused = rebuild(ledger_url, ALL)
    assert not refused.flipped
    assert contents(ledger_url) == forged
    assert rebuild(ledger_url, ALL, accept=True).flipped
    assert rebuild(ledger_url, ALL, check=True).equal
    assert one(ledger_url, "SELECT count(*) FROM patients WHERE fold::text LIKE '%Forged%'") == 0


def test_a_check_leaves_no_table_behind_and_is_noted(ledger_url):
    report = rebuild(ledger_url, ["patients"], check=True)
    assert not report.flipped
    with owner_of(ledger_url) as owner:
        assert twin_tables.tables_of(owner.cursor(), "ledger_building") == []
        assert twin_tables.tables_of(owner.cursor(), "ledger_previous") == []
        noted = owner.execute("SELECT kind, subject, position, passed, result FROM ledger_checks").fetchall()
    assert noted == [("fingerprint", "patients", report.position, True, report.rebuilt["patients"])]


def test_a_rollback_brings_the_old_tables_back_with_all_that_came_since(ledger_url):
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        live(ledger, caller, 30, seed=11)
        rebuild(ledger_url, ALL)
        for seed in (12, 13):
            live(ledger, caller, 40, seed=seed)
            now = contents(ledger_url)
            assert rollback(ledger_url, ALL).flipped
            assert contents(ledger_url) == now
            live(ledger, caller, 10, seed=seed + 10)
            assert rebuild(ledger_url, ALL, check=True).equal


def test_a_rollback_replaces_rows_that_another_version_wrote(ledger_url):
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)
        receipts = live(ledger, caller, 10, seed=14)
        with owner_of(ledger_url) as owner:
            owner.execute("UPDATE match_keys SET key = 'old ' || key")
        rebuild(ledger_url, ALL, accept=True)
        assert one(ledger_url, OLD_KEYS) == 0
        told = RecordCommunication(channel="sms", direction="inbound", occurred_at="2024-06-01T10:00:00.000000Z")
        ledger.change(receipts[0].patient.id, told, caller)
    rollback(ledger_url, ALL)
    assert one(ledger_url, OLD_KEYS) > 0
    assert one(ledger_url, f"{OLD_KEYS} AND patient_id = '{receipts[0].patient.id}'") == 0
    of_patient = f"SELECT count(*) FROM match_keys WHERE patient_id = '{receipts[0].patient.id}'"
    assert one(ledger_url, of_patient) > 0


OLD_KEYS = "SELECT count(*) FROM match_keys WHERE key LIKE 'old %'"


def test_dropped_tables_cannot_be_rolled_back_to(ledger_url):
    with pytest.raises(NothingToRollBack):
        rollback(ledger_url, ALL)
    rebuild(ledger_url, ALL)
    with alone(ledger_url) as connection:
        assert drop_previous(connection, ALL) == sorted(TABLES)
    with pytest.raises(NothingToRollBack):
        rollback(ledger_url, ALL)


def test_a_missing_entry_stops_the_rebuild_and_nothing_live_is_touched(ledger_url):
    before = contents(ledger_url)
    middle = "SELECT position FROM ledger_events WHERE originator_version = 2 LIMIT 1"
    last = (
        "SELECT max(position) FROM ledger_events e WHERE NOT EXISTS (SELECT FROM ledger_events f"
        " WHERE f.originator_id = e.originator_id AND f.originator_version > e.originator_version)"
    )
    for which in (middle, last):  # the versions see the first; only the positions see the second
        with owner_of(ledger_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(f"CREATE TABLE gone AS SELECT * FROM ledger_events WHERE position = ({which})".encode())
            owner.execute("DELETE FROM ledger_events WHERE position IN (SELECT position FROM gone)")
            for workers in (1, 2):
                with pytest.raises(EntriesSkipped):
                    rebuild(ledger_url, ALL, workers=workers, part=40)
            owner.execute("INSERT INTO ledger_events SELECT * FROM gone; DROP TABLE gone")
    assert contents(ledger_url) == before
    assert rebuild(ledger_url, ALL).equal


def _poison(url: str, topic: str, schema_version: int, state: bytes) -> tuple[Any, ...]:
    """Change an entry in the middle of a stream; return (position, organization, stream, topic, version, state)."""
    with owner_of(url) as owner:
        owner.execute("SET session_replication_role = replica")
        row = owner.execute(
            "SELECT position, organization_id, originator_id, topic, schema_version, state FROM ledger_events"
            " WHERE originator_version = 3 AND organization_id <> originator_id ORDER BY position LIMIT 1"
        ).fetchone()
        assert row is not None
        owner.execute(
            "UPDATE ledger_events SET topic = %s, schema_version = %s, state = %s WHERE position = %s",
            (topic, schema_version, state, row[0]),
        )
    return row


@pytest.mark.parametrize(
    ("topic", "schema_version", "state", "error"),
    [
        ("EmailChanged", 1, b"{not json", "JSONDecodeError"),
        ("EmailChanged", 1, b'{"older":"shape"}', "TypeError"),
        ("EmailChanged", 99, b"{}", "NewerEvent"),
        ("SomethingNewHappened", 1, b"{}", "NewerEvent"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_poison_parks_its_stream_which_keeps_its_rows(ledger_url, topic, schema_version, state, error, workers):
    before = contents(ledger_url)
    position, organization, stream, *original = _poison(ledger_url, topic, schema_version, state)
    report = rebuild(ledger_url, ALL, workers=workers, part=40)
    assert report.flipped
    assert contents(ledger_url) == before
    assert [(each.position, each.stream_id) for each in report.parked] == [(position, str(stream))]
    with owner_of(ledger_url) as owner:
        parked = parking.parked(owner.cursor())
        assert {each.projection for each in parked} == {"patients", "match_index", "duplicates"}
        assert {each.stream for each in parked} == {(organization, stream)}
        assert parked[0].reason == f"{error} at {topic} (schema version {schema_version})"
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE ledger_events SET topic = %s, schema_version = %s, state = %s WHERE position = %s",
            (*original, position),
        )
        assert rebuild(ledger_url, ALL).equal
        assert parking.parked(owner.cursor()) == []
    assert contents(ledger_url) == before


def test_poison_that_comes_while_the_tables_are_caught_up_is_parked_too(ledger_url):
    with opened(ledger_url) as ledger:
        caller = an_organization(ledger)

        def progress(phase: str, _done: int, _total: int) -> None:
            if phase == "index":
                live(ledger, caller, 40, seed=15)
                with owner_of(ledger_url) as owner:
                    owner.execute("SET session_replication_role = replica")
                    owner.execute(
                        "UPDATE ledger_events SET topic = 'New'"
                        " WHERE position = (SELECT max(position) FROM ledger_events)"
                    )

        report = rebuild(ledger_url, ALL, progress=progress)
    assert report.flipped
    assert report.equal
    assert [each.position for each in report.parked] == [report.position]


def test_only_one_rebuild_runs_at_a_time(ledger_url):
    with owner_of(ledger_url) as owner:
        owner.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        with pytest.raises(RebuildRunning):
            rebuild(ledger_url, ALL)
        owner.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert rebuild(ledger_url, ALL).flipped


def test_a_long_reader_is_not_disturbed_and_keeps_the_flip_from_happening(ledger_url):
    before = contents(ledger_url)
    with psycopg.connect(ledger_url) as reader, opened(ledger_url) as ledger:
        reader.execute("SELECT count(*) FROM patients")
        with pytest.raises(FlipBlocked) as refused:
            rebuild(ledger_url, ALL, patience=0.5)
        assert refused.value.details["by"]
        live(ledger, an_organization(ledger), 3, seed=16)
        rows = reader.execute("SELECT count(*) FROM patients").fetchone()
        assert rows is not None
        assert rows[0] >= len(before["patients"])
    with owner_of(ledger_url) as owner:
        assert twin_tables.tables_of(owner.cursor(), "ledger_building") == []
    assert rebuild(ledger_url, ALL).equal


def test_what_an_interrupted_rebuild_left_is_cleared_away(ledger_url):
    class Interrupted(BaseException):
        pass

    def progress(phase: str, _done: int, _total: int) -> None:
        if phase == "compare":
            raise Interrupted

    with pytest.raises(Interrupted):
        rebuild(ledger_url, ALL, progress=progress)
    with owner_of(ledger_url) as owner:
        assert twin_tables.tables_of(owner.cursor(), "ledger_building") == []
        owner.execute("CREATE TABLE ledger_building.patients (left_over int)")
    assert rebuild(ledger_url, ALL).equal


def test_a_table_that_others_hold_on_to_is_not_swapped(ledger_url):
    with owner_of(ledger_url) as owner:
        owner.execute("CREATE VIEW names AS SELECT last_name FROM patients")
    with pytest.raises(twin_tables.TableInUse):
        rebuild(ledger_url, ALL)


def test_a_throttled_rebuild_takes_its_time(ledger_url):
    entries = one(ledger_url, "SELECT position FROM ledger_head")
    report = rebuild(ledger_url, ["patients"], throttle=entries / 0.5)
    assert report.seconds["build"] >= 0.4


def test_tables_that_have_changed_since_are_not_rolled_back_to(ledger_url):
    rebuild(ledger_url, ALL)
    with owner_of(ledger_url) as owner:
        owner.execute("CREATE INDEX patients_by_version ON patients (organization_id, version)")
    before = contents(ledger_url)
    with pytest.raises(twin_tables.TwinDiffers) as refused:
        rollback(ledger_url, ["patients"])
    assert refused.value.details == {"table": "patients", "parts": ["indexes"]}
    assert contents(ledger_url) == before
    assert rebuild(ledger_url, ALL).flipped


def test_a_process_of_the_server_that_builds_stands_back_among_all_others(database_url):
    with connect(database_url, "test") as connection:
        pid = connection.info.backend_pid
        if not connection.info.host.startswith("/"):
            pytest.skip("the server may be another machine's")
        stand_back(connection)
        assert os.getpriority(os.PRIO_PROCESS, pid) == NICENESS
        group = Path(f"/proc/{pid}/autogroup")
        assert not group.exists() or group.read_text().split()[-1] == str(NICENESS)
