"""An old and a new version of the program work on one ledger while the new one is rolled out."""

import psycopg

from domain.commands import RecordCommunication
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
        assert ledger.record_communication(first.patient.id, told, caller).version == first.patient.version + 1
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
