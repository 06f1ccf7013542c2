"""What becomes of tags, custom fields, referrals and payors that a patient has, when others are sent?"""

from typing import Any

import pytest

from domain.commands import (
    AddReferral,
    PutPayors,
    ReplaceTags,
    SetCustomField,
)
from domain.events import (
    CustomFieldSet,
    PatientCreated,
    PayorAdded,
    PayorChanged,
    ReferralAdded,
    TagsReplaced,
)
from tests.domain.records import INSURANCE
from tests.kit import given

created = PatientCreated(facts={"first_name": "Ann"})


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


BY_INSURANCE = [[{"insurance_id": INSURANCE, "plan_name": name}] for name in "AB"]


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
        # what could be several is one more, and has its own key from then on
        ([[PRIMARY, {**PRIMARY, "payor_responsibility": "secondary"}], *BY_INSURANCE, [{**PRIMARY, "plan_name": "C"}]],
         [{**PRIMARY, "plan_name": "C"}, {**PRIMARY, "payor_responsibility": "secondary"}, BY_INSURANCE[1][0]]),
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
