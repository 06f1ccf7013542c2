"""What may happen to a patient? One table of rules: given what has happened, when something is asked, then this."""

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from domain import patient
from domain.commands import (
    AddReferral,
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    CreateOrganization,
    CreatePatient,
    FlagPossibleDuplicate,
    PutPayors,
    RecordCommunication,
    RecordMatch,
    ReplaceTags,
    ReportDrop,
    SetCustomField,
    SuspectOverlay,
)
from domain.entry import Envelope, canonical
from domain.errors import IllegalCommand
from domain.events import (
    FACT_EVENTS,
    AddressChanged,
    CustomFieldSet,
    DuplicateDismissed,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FieldDropped,
    FirstCommunicationRecorded,
    FirstNameChanged,
    LastNameChanged,
    OverlaySuspected,
    PatientCreated,
    PatientMatched,
    PayorAdded,
    PayorChanged,
    PhoneChanged,
    PhoneExtensionChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
    ReferralAdded,
    TagsReplaced,
)
from domain.patient import TOLD_LIMIT
from tests.domain import facts
from tests.domain.records import EXTERNAL_ID_TYPE, INSURANCE
from tests.kit import ENVELOPE, given, reloaded

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
    assert given(without_phone, LastNameChanged(old=None, new="Lee")).state.former_last_names == []


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


# ---- tags and custom fields


def test_tags_are_replaced_as_a_whole_and_can_be_taken_away():
    stream = given(created)
    stream.when(ReplaceTags(("vip", "new"))).then(TagsReplaced(old=[], new=["vip", "new"]))
    stream.when(ReplaceTags(("vip", "new"))).then()
    stream.when(ReplaceTags(("new", "vip"))).then(TagsReplaced(old=["vip", "new"], new=["new", "vip"]))
    stream.when(ReplaceTags(())).then(TagsReplaced(old=["new", "vip"], new=[]))
    stream.when(ReplaceTags(())).then()


@pytest.mark.parametrize(
    ("held", "offered", "told"),
    [
        (1, True, True), (0, False, True), (True, 1, True), (False, 0.0, True), ([1], [True], True),
        ({"a": 0}, {"a": False}, True), ("1", 1, True), (1, 2, True), ([1, 2], [2, 1], True), ([1], [1, 1], True),
        ({"a": 1}, {"a": 1, "b": None}, True), (2**53, 2**53 + 1, True), ({}, [], True), (None, 0, True),
        (1, 1.0, False), (0.0, -0.0, False), ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}, False), (True, True, False),
        ("x", "x", False), ([], [], False), (2**64 - 1, 2**64 - 1, False),
    ],
)  # fmt: skip
def test_a_custom_field_is_told_when_its_json_value_changes(held: Any, offered: Any, told: bool):
    stream = given(created, CustomFieldSet(name="field", old=None, new=held))
    stream.when(SetCustomField("field", offered)).then(*[CustomFieldSet("field", held, offered)] * told)


def test_custom_fields_are_merged_by_name():
    stream = given(created, CustomFieldSet(name="a", old=None, new=1), CustomFieldSet(name="b", old=None, new=2))
    stream.when(SetCustomField("b", 3)).then(CustomFieldSet(name="b", old=2, new=3))
    assert stream.state.custom_fields == {"a": 1, "b": 3}


def test_a_custom_field_that_was_held_as_null_is_not_one_that_was_missing():
    given(created, CustomFieldSet(name="a", old=1, new=None)).when(SetCustomField("a", None)).then()
    given(created).when(SetCustomField("a", None)).then(CustomFieldSet(name="a", old=None, new=None))


# ---- referrals and payors


def test_a_referral_is_added_unless_an_equal_one_is_there():
    stream = given(created)
    ruiz, cole = {"physician_name": "Ruiz", "icd_codes": ["M54.50"]}, {"physician_name": "Cole"}
    (first,) = stream.when(AddReferral(ruiz)).events
    (second,) = stream.when(AddReferral(cole)).events
    stream.when(AddReferral(dict(reversed(ruiz.items())))).then()
    assert isinstance(first, ReferralAdded)
    assert isinstance(second, ReferralAdded)
    assert first.referral_id != second.referral_id
    assert [held["referral"] for held in stream.state.referrals] == [ruiz, cole]


PRIMARY = {"insurance_id": INSURANCE, "payor_responsibility": "primary", "insured_member_id": "X"}


def payors_after(*lists: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stream = given(created)
    for payors in lists:
        stream.when(PutPayors(payors))
        assert stream.when(PutPayors(payors)).events == (), "and saying it again is silent"
    return [held["payor"] for held in stream.state.payors]


@pytest.mark.parametrize(
    ("lists", "held"),
    [
        # the same key: merged, value by value
        ([[PRIMARY], [{**PRIMARY, "plan_name": "A"}]], [{**PRIMARY, "plan_name": "A"}]),
        ([[{**PRIMARY, "plan_name": "A"}], [{**PRIMARY, "plan_name": "B"}]], [{**PRIMARY, "plan_name": "B"}]),
        ([[{**PRIMARY, "plan_name": "A"}], [PRIMARY]], [{**PRIMARY, "plan_name": "A"}]),
        # another insurance, responsibility or member: another payor
        ([[PRIMARY], [{**PRIMARY, "insured_member_id": "Y"}]], [PRIMARY, {**PRIMARY, "insured_member_id": "Y"}]),
        ([[PRIMARY, {**PRIMARY, "payor_responsibility": "secondary"}]],
         [PRIMARY, {**PRIMARY, "payor_responsibility": "secondary"}]),
        # the key as far as it was given
        ([[PRIMARY], [{"insurance_id": INSURANCE, "plan_name": "A"}]], [{**PRIMARY, "plan_name": "A"}]),
        ([[{"insurance_id": INSURANCE}], [PRIMARY]], [PRIMARY]),
        ([[PRIMARY, {**PRIMARY, "insured_member_id": "Y"}], [{"insurance_id": INSURANCE, "plan_name": "A"}]],
         [PRIMARY, {**PRIMARY, "insured_member_id": "Y"}, {"insurance_id": INSURANCE, "plan_name": "A"}]),
        # no insurance named: never onto one that names it, unless the member says so
        ([[PRIMARY], [{"payor_responsibility": "primary", "plan_name": "A"}]],
         [PRIMARY, {"payor_responsibility": "primary", "plan_name": "A"}]),
        ([[PRIMARY], [{"insured_member_id": "X", "plan_name": "A"}]], [{**PRIMARY, "plan_name": "A"}]),
        # no key at all: it says the same, or it is one more
        ([[{"plan_name": "A"}], [{"plan_name": "A"}]], [{"plan_name": "A"}]),
        ([[{"plan_name": "A"}], [{"plan_name": "B"}]], [{"plan_name": "A"}, {"plan_name": "B"}]),
        ([[{"plan_name": "A"}, {"plan_name": "B"}]], [{"plan_name": "A"}, {"plan_name": "B"}]),
        # two of one record mean the same payor: what was said last counts
        ([[{**PRIMARY, "plan_name": "A"}, {**PRIMARY, "plan_name": "B"}]], [{**PRIMARY, "plan_name": "B"}]),
        ([[PRIMARY, PRIMARY]], [PRIMARY]),
        ([[{"insurance_id": INSURANCE, "plan_name": "A"}, {**PRIMARY, "plan_name": "B"}]],
         [{**PRIMARY, "plan_name": "B"}]),
        # the subscriber is merged too, services are replaced
        ([[{**PRIMARY, "subscriber": {"city": "Troy", "zip": "1"}}], [{**PRIMARY, "subscriber": {"city": "Rome"}}]],
         [{**PRIMARY, "subscriber": {"city": "Rome", "zip": "1"}}]),
        ([[{**PRIMARY, "services": [{"rep_name": "A"}, {"rep_name": "B"}]}],
          [{**PRIMARY, "services": [{"rep_name": "C"}]}]],
         [{**PRIMARY, "services": [{"rep_name": "C"}]}]),
        ([[]], []),
    ],
)  # fmt: skip
def test_payors_are_merged_by_their_key(lists: list[list[dict[str, Any]]], held: list[dict[str, Any]]):
    assert payors_after(*lists) == held


def test_a_changed_payor_tells_just_what_differs_and_counts_its_changes():
    stream = given(created)
    (added,) = stream.when(PutPayors([{**PRIMARY, "plan_name": "A"}])).events
    assert isinstance(added, PayorAdded)
    stream.when(PutPayors([{**PRIMARY, "plan_name": "B", "group_number": "7"}])).then(
        PayorChanged(
            payor_id=added.payor_id,
            old={"plan_name": "A", "group_number": None},
            new={"plan_name": "B", "group_number": "7"},
        )
    )
    (held,) = stream.state.payors
    assert (held["id"], held["version"]) == (added.payor_id, 2)


def test_payors_of_one_record_have_ids_of_their_own():
    stream = given(created)
    added = stream.when(PutPayors([{"insured_member_id": str(n)} for n in range(5)])).events
    assert len({event.payor_id for event in added if isinstance(event, PayorAdded)}) == 5


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


def test_an_overlay_is_told_with_both_sides_and_once_for_what_was_offered():
    stream = given(created)
    evidence, offered = {"last_name": "different"}, {"last_name": "Wu", "gender": "f"}
    suspect = SuspectOverlay(evidence=evidence, offered=offered, other_id=None)
    stream.when(suspect).then(OverlaySuspected(evidence, {"last_name": "Lee"}, offered, None))
    stream.when(suspect).then()
    assert stream.when(SuspectOverlay(evidence={}, offered={"last_name": "Cho"}, other_id=BEA)).events


# ---- purity


commands = st.one_of(
    st.builds(ChangeFact, field=st.sampled_from(sorted(FACT_EVENTS)), new=facts.texts),
    st.builds(ChangePhone, new=st.sampled_from([HELD, OTHER]), extension=st.none() | st.just("7")),
    st.builds(ChangeAddress, parts=st.dictionaries(st.sampled_from(["city", "zip"]), facts.texts, max_size=2)),
    st.builds(AssignExternalId, type_id=st.just(EXTERNAL_ID_TYPE), value=facts.texts),
    st.builds(ReplaceTags, names=st.lists(facts.texts, max_size=2).map(tuple)),
    st.builds(SetCustomField, name=st.sampled_from("ab"), value=facts.json_values),
    st.builds(AddReferral, referral=st.dictionaries(st.sampled_from("ab"), facts.texts, max_size=2)),
    st.builds(PutPayors, payors=st.lists(st.sampled_from([PRIMARY, {"insured_member_id": "Y"}]), max_size=2)),
    st.builds(ReportDrop, field=st.sampled_from("ab"), reason=st.just("r"), offered=st.none() | facts.texts),
    st.builds(FlagPossibleDuplicate, other_id=st.just(BEA), reason=st.just("r")),
    st.just(communicate),
)


@drawn(st.lists(commands, max_size=8))
def test_deciding_twice_decides_nothing_the_second_time(asked: list[Command]):
    stream = given(created)
    for command in asked:
        stream.when(command)
        assert stream.when(command).events == ()


@drawn(st.lists(commands, max_size=8))
def test_a_state_in_memory_and_one_that_was_stored_decide_the_same(asked: list[Command]):
    """What is a tuple in memory is a list once it was stored; no rule may tell them apart."""
    memory = patient.evolve(None, created, ENVELOPE)
    for command in asked:
        told = patient.decide(memory, command)
        assert canonical(patient.decide(reloaded(memory), command)) == canonical(told)
        for event in told:
            stored = patient.evolve(reloaded(memory), event, ENVELOPE)
            memory = patient.evolve(memory, event, ENVELOPE)
            assert canonical(stored) == canonical(memory)


@drawn(st.lists(commands, max_size=8))
def test_deciding_and_folding_leave_what_they_were_given_as_it_was(asked: list[Command]):
    state = patient.evolve(None, created, ENVELOPE)
    for command in asked:
        before = canonical([state, command])
        told = patient.decide(state, command)
        stored = canonical(told)
        for event in told:
            patient.evolve(state, event, ENVELOPE)
        assert canonical([state, command]) == before
        assert canonical(told) == stored
        for event in told:
            state = patient.evolve(state, event, ENVELOPE)


@drawn(st.lists(commands, max_size=8), st.integers(0, 8))
def test_a_fold_can_be_stopped_anywhere_and_taken_up_again(asked: list[Command], place: int):
    told = [created, *given(created).when(*asked).events]
    envelopes = [ENVELOPE._replace(recorded_at=f"2026-11-23T12:00:{n:02}.000000Z") for n in range(len(told))]
    entries = list(zip(told, envelopes, strict=True))
    whole = patient.fold(entries)
    begun = patient.fold(entries[: place + 1])
    for event, envelope in entries[place + 1 :]:
        begun = patient.evolve(reloaded(begun), event, envelope)
    assert canonical(begun) == canonical(whole)
    assert whole is not None
    assert whole.version == len(told)
    assert whole.updated_at == envelopes[-1].recorded_at
    assert patient.fold([]) is None


def test_time_comes_with_the_entry():
    later = Envelope(ENVELOPE.organization_id, ENVELOPE.stream_id, "2027-01-01T00:00:00.000000Z", "file")
    state = patient.evolve(given(created).state, LastNameChanged(old="Lee", new="Wu"), later)
    assert (state.created_at, state.updated_at) == (ENVELOPE.recorded_at, later.recorded_at)
    assert state.source == "api", "that of the first record"
