"""What may happen to a patient? One table of rules: given what has happened, when something is asked, then this."""

import pytest

from domain import patient
from domain.changes_alone import TOLD_LIMIT
from domain.commands import (
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    CreateOrganization,
    CreatePatient,
    DismissDuplicate,
    DismissOverlay,
    FlagPossibleDuplicate,
    RecordCommunication,
    RecordMatch,
    ReplaceTags,
    ReportDrop,
    SuspectOverlay,
)
from domain.errors import IllegalCommand
from domain.events import (
    FACT_EVENTS,
    AddressChanged,
    DuplicateDismissed,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FieldDropped,
    FirstCommunicationRecorded,
    FirstNameChanged,
    LastNameChanged,
    OverlayDismissed,
    OverlaySuspected,
    PatientCreated,
    PatientMatched,
    PhoneChanged,
    PhoneExtensionChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
)
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.kit import ENVELOPE, given

HELD, OTHER, THIRD = "+12125550100", "+12125550199", "+12125550177"
BEA = "0190f7a0-0000-7000-8000-00000000000b"

created = PatientCreated(facts={"first_name": "Ann", "last_name": "Lee", "phone_number": HELD})
without_phone = PatientCreated(facts={"first_name": "Ann"})
communicated = FirstCommunicationRecorded(
    channel="sms", direction="outbound", occurred_at="2026-11-23T12:00:00.000000Z"
)
communicate = RecordCommunication(channel="call", direction="inbound", occurred_at="2026-11-24T12:00:00.000000Z")


# ---- creation


def test_a_patient_is_created_with_what_the_record_told():
    outcome = given().when(CreatePatient(facts={"first_name": "Ann"})).then(PatientCreated(facts={"first_name": "Ann"}))
    state = outcome.state
    assert (state.id, state.organization_id, state.version) == (ENVELOPE.stream_id, ENVELOPE.organization_id, 1)
    assert state.created_at == state.updated_at == ENVELOPE.recorded_at
    assert (state.source, state.created_name) == ("api", ["Ann", None])


def test_a_stream_begins_once():
    given(created).when_refused(CreatePatient(facts={}))


@pytest.mark.parametrize("command", [ChangePhone(HELD), ReplaceTags(()), communicate, CreateOrganization("x")])
def test_nothing_is_asked_of_nobody(command: Command):
    with pytest.raises(IllegalCommand):
        patient.decide(None, command)


def test_a_command_for_an_organization_does_not_fit():
    with pytest.raises(IllegalCommand):
        patient.decide(given(created).state, CreateOrganization("x"))


# ---- how the patient was found


def test_a_match_is_told_with_its_evidence_and_changes_nothing():
    found = RecordMatch(
        tier="demographics", rule_version="1", evidence={"first_name": "equal"}, rivals=({"patient_id": BEA},),
        record={"first_name": "Ann"},
    )  # fmt: skip
    outcome = given(created).when(found)
    outcome.then(
        PatientMatched(
            tier="demographics", rule_version="1", evidence={"first_name": "equal"}, rivals=[{"patient_id": BEA}],
            record={"first_name": "Ann"},
        )
    )  # fmt: skip
    assert outcome.state.facts == created.facts


# ---- facts


@pytest.mark.parametrize("name", sorted(FACT_EVENTS))
def test_a_fact_is_overwritten_with_old_and_new_told(name: str):
    changed = FACT_EVENTS[name]
    first, second = changed(old=None, new="one"), changed(old="one", new="two")
    stream = given(PatientCreated(facts={}))
    stream.when(ChangeFact(name, "one")).then(first)
    stream.when(ChangeFact(name, "two")).then(second)
    stream.when(ChangeFact(name, "two")).then()
    assert stream.state.facts == {name: "two"}


def test_another_spelling_of_a_name_is_a_change():
    given(created).when(ChangeFact("first_name", "ann")).then(FirstNameChanged(old="Ann", new="ann"))


def test_former_last_names_are_kept_once_each():
    stream = given(created)
    for name in ("Wu", "Lee", "Wu", "Cole"):
        stream.when(ChangeFact("last_name", name))
    assert stream.state.former_last_names == ["Lee", "Wu"]
    assert stream.state.created_name == ["Ann", "Lee"]


def test_no_former_last_name_where_there_was_none():
    assert given(without_phone, LastNameChanged(old=None, new="Lee")).state.former_last_names == ()


# ---- phone


def test_a_phone_is_overwritten_as_long_as_nobody_spoke():
    given(created).when(ChangePhone(OTHER)).then(PhoneChanged(old=HELD, new=OTHER, extension=None))


def test_the_phone_that_is_held_changes_nothing():
    given(created).when(ChangePhone(HELD)).then()
    given(created, communicated).when(ChangePhone(HELD)).then()


def test_a_new_number_takes_the_old_extension_away():
    stream = given(created)
    stream.when(ChangePhone(HELD, "7")).then(PhoneExtensionChanged(old=None, new="7"))
    stream.when(ChangePhone(HELD)).then()
    stream.when(ChangePhone(OTHER)).then(PhoneChanged(old=HELD, new=OTHER, extension=None))
    assert "phone_extension" not in stream.state.facts
    stream.when(ChangePhone(THIRD, "9")).then(PhoneChanged(old=OTHER, new=THIRD, extension="9"))
    assert stream.state.facts["phone_extension"] == "9"


def test_a_locked_phone_is_kept_and_the_offer_is_told():
    outcome = given(created, communicated).when(ChangePhone(OTHER))
    outcome.then(PhoneLockRespected(kept=HELD, offered=OTHER))
    assert outcome.state.phone == HELD


def test_the_same_refused_offer_is_told_once_in_a_row():
    stream = given(created, communicated)
    stream.when(ChangePhone(OTHER)).then(PhoneLockRespected(kept=HELD, offered=OTHER))
    stream.when(ChangePhone(OTHER)).then()
    stream.when(ChangePhone(HELD)).then()
    stream.when(ChangePhone(OTHER)).then()
    stream.when(ChangePhone(THIRD)).then(PhoneLockRespected(kept=HELD, offered=THIRD))
    stream.when(ChangePhone(OTHER)).then(PhoneLockRespected(kept=HELD, offered=OTHER))


def test_a_locked_number_can_be_given_an_extension():
    given(created, communicated).when(ChangePhone(HELD, "7")).then(PhoneExtensionChanged(old=None, new="7"))


def test_where_there_is_no_phone_there_is_nothing_to_lock():
    stream = given(without_phone, communicated)
    stream.when(ChangePhone(OTHER)).then(PhoneChanged(old=None, new=OTHER, extension=None))
    stream.when(ChangePhone(THIRD)).then(PhoneLockRespected(kept=OTHER, offered=THIRD))


def test_the_additional_phone_is_never_locked():
    fact = "additional_phone_number"
    given(created, communicated).when(ChangeFact(fact, OTHER)).then(FACT_EVENTS[fact](old=None, new=OTHER))


def test_only_the_first_communication_is_recorded():
    stream = given(created)
    stream.when(communicate).then(FirstCommunicationRecorded("call", "inbound", "2026-11-24T12:00:00.000000Z"))
    assert stream.state.phone_locked
    assert stream.state.first_communication_at == "2026-11-24T12:00:00.000000Z"
    stream.when(RecordCommunication("sms", "outbound", "2020-01-01T00:00:00.000000Z")).then()


# ---- address


def test_only_the_parts_of_an_address_that_differ_are_told():
    stream = given(PatientCreated(facts={"address": "1 Main St", "city": "Troy"}))
    stream.when(ChangeAddress({"address": "1 Main St", "city": "Albany", "zip": "12207"})).then(
        AddressChanged(old={"city": "Troy", "zip": None}, new={"city": "Albany", "zip": "12207"})
    )
    assert stream.state.facts == {"address": "1 Main St", "city": "Albany", "zip": "12207"}
    stream.when(ChangeAddress({"city": "Albany"})).then()


# ---- external ids


def test_an_external_id_is_assigned_then_replaced_with_old_and_new_told():
    stream = given(created)
    stream.when(AssignExternalId(EXTERNAL_ID_TYPE, "A-1")).then(ExternalIdAssigned(EXTERNAL_ID_TYPE, "A-1"))
    stream.when(AssignExternalId(EXTERNAL_ID_TYPE, "A-1")).then()
    child = stream.state.external_ids[EXTERNAL_ID_TYPE]["id"]
    stream.when(AssignExternalId(EXTERNAL_ID_TYPE, "a-1")).then(ExternalIdReplaced(EXTERNAL_ID_TYPE, "A-1", "a-1"))
    assert stream.state.external_id(EXTERNAL_ID_TYPE) == "a-1"
    assert stream.state.external_ids[EXTERNAL_ID_TYPE]["id"] == child


def test_external_ids_of_several_types_stand_beside_each_other():
    stream = given(created)
    stream.when(AssignExternalId(EXTERNAL_ID_TYPE, "A-1"), AssignExternalId(BEA, "A-1")).then(
        ExternalIdAssigned(EXTERNAL_ID_TYPE, "A-1"), ExternalIdAssigned(BEA, "A-1")
    )
    ids = {held["id"] for held in stream.state.external_ids.values()}
    assert len(ids) == 2


# ---- drops


def test_a_drop_is_told_once_until_something_else_of_that_field_was_dropped():
    stream = given(created)
    stream.when(ReportDrop("email", "not_an_email", "x")).then(FieldDropped("email", "not_an_email", "x"))
    stream.when(ReportDrop("email", "not_an_email", "x")).then()
    stream.when(ReportDrop("phone_number", "not_a_phone", "x")).then(FieldDropped("phone_number", "not_a_phone", "x"))
    stream.when(ReportDrop("email", "not_an_email", "x")).then()
    stream.when(ReportDrop("email", "not_an_email", "y")).then(FieldDropped("email", "not_an_email", "y"))
    stream.when(ReportDrop("email", "not_an_email", None)).then(FieldDropped("email", "not_an_email", None))
    stream.when(ReportDrop("email", "too_long", None)).then(FieldDropped("email", "too_long", None))
    stream.when(ReportDrop("email", "not_an_email", "x")).then(FieldDropped("email", "not_an_email", "x"))


def test_what_is_remembered_of_drops_is_bounded():
    stream = given(created)
    stream.when(*(ReportDrop(f"custom_fields.f{n}", "too_long", None) for n in range(TOLD_LIMIT * 2)))
    assert len(stream.state.told_drops) == TOLD_LIMIT
    stream.when(ReportDrop(f"custom_fields.f{TOLD_LIMIT * 2 - 1}", "too_long", None)).then()


# ---- duplicates and overlays


def test_a_possible_duplicate_is_flagged_once():
    stream = given(created)
    stream.when(FlagPossibleDuplicate(BEA, "same_name", {"phone": "equal"})).then(
        PossibleDuplicateFlagged(BEA, "same_name", {"phone": "equal"})
    )
    stream.when(FlagPossibleDuplicate(BEA, "ambiguous")).then()
    assert stream.state.possible_duplicates[BEA]["reason"] == "same_name"


def test_who_was_found_to_be_somebody_else_is_never_flagged_again():
    given(created, DuplicateDismissed(other_id=BEA)).when(FlagPossibleDuplicate(BEA, "same_name")).then()


def test_a_possible_duplicate_is_dismissed_once_and_only_where_it_was_flagged():
    stream = given(created)
    stream.when(DismissDuplicate(other_id=BEA)).then()
    stream.when(FlagPossibleDuplicate(BEA, "same_name"), DismissDuplicate(other_id=BEA)).then(
        PossibleDuplicateFlagged(BEA, "same_name", {}), DuplicateDismissed(other_id=BEA)
    )
    stream.when(DismissDuplicate(other_id=BEA)).then()


def test_an_overlay_is_told_with_both_sides_and_once_for_what_was_offered():
    stream = given(created)
    evidence, offered = {"last_name": "different"}, {"last_name": "Wu", "gender": "f"}
    suspect = SuspectOverlay(evidence=evidence, offered=offered, other_id=None)
    stream.when(suspect).then(OverlaySuspected(evidence, {"last_name": "Lee"}, offered, None))
    stream.when(suspect).then()
    assert stream.when(SuspectOverlay(evidence={}, offered={"last_name": "Cho"}, other_id=BEA)).events


def test_a_suspected_overlay_is_dismissed_once():
    suspect = SuspectOverlay(evidence={}, offered={"last_name": "Wu"}, other_id=None)
    stream = given(created)
    stream.when(DismissOverlay()).then()
    stream.when(suspect, DismissOverlay(), DismissOverlay()).then(
        OverlaySuspected({}, {"last_name": "Lee"}, {"last_name": "Wu"}, None), OverlayDismissed()
    )
