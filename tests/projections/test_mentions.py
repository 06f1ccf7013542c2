"""Where another patient's stream tells of one that is erased, it is named, and no value with it."""

import psycopg
import pytest

from domain import erasure
from domain.patient import Patient
from domain.review import Resolution, Review
from projections.mentions import CARRIED_OVER, COPIED, OFFERED, UNREADABLE, Mention, mentions
from tests.clinic import Clinic
from tests.domain.records import EXTERNAL_ID_TYPE

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "+12125550142"}
BOB = {"first_name": "Bob", "last_name": "Ruiz", "date_of_birth": "1955-07-09", "phone_number": "+12125550177"}
ANNS_ID = {"type_id": EXTERNAL_ID_TYPE, "value": "MRN-1"}


@pytest.fixture
def ann(clinic: Clinic) -> Patient:
    """Return a patient whom a partner knows by an id."""
    return clinic.send(**ANN, external_id=ANNS_ID).patient


def topics(clinic: Clinic, mention: Mention) -> list[str]:
    """Return what stands at the places that were named."""
    entries = clinic.ledger.stream(clinic.id, mention.patient_id)
    return [entry.topic for entry in entries if entry.originator_version in mention.versions]


def test_a_patient_of_whom_only_the_own_stream_tells_is_mentioned_nowhere(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    assert mentions(clinic.ledger, bob) == mentions(clinic.ledger, ann) == []


def test_a_record_that_came_with_another_ones_external_id_is_named_with_all_that_it_wrote(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    assert clinic.send(**BOB, external_id=ANNS_ID, comments="prefers mornings").patient.id == ann.id
    (mention,) = mentions(clinic.ledger, clinic.ledger.patient_as_of(clinic.id, bob.id))
    assert (mention.patient_id, mention.why) == (ann.id, OFFERED)
    told = topics(clinic, mention)
    assert "OverlaySuspected" in told
    assert "CommentsChanged" in told
    assert "PatientCreated" not in told


def test_a_log_is_looked_through_to_its_end_whatever_a_stretch_of_it_is(
    clinic: Clinic, ann: Patient, monkeypatch: pytest.MonkeyPatch
):
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    cat = clinic.send(first_name="Cat", last_name="Wu", date_of_birth="1990-05-05").patient
    review.resolve(bob.id, cat.id, Resolution.MERGE, clinic.caller, cat.id)
    review.unmerge(bob.id, cat.id, clinic.caller)
    clinic.send(**BOB, external_id=ANNS_ID)
    found = mentions(clinic.ledger, bob)
    assert {(each.patient_id, each.why) for each in found} == {(ann.id, OFFERED), (cat.id, CARRIED_OVER)}
    for stretch in (1, 3):
        monkeypatch.setattr("projections.mentions.STRETCH", stretch)
        assert mentions(clinic.ledger, bob) == found


def places_of(clinic: Clinic, patient_id: str, *values: str) -> list[int]:
    """Return the versions of a stream in which one of these values stands."""
    entries = clinic.ledger.stream(clinic.id, patient_id)
    return [each.originator_version for each in entries if any(value in repr(vars(each.event)) for value in values)]


def test_what_his_records_brought_is_named_wherever_it_went_from_there(clinic: Clinic, ann: Patient):
    """Once a record of his has overwritten hers, the next ones are taken for hers; then hers come again."""
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    cat = clinic.send(first_name="Cat", last_name="Wu", date_of_birth="1990-05-05").patient
    for said in ({"comments": "prefers mornings"}, {"email": "bob.ruiz@example.com"}):
        assert clinic.send(**BOB, external_id=ANNS_ID, **said).patient.id == ann.id
    review.resolve(ann.id, cat.id, Resolution.MERGE, clinic.caller, cat.id)
    review.unmerge(ann.id, cat.id, clinic.caller)
    assert clinic.send(**ANN, external_id=ANNS_ID, email="ann@example.com", comments="none").patient.id == ann.id
    erasure.erase(clinic.ledger, bob.id, "#77", clinic.caller)
    named = {each.patient_id: each for each in mentions(clinic.ledger, bob)}
    his = (*BOB.values(), "prefers mornings", "bob.ruiz@example.com")
    for patient, why in ((ann, OFFERED), (cat, COPIED)):
        assert named[patient.id].why == why
        assert {*places_of(clinic, patient.id, *his)} <= {*named[patient.id].versions}
        assert 1 not in named[patient.id].versions
    assert named.keys() == {ann.id, cat.id}


@pytest.mark.parametrize("part", ["name", "id", "reason", "version"])
def test_what_his_records_brought_is_named_whatever_a_custom_field_calls_it(clinic: Clinic, ann: Patient, part: str):
    bob = clinic.send(**BOB).patient
    for whom in (BOB | {"custom_fields": {"kin": {part: "Eve Ruiz"}}}, ANN | {"custom_fields": {"kin": {part: "Tom"}}}):
        assert clinic.send(**whom, external_id=ANNS_ID).patient.id == ann.id
    (mention,) = mentions(clinic.ledger, bob)
    assert {*places_of(clinic, ann.id, "Eve Ruiz")} <= {*mention.versions}


def test_what_the_other_one_had_before_is_not_taken_for_his(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    clinic.communicate(ann.id)  # her phone number is locked: his is told beside it
    clinic.send(external_id=ANNS_ID, middle_name="May")
    clinic.send(**BOB, external_id=ANNS_ID, gender="male", dob="07/09/1955")
    (before,) = mentions(clinic.ledger, bob)
    for said in (
        {"city": "Albany"},
        {"city": "Boston", "comments": "none"},
        {"city": "Chicago", "phone_number": ANN["phone_number"]},
        {"middle_name": "Marie", "dob": "03/01/1980"},
    ):
        assert clinic.send(external_id=ANNS_ID, **said).patient.id == ann.id
    assert mentions(clinic.ledger, bob) == [before]


def test_a_sex_in_common_makes_a_record_nobody_elses(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    for who in (BOB, {"city": "Albany"}):
        assert clinic.send(**who, external_id=ANNS_ID, gender="male").patient.id == ann.id
    (mention,) = mentions(clinic.ledger, bob)
    assert not {*places_of(clinic, ann.id, "Albany")} & {*mention.versions}


def test_an_entry_that_cannot_be_read_behind_one_of_his_is_named(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    for who in (BOB, ANN):
        clinic.send(**who, external_id=ANNS_ID)
    last = places_of(clinic, ann.id, *BOB.values())[-1]
    with psycopg.connect(clinic.url) as owner:
        owner.execute("SET session_replication_role = replica")
        forged = "UPDATE ledger_events SET state = '{' WHERE originator_id = %s AND originator_version = %s"
        owner.execute(forged, (ann.id, last))
    assert Mention(ann.id, (last,), UNREADABLE) in mentions(clinic.ledger, bob)


def test_two_that_were_merged_into_each_other_in_turn_are_both_named(clinic: Clinic, ann: Patient):
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    cat = clinic.send(first_name="Cat", last_name="Wu", date_of_birth="1990-05-05").patient
    clinic.send(**BOB, external_id=ANNS_ID)
    for survivor in (cat, ann):
        review.resolve(ann.id, cat.id, Resolution.MERGE, clinic.caller, survivor.id)
        review.unmerge(ann.id, cat.id, clinic.caller)
    assert {each.patient_id for each in mentions(clinic.ledger, bob)} == {ann.id, cat.id}


def test_it_is_found_by_name_and_birth_date_too_when_the_patient_came_later(clinic: Clinic, ann: Patient):
    clinic.send(**BOB, external_id=ANNS_ID)
    bob = clinic.ledger.patient_as_of(clinic.id, ann.id)
    later = Patient(id=str(ann.id)[:-4] + "ffff", organization_id=clinic.id, created_at="", updated_at="", source="api")
    assert mentions(clinic.ledger, later) == []
    described = later.changed(facts={name: BOB[name] for name in ("first_name", "last_name", "date_of_birth")})
    assert [each.patient_id for each in mentions(clinic.ledger, described)] == [bob.id]
    for name in described.facts:
        another = described.changed(facts={**described.facts, name: ANN[name]})
        assert mentions(clinic.ledger, another) == [], "who shares but the rest is somebody else"
    layer = {"id": str(bob.id)[:-4] + "eeee", "facts": described.facts, "known_as": []}
    survivor = later.changed(facts={"first_name": "Cat"}, absorbed=(layer,))
    assert [each.patient_id for each in mentions(clinic.ledger, survivor)] == [bob.id]


def test_without_birth_date_a_name_alone_finds_nobody(clinic: Clinic, ann: Patient):
    name = {"first_name": "Bob", "last_name": "Ruiz"}
    assert clinic.send(**name, external_id=ANNS_ID).patient.suspected_overlay
    later = Patient(id=str(ann.id)[:-4] + "ffff", organization_id=clinic.id, created_at="", updated_at="", source="api")
    assert mentions(clinic.ledger, later.changed(facts=name)) == []


def test_a_record_under_a_short_name_is_found_by_whom_the_suspicion_names(clinic: Clinic, ann: Patient):
    robert = clinic.send(**{**BOB, "first_name": "Robert"}).patient
    clinic.send(**BOB, external_id=ANNS_ID)
    assert [each.patient_id for each in mentions(clinic.ledger, robert)] == [ann.id]


def test_a_merge_that_was_undone_is_named_from_its_beginning_to_its_end(clinic: Clinic, ann: Patient):
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    review.resolve(ann.id, bob.id, Resolution.MERGE, clinic.caller)
    clinic.send(**ANN, external_id=ANNS_ID, email="ann@example.com")
    review.unmerge(ann.id, bob.id, clinic.caller)
    before = clinic.ledger.patient_as_of(clinic.id, bob.id)
    erasure.erase(clinic.ledger, bob.id, "#77", clinic.caller)
    (mention,) = mentions(clinic.ledger, before)
    assert (mention.patient_id, mention.why) == (ann.id, CARRIED_OVER)
    told = topics(clinic, mention)
    assert (told[0], told[-1]) == ("PatientMerged", "PatientUnmerged")
    assert "EmailChanged" in told
    assert mentions(clinic.ledger, clinic.ledger.patient_as_of(clinic.id, bob.id)) == [mention], "also after it"


def test_what_his_records_brought_while_he_was_merged_is_named_where_it_goes_on_behind_that(
    clinic: Clinic, ann: Patient
):
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    review.resolve(ann.id, bob.id, Resolution.MERGE, clinic.caller, ann.id)
    assert clinic.send(**BOB, email="bob.ruiz@example.com").patient.id == ann.id
    review.unmerge(ann.id, bob.id, clinic.caller)
    clinic.send(external_id=ANNS_ID, city="Albany")
    clinic.send(external_id=ANNS_ID, email="ann@example.com")
    (mention,) = mentions(clinic.ledger, clinic.ledger.patient_as_of(clinic.id, bob.id))
    assert {*places_of(clinic, ann.id, *BOB.values(), "bob.ruiz@example.com")} <= {*mention.versions}
    assert not {*places_of(clinic, ann.id, "Albany")} & {*mention.versions}


def test_nothing_is_named_that_goes_with_the_erasure(clinic: Clinic, ann: Patient):
    bob, review = clinic.send(**BOB).patient, Review(clinic.ledger)
    clinic.send(**BOB, external_id=ANNS_ID)
    review.resolve(ann.id, bob.id, Resolution.MERGE, clinic.caller)
    survivor = review.survivor(clinic.id, ann.id)
    assert mentions(clinic.ledger, survivor) == []


def test_no_value_stands_in_what_is_named(clinic: Clinic, ann: Patient):
    bob = clinic.send(**BOB).patient
    assert clinic.send(**BOB, external_id=ANNS_ID).patient.id == ann.id
    named = repr(mentions(clinic.ledger, clinic.ledger.patient_as_of(clinic.id, bob.id)))
    assert OFFERED in named
    assert not [value for value in (*BOB.values(), *ANN.values(), "MRN-1") if value in named]
