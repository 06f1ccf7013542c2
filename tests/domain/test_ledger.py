"""Does the ledger keep its promises, from the records that are sent to the rows that are stored?"""

from datetime import timedelta
from typing import Any

import pytest

from api.bootstrap import new_id
from domain.commands import AddReferenceItem, ChangeSetting, CreateOrganization, IssueApiKey, RevokeApiKey
from domain.entry import canonical
from domain.errors import IllegalCommand, TooLittleToIdentify, UnknownOrganization, UnknownPatient
from domain.events import (
    ExternalIdAssigned,
    ExternalIdReplaced,
    FieldDropped,
    PatientCreated,
    PatientMatched,
    PhoneChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
)
from domain.matching import NoMatch
from domain.organization import fold
from domain.receipt import Caller, Receipt, Upsert
from tests.clinic import Clinic, asked, check_positions, check_read_models, open_ledger
from tests.domain.records import EXTERNAL_ID_TYPE

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}


def external_id(value: str) -> dict[str, Any]:
    return {"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": value}}


# ---- what is answered


def test_a_record_of_nobody_creates_and_of_somebody_changes(clinic: Clinic):
    created = clinic.send(**ANN)
    assert (created.created, created.patient.version, len(created.events)) == (True, 1, 1)
    assert isinstance(created.outcome, NoMatch)
    changed = clinic.send(**ANN, city="Troy")
    assert (changed.created, changed.patient.id, changed.patient.version) == (False, created.patient.id, 3)
    assert isinstance(changed.events[0], PatientMatched)
    assert changed.position == (created.position or 0) + 2
    silent = clinic.send(**ANN, city="Troy")
    assert (silent.events, silent.position, silent.patient) == ((), None, changed.patient)


def test_an_external_id_of_a_known_patient_is_enough(clinic: Clinic):
    with pytest.raises(TooLittleToIdentify):
        clinic.send(**external_id("A-1"))
    created = clinic.send(**external_id("A-1"), phone_number="212-555-0142")
    found = clinic.send(**external_id("A-1"), gender="female")
    assert found.patient.id == created.patient.id
    assert found.outcome.tier == "external_id"
    with pytest.raises(TooLittleToIdentify):
        clinic.send(**external_id("a-1"))


@pytest.mark.parametrize(
    "nobody",
    [
        {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1900-01-01"},
        {"first_name": "Baby Boy", "last_name": "Lee", "date_of_birth": "2026-05-01", "phone_number": "212-555-0142"},
        {"first_name": "John", "last_name": "Doe", "date_of_birth": "1980-03-01"},
    ],
)
def test_a_record_that_does_not_say_who_it_is_is_found_again_by_its_external_id_alone(clinic: Clinic, nobody):
    assert clinic.send(**nobody).created
    assert clinic.send(**nobody).created
    known = {**nobody, "external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "MRN-1"}}
    assert clinic.send(**known).created
    assert not clinic.send(**known).events


def test_a_refused_record_tells_what_was_dropped_of_it_and_stores_nothing(clinic: Clinic):
    head = check_positions(clinic.url)
    with pytest.raises(TooLittleToIdentify) as refused:
        clinic.send(first_name="Ann", phone_number="999-999-9999")
    assert [(each.field, each.reason) for each in refused.value.details["dropped"]] == [("phone_number", "placeholder")]
    assert check_positions(clinic.url) == head


def test_a_changed_external_id_is_told_and_carried(clinic: Clinic):
    patient = clinic.send(**ANN, **external_id("A-1")).patient
    receipt = clinic.send(**ANN, **external_id("A-2"))
    assert receipt.patient.id == patient.id
    assert receipt.events[1:] == (ExternalIdReplaced(EXTERNAL_ID_TYPE, "A-1", "A-2"),)
    assert receipt.patient.external_id(EXTERNAL_ID_TYPE) == "A-2"
    stranger = clinic.send(**external_id("A-1"), phone_number="212-555-0199")
    assert stranger.created, "only the current value matches"
    assert ExternalIdAssigned(EXTERNAL_ID_TYPE, "A-1") in stranger.events


def test_a_phone_is_locked_by_a_communication(clinic: Clinic):
    patient = clinic.send(**ANN, phone_number="212-555-0142").patient
    assert clinic.send(**ANN, phone_number="212-555-0143").events[-1] == PhoneChanged(
        "+12125550142", "+12125550143", None
    )
    clinic.communicate(patient.id)
    refused = clinic.send(**ANN, phone_number="212-555-0144", city="Troy")
    assert PhoneLockRespected("+12125550143", "+12125550144") in refused.events
    assert [each.field for each in refused.dropped] == ["phone_number"]
    assert refused.patient.phone == "+12125550143"
    again = clinic.send(**ANN, phone_number="212-555-0144", city="Troy")
    assert again.events == ()
    assert [each.field for each in again.dropped] == ["phone_number"], "silent in the ledger, not in the answer"
    held = clinic.send(**ANN, phone_number="212-555-0143")
    assert (held.events, held.dropped) == ((), ())


def test_a_refused_phone_that_is_sent_alone_is_not_the_patients(clinic: Clinic):
    """It was never theirs: whoever calls from it is somebody new, and a person is shown the two."""
    patient = clinic.send(**ANN, phone_number="212-555-0142").patient
    clinic.communicate(patient.id)
    clinic.send(**ANN, phone_number="212-555-0144")
    alone = clinic.send(phone_number="212-555-0144", first_name="Ann", last_name="Lee")
    assert alone.created
    (flag,) = (each for each in alone.events if isinstance(each, PossibleDuplicateFlagged))
    assert (flag.other_id, flag.evidence["phone"]) == (patient.id, "refused")
    assert clinic.send(phone_number="212-555-0144", first_name="Bo", last_name="Lee").outcome == NoMatch()
    assert clinic.send(phone_number="212-555-0144", first_name="Ann", last_name="Lee").patient.id == alone.patient.id
    check_read_models(clinic)


def test_a_drop_is_told_once_and_answered_every_time(clinic: Clinic):
    first = clinic.send(**ANN, email="nonsense")
    again = clinic.send(**ANN, email="nonsense")
    assert first.events[-1] == FieldDropped("email", "not_an_email", "nonsense")
    assert again.events == ()
    assert again.dropped == first.dropped != ()


def test_a_receipt_says_whether_the_patient_holds_more_than_the_record_did(clinic: Clinic):
    held: list[dict[str, Any]] = [
        {"city": "Troy"},
        {"tags": ["vip"]},
        {"custom_fields": {"shoe": 44}},
        {"payors": [{"insured_member_id": "M-1"}]},
        {"referral": {"physician_name": "Dr. Ruiz"}},
        external_id("A-1"),
    ]
    for number, more in enumerate(held, start=1):
        record = {**ANN, "date_of_birth": f"1980-01-{number:02}"}
        clinic.send(**record)
        assert not clinic.send(**record).tells_more
        clinic.send(**record, **more)
        assert clinic.send(**record).tells_more, more
    clinic.communicate(clinic.send(**ANN).patient.id)
    assert clinic.send(**ANN).tells_more


def test_rivals_that_may_be_the_same_person_are_flagged(clinic: Clinic):
    """Two who both fit: nobody is guessed, both are named, and the same record again finds the one it made."""
    one = clinic.send(first_name="Ann", last_name="Lee", phone_number="212-555-0142", **external_id("A-1")).patient
    two = clinic.send(
        first_name="Ann", last_name="Lee", phone_number="212-555-0142", date_of_birth="1951-07-09", gender="m"
    ).patient
    record = {"first_name": "Ann", "last_name": "Lee", "phone_number": "212-555-0142", "email": "ann@example.com"}
    landed = clinic.send(**record)
    if landed.created:
        flagged = {each.other_id for each in landed.events if isinstance(each, PossibleDuplicateFlagged)}
        assert flagged == {one.id, two.id}
    assert clinic.send(**record).patient.id == landed.patient.id
    assert clinic.send(**record).events == ()


def test_source_request_and_actor_stand_in_every_entry(clinic: Clinic):
    (upsert,) = clinic.upserts({**ANN, "source": "fax", "email": "nonsense"})
    caller = Caller(clinic.id, "key:abc", "req-7")
    (receipt,) = clinic.ledger.upsert_many([Upsert(upsert.record, caller, upsert.received)])
    assert isinstance(receipt, Receipt)
    entries = clinic.ledger.stream(clinic.id, receipt.patient.id)
    assert {(each.source, each.actor, each.request_id) for each in entries} == {("fax", "key:abc", "req-7")}
    assert receipt.patient.source == "fax"


def test_the_longest_values_are_stored(clinic: Clinic):
    """Keys of indexes have a limit of their own: no record may be refused for ever by it."""
    wide = [
        "\ufdfa" * 200,  # one character, eighteen once it is decomposed
        "".join(chr(0x20000 + n * 7) for n in range(200)),
        "".join(chr(0xAC00 + n) for n in range(200)),
    ]
    more = {"custom_fields": {"n" * 200: "é" * 9_000}, "email": f"{'a' * 60}@{'b' * 60}.example.com"}
    for text in wide:
        names = {"first_name": text, "last_name": text[::-1]}
        receipt = clinic.send(**names, **more, **external_id("x" * 200), phone_number="212-555-0142")
        assert receipt.patient.facts["first_name"] == text
    nameless = clinic.send(first_name=wide[1], last_name=wide[2], phone_number="212-555-0143")
    assert nameless.patient.facts["last_name"] == wide[2]
    check_read_models(clinic)


# ---- organizations


def other_process(clinic: Clinic) -> Clinic:
    return Clinic(clinic.url, open_ledger(clinic.url), clinic.id)


def test_a_running_process_sees_what_another_one_added(clinic: Clinic):
    """Its copy has grown old; the transaction notices, and the record is read again."""
    other, location = other_process(clinic), str(new_id())
    with other.ledger:
        assert [each.field for each in other.send(**ANN, location_id=location).dropped] == ["location_id"]
        clinic.ledger.administer(AddReferenceItem("location", location, "Main St"), clinic.caller)
        receipt = other.send(**ANN, location_id=location)
        assert (receipt.dropped, receipt.patient.facts["location_id"]) == ((), location)
        assert other.ledger.organization(clinic.id).version == receipt.organization.version


def test_a_list_is_read_again_as_a_whole_when_one_of_its_organizations_changed(clinic: Clinic):
    second = Clinic(clinic.url, clinic.ledger).found()
    other, location = other_process(clinic), str(new_id())
    with other.ledger:
        other.send(**ANN)
        clinic.ledger.administer(AddReferenceItem("location", location, "Main St"), second.caller)
        mixed = [*clinic.upserts(ANN | {"location_id": location}), *second.upserts(ANN | {"location_id": location})]
        mine, theirs = other.ledger.upsert_many(mixed)
    assert isinstance(mine, Receipt)
    assert isinstance(theirs, Receipt)
    assert [each.field for each in mine.dropped] == ["location_id"]
    assert theirs.patient.facts["location_id"] == location


def test_a_changed_setting_counts_from_the_next_record_on_in_every_process(clinic: Clinic):
    other = other_process(clinic)
    with other.ledger:
        assert other.send(phone_number="02 9374 4000").patient.phone != "+61293744000"
        clinic.ledger.administer(ChangeSetting("region", "AU"), clinic.caller)
        assert other.send(phone_number="02 9374 4000").patient.phone == "+61293744000"


def test_a_reader_sees_the_organization_as_it_is_now(clinic: Clinic):
    other, location = other_process(clinic), str(new_id())
    with other.ledger:
        old = other.ledger.organization(clinic.id)
        clinic.ledger.administer(AddReferenceItem("location", location, "Main St"), clinic.caller)
        assert other.ledger.organization(clinic.id) is old
        assert location in other.ledger.current_organization(clinic.id).locations
        assert location in other.ledger.organization(clinic.id).locations


def test_an_organization_is_administered_from_several_processes_without_losing_anything(clinic: Clinic):
    other = other_process(clinic)
    with other.ledger:
        for n in range(6):
            command = AddReferenceItem("user", str(new_id()), f"User {n}")
            (clinic if n % 2 else other).ledger.administer(command, clinic.caller)
        assert len(other.ledger.current_organization(clinic.id).users) == 7
    assert clinic.ledger.current_organization(clinic.id).version == 12


def test_a_key_is_issued_and_revoked_in_the_table_that_requests_ask(clinic: Clinic):
    issue = IssueApiKey(key_id="k1", name="p", secret_hash="ab" * 32, last_four="wxyz", scopes=("patients:read",))
    clinic.ledger.administer(issue, clinic.caller)
    row = "SELECT secret_hash, scopes, revoked_at IS NULL FROM api_keys WHERE id = 'k1'"
    assert asked(clinic.url, row) == [(bytes.fromhex("ab" * 32), ["patients:read"], True)]
    with pytest.raises(IllegalCommand):
        clinic.ledger.administer(issue, clinic.caller)
    clinic.ledger.administer(RevokeApiKey("k1"), clinic.caller)
    head = check_positions(clinic.url)
    clinic.ledger.administer(RevokeApiKey("k1"), clinic.caller)
    assert check_positions(clinic.url) == head
    assert asked(clinic.url, row)[0][2] is False


def test_what_is_asked_of_no_organization_is_refused(clinic: Clinic):
    nobody = Caller(str(new_id()), "key:test", "req_test")
    for refused in (RevokeApiKey("k1"), AddReferenceItem("user", str(new_id()), "x")):
        with pytest.raises(UnknownOrganization):
            clinic.ledger.administer(refused, nobody)
    with pytest.raises(IllegalCommand):
        clinic.ledger.administer(CreateOrganization("again"), clinic.caller)


def test_the_stored_organization_is_the_fold_of_its_stream(clinic: Clinic):
    entries = clinic.ledger.stream(clinic.id, clinic.id)
    state = fold((each.event, each.envelope()) for each in entries)
    assert asked(clinic.url, "SELECT fold::text FROM organizations") == [(canonical(state).decode(),)]


# ---- as of


def test_a_patient_as_of_every_version_is_what_was_answered_then(clinic: Clinic):
    receipts = [clinic.send(**ANN, comments=str(n), tags=[str(n)], email="nonsense" * (n % 2)) for n in range(5)]
    for receipt in receipts:
        as_of = clinic.ledger.patient_as_of(clinic.id, receipt.patient.id, version=receipt.patient.version)
        assert canonical(as_of) == canonical(receipt.patient)
    with pytest.raises(UnknownPatient):
        clinic.ledger.patient_as_of(clinic.id, receipts[0].patient.id, version=0)


def test_a_patient_as_of_an_instant_is_what_was_true_then(clinic: Clinic):
    patient_id = clinic.send(**ANN).patient.id
    clinic.send(**ANN, city="Troy")
    first, *_, last = clinic.ledger.stream(clinic.id, patient_id)
    assert clinic.ledger.patient_as_of(clinic.id, patient_id, at=first.recorded_at).version == 1
    assert clinic.ledger.patient_as_of(clinic.id, patient_id, at=last.recorded_at).facts["city"] == "Troy"
    with pytest.raises(UnknownPatient):
        clinic.ledger.patient_as_of(clinic.id, patient_id, at=first.recorded_at - timedelta(microseconds=1))


def test_every_stream_begins_with_its_creation(clinic: Clinic):
    clinic.send(**ANN)
    clinic.send(phone_number="212-555-0199")
    first = "SELECT DISTINCT topic FROM ledger_events WHERE originator_version = 1 ORDER BY 1"
    assert asked(clinic.url, first) == [("OrganizationCreated",), (PatientCreated.__name__,)]
