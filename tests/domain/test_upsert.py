"""Does a record change just what it says? The rules of the partner documentation, as given, when and then."""

from dataclasses import replace
from typing import Any

import pytest

from domain.entry import canonical
from domain.events import (
    AddressChanged,
    AssignedUserChanged,
    CommentsChanged,
    CustomFieldSet,
    DateOfBirthChanged,
    EmailChanged,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FieldDropped,
    FirstCommunicationRecorded,
    FirstNameChanged,
    LocationChanged,
    OverlaySuspected,
    PatientCreated,
    PatientMatched,
    PhoneChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
    TagsReplaced,
    WorkflowStageChanged,
)
from domain.matching import Match, NoMatch, Overlay, Rival
from tests.domain.records import (
    DOCUMENTED,
    EXTERNAL_ID_TYPE,
    LOCATION,
    ORGANIZATION,
    USER,
    WORKFLOW_STAGE,
)
from tests.kit import FOUND, given

BEA = "0190f7a0-0000-7000-8000-00000000000b"
ann = PatientCreated(
    facts={
        "first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "+12125550142",
        "email": "ann@example.com", "city": "Troy",
    }
)  # fmt: skip
communicated = FirstCommunicationRecorded(
    channel="sms", direction="outbound", occurred_at="2026-11-23T12:00:00.000000Z"
)


# ---- creation


def test_a_record_of_nobody_becomes_a_patient_with_all_it_told():
    body = {
        "first_name": " Ann ", "last_name": "Lee", "phone_number": "(212) 555-0142 x7", "city": "Troy",
        "external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "A-1"}, "tags": ["vip"], "custom_fields": {"a": 1},
        "email": "nonsense",
    }  # fmt: skip
    facts = {
        "first_name": "Ann", "last_name": "Lee", "phone_number": "+12125550142", "phone_extension": "7", "city": "Troy",
    }  # fmt: skip
    given().when_sent(body).then(
        PatientCreated(facts),
        ExternalIdAssigned(EXTERNAL_ID_TYPE, "A-1"),
        TagsReplaced(old=[], new=["vip"]),
        CustomFieldSet("a", None, 1),
        FieldDropped("email", "not_an_email", "nonsense"),
    )


def test_rivals_of_a_new_patient_are_flagged_where_they_may_be_the_same():
    rivals = (
        Rival(id=BEA, tier="phone_fuzzy_name", reason="tie", evidence={"phone": "equal"}, flag=True),
        Rival(id="other", tier=None, reason="suffix", evidence={}, flag=False),
    )
    placed = NoMatch(rivals=rivals, ambiguous=True, tier="phone_fuzzy_name")
    given().when_sent({"phone_number": "212-555-0142"}, match=placed).then(
        PatientCreated({"phone_number": "+12125550142"}), PossibleDuplicateFlagged(BEA, "tie", {"phone": "equal"})
    )


def test_the_documented_record_is_taken_whole_and_silent_when_it_comes_again():
    stream = given()
    first = stream.when_sent(DOCUMENTED)
    assert first.dropped == ()
    again = stream.when_sent(DOCUMENTED)
    assert (again.events, again.dropped) == ((), ())
    assert canonical(again.state) == canonical(first.state)


# ---- overwriting


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"first_name": "Anna"}, FirstNameChanged("Ann", "Anna")),
        ({"date_of_birth": "03/02/1980"}, DateOfBirthChanged("1980-03-01", "1980-03-02")),
        ({"email": "ANN@Example.org"}, EmailChanged("ann@example.com", "ann@example.org")),
        ({"phone_number": "212.555.0143"}, PhoneChanged("+12125550142", "+12125550143", None)),
        ({"city": "Rome", "zip": 1}, AddressChanged({"city": "Troy", "zip": None}, {"city": "Rome", "zip": "1"})),
        ({"comments": "a\n b"}, CommentsChanged(None, "a\nb")),
        ({"location_id": LOCATION.upper()}, LocationChanged(None, LOCATION)),
        ({"assigned_user_id": USER}, AssignedUserChanged(None, USER)),
        ({"workflow_stage_id": WORKFLOW_STAGE}, WorkflowStageChanged(None, WORKFLOW_STAGE)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)
def test_a_provided_value_overwrites_and_is_told_with_the_old_one(body: dict[str, Any], told: Any):
    stream = given(ann)
    stream.when_sent(body).then_changes(told)
    assert stream.when_sent(body).events == ()


@pytest.mark.parametrize("nothing", [None, "", "   ", "\t\n"])
def test_null_blank_and_missing_change_nothing_and_are_not_reported(nothing: Any):
    names = ("first_name", "date_of_birth", "gender", "phone_number", "email", "address", "comments", "location_id")
    outcome = given(ann).when_sent({**dict.fromkeys(names, nothing), "custom_fields": {"a": nothing}, "tags": None})
    assert (outcome.events, outcome.dropped) == ((), ())


@pytest.mark.parametrize(
    "same", [{}, {"first_name": "Ann"}, {"phone_number": "12125550142"}, {"date_of_birth": "3/1/80"}]
)
def test_what_is_held_already_is_silent(same: dict[str, Any]):
    given(ann).when_sent(same).then()


def test_the_match_is_told_ahead_of_what_it_led_to_and_with_it_only():
    match = Match(id=FOUND.id, tier="demographics", evidence={"first_name": "equal"}, rivals=(
        Rival(id=BEA, tier="demographics", reason="dob", evidence={"date_of_birth": "typo"}, flag=False),
    ))  # fmt: skip
    told = given(ann).when_sent({"first_name": "Ann", "gender": "f"}, match=match).events[0]
    assert isinstance(told, PatientMatched)
    assert (told.tier, told.evidence) == ("demographics", {"first_name": "equal"})
    assert [(each["patient_id"], each["reason"]) for each in told.rivals] == [(BEA, "dob")]
    assert told.record == {"first_name": "Ann", "gender": "f"}
    assert given(ann).when_sent({"first_name": "Ann"}, match=match).events == ()


def test_an_empty_list_of_tags_takes_them_away_and_a_missing_one_does_not():
    stream = given(ann, TagsReplaced(old=[], new=["vip"]))
    stream.when_sent({"city": "Troy"}).then()
    stream.when_sent({"tags": []}).then_changes(TagsReplaced(old=["vip"], new=[]))
    stream.when_sent({"tags": []}).then()


def test_custom_fields_are_merged_and_null_takes_nothing_away():
    stream = given(ann, CustomFieldSet("a", None, 1))
    stream.when_sent({"custom_fields": {"a": None, "b": [True]}}).then_changes(CustomFieldSet("b", None, [True]))
    assert stream.state.custom_fields == {"a": 1, "b": [True]}


def test_true_is_not_one():
    stream = given(ann, CustomFieldSet("consent", None, 1), CustomFieldSet("deep", None, [{"a": 0}]))
    changed = {"custom_fields": {"consent": True, "deep": [{"a": False}]}}
    stream.when_sent(changed).then_changes(
        CustomFieldSet("consent", old=1, new=True), CustomFieldSet("deep", [{"a": 0}], [{"a": False}])
    )
    stream.when_sent(changed).then()


def test_the_same_number_written_another_way_is_no_change():
    stream = given(ann, CustomFieldSet("a", None, 1), CustomFieldSet("b", None, {"x": 1, "y": [2]}))
    stream.when_sent({"custom_fields": {"a": 1.0, "b": {"y": [2.0], "x": 1}}}).then()


# ---- external id


def test_another_external_id_of_the_same_type_is_replaced():
    stream = given(ann, ExternalIdAssigned(EXTERNAL_ID_TYPE, "A-1"))
    body = {"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "A-2 "}}
    stream.when_sent(body).then_changes(ExternalIdReplaced(EXTERNAL_ID_TYPE, "A-1", "A-2"))
    stream.when_sent(body).then()


def test_an_external_id_of_an_unknown_type_is_dropped_and_reported():
    outcome = given(ann).when_sent({"external_id": {"type_id": BEA, "value": "A-2"}})
    assert [(each.field, each.reason) for each in outcome.dropped] == [("external_id", "unknown_id")]
    outcome.then_changes(FieldDropped("external_id", "unknown_id", BEA))


# ---- the phone lock


def test_a_phone_offered_after_a_communication_is_kept_told_and_reported():
    stream = given(ann, communicated)
    body = {"phone_number": "212-555-0199", "city": "Rome"}
    outcome = stream.when_sent(body)
    outcome.then_changes(
        PhoneLockRespected("+12125550142", "+12125550199"), AddressChanged({"city": "Troy"}, {"city": "Rome"})
    )
    assert [(each.field, each.reason) for each in outcome.dropped] == [("phone_number", "phone_locked")]


def test_a_refused_phone_is_told_alone_and_not_again():
    stream = given(ann, communicated)
    body = {"phone_number": "212-555-0199"}
    stream.when_sent(body).then_changes(PhoneLockRespected("+12125550142", "+12125550199"))
    again = stream.when_sent(body)
    again.then()
    assert [each.field for each in again.dropped] == ["phone_number"], "but reported every time"


def test_a_locked_phone_that_is_offered_again_as_it_is_held_is_no_offer():
    outcome = given(ann, communicated).when_sent({"phone_number": "(212) 555-0142"})
    assert (outcome.events, outcome.dropped) == ((), ())


# ---- overlay


OVERLAY = replace(FOUND, overlay=Overlay(evidence={"last_name": "different"}, other_id=BEA))
SOMEBODY_ELSE = {"first_name": "Bea", "last_name": "Wu", "date_of_birth": "1980-03-01", "city": "Rome"}
OFFERED = {"first_name": "Bea", "last_name": "Wu", "date_of_birth": "1980-03-01"}


def test_a_record_that_describes_somebody_else_is_told_with_both_sides_and_overwrites():
    outcome = given(ann).when_sent(SOMEBODY_ELSE, match=OVERLAY)
    assert isinstance(outcome.events[1], OverlaySuspected)
    assert (outcome.events[1].held["last_name"], outcome.events[1].offered) == ("Lee", OFFERED)
    assert outcome.state.facts["last_name"] == "Wu"
    assert outcome.dropped == ()


def test_an_organization_can_have_such_a_record_held():
    cautious = replace(ORGANIZATION, overlay="hold")
    stream = given(ann)
    outcome = stream.when_sent(SOMEBODY_ELSE, match=OVERLAY, tenant=cautious)
    assert [type(each).__name__ for each in outcome.events] == ["PatientMatched", "OverlaySuspected", "AddressChanged"]
    assert (outcome.state.facts["first_name"], outcome.state.facts["last_name"]) == ("Ann", "Lee")
    assert {each.field: each.reason for each in outcome.dropped} == dict.fromkeys(
        ("first_name", "last_name"), "overlay_held"
    ), "what differs, and nothing else"
    again = stream.when_sent(SOMEBODY_ELSE, match=OVERLAY, tenant=cautious)
    assert again.events == ()
    assert again.dropped == outcome.dropped


# ---- drops


def test_a_drop_is_told_once_and_reported_every_time():
    stream = given(ann)
    outcome = stream.when_sent({"email": "nonsense"})
    outcome.then_changes(FieldDropped("email", "not_an_email", "nonsense"))
    again = stream.when_sent({"email": "nonsense"})
    assert (again.events, again.dropped) == ((), outcome.dropped)
    stream.when_sent({"email": "rubbish"}).then_changes(FieldDropped("email", "not_an_email", "rubbish"))


def test_a_list_of_drops_as_long_as_one_record_can_have_is_told_once():
    stream = given(ann)
    body = {"payors": [{"services": [{"location_id": "x"}] * 25}] * 5}
    assert len(stream.when_sent(body).dropped) > 100
    assert stream.when_sent(body).events == ()


def test_drops_that_share_a_stand_in_for_their_name_are_told_as_one():
    stream = given(ann)
    body = {"custom_fields": {"not a name": "x" * 20_000, "nor this": float("inf")}}
    assert len(stream.when_sent(body).dropped) == 2
    assert stream.when_sent(body).events == ()
