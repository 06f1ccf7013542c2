"""An old and a new version of the program work on one ledger while the new one is rolled out."""

from dataclasses import fields

import psycopg

from domain.commands import RecordCommunication
from domain.entry import canonical
from domain.patient import Patient
from projections.migrations import known
from projections.rebuild import rebuild
from tests.projections.histories import an_organization, live, opened


def test_what_a_newer_program_stored_is_carried_along_by_an_older_one(database_url):
    """Both run side by side while a new version is rolled out."""
    with opened(database_url) as ledger:
        caller = an_organization(ledger)
        first = live(ledger, caller, 1, seed=1)[0]
        with psycopg.connect(database_url) as owner:
            owner.execute('UPDATE patients SET fold = (fold::jsonb || \'{"pronouns": "they"}\')::json')
        told = RecordCommunication(channel="sms", direction="inbound", occurred_at="2024-06-01T10:00:00.000000Z")
        assert ledger.change(first.patient.id, told, caller).version == first.patient.version + 1
        live(ledger, caller, 20, seed=1)
    with psycopg.connect(database_url) as owner:
        row = owner.execute(
            "SELECT fold ->> 'pronouns', fold ->> 'first_communication_at' FROM patients WHERE id = %s",
            (first.patient.id,),
        ).fetchone()
    assert row == ("they", told.occurred_at)


def test_an_event_of_a_newer_program_parks_its_stream_alone_and_upserts_go_on(database_url):
    with opened(database_url) as ledger:
        caller = an_organization(ledger)
        receipts = live(ledger, caller, 30, seed=1)
        theirs = next(each.patient.id for each in receipts if each.patient.version >= 2)
        with psycopg.connect(database_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(
                "UPDATE ledger_events SET topic = 'PronounsChanged'"
                " WHERE originator_version = 2 AND originator_id = %s",
                (theirs,),
            )
        report = rebuild(database_url, ["patients", "match_index"])
        assert (report.flipped, [each.stream_id for each in report.parked]) == (True, [theirs])
        live(ledger, caller, 60, seed=1)
        entries = ledger.stream(caller.organization_id, theirs)
        raw = [entry for entry in entries if entry.topic == "PronounsChanged"]
        assert len(raw) == 1
        assert ledger.patient_as_of(caller.organization_id, theirs).version == len(entries)
        assert [each.stream_id for each in rebuild(database_url, ["patients"]).parked] == [theirs]


def test_folds_that_hold_what_is_empty_are_read_and_migrated_to_what_a_rebuild_makes(database_url):
    """So they were stored until migration 11, and an older program goes on storing them."""
    with opened(database_url) as ledger:
        caller = an_organization(ledger)
        receipts = live(ledger, caller, 60, seed=1)
        for each in receipts[:5]:
            told = RecordCommunication(channel="sms", direction="inbound", occurred_at="2024-06-01T10:00:00.000000Z")
            ledger.change(each.patient.id, told, caller)
    with psycopg.connect(database_url) as owner:
        sparse = owner.execute("SELECT id, fold::text FROM patients ORDER BY id").fetchall()
        for patient_id, fold in owner.execute("SELECT id, fold FROM patients").fetchall():
            patient = Patient.from_json(fold)
            full = {each.name: getattr(patient, each.name) for each in fields(Patient)}
            assert Patient.from_json(full) == patient
            owner.execute("UPDATE patients SET fold = %s WHERE id = %s", (canonical(full).decode(), patient_id))
        owner.execute(next(each.sql for each in known() if each.number == 11).encode())
        assert owner.execute("SELECT id, fold::text FROM patients ORDER BY id").fetchall() == sparse
    assert rebuild(database_url, ["patients"], check=True).equal
