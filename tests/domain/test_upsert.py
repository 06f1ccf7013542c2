"""Does a record change just what it says, and is saying it again silent?"""

from typing import Any

from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from domain.entry import canonical
from domain.events import CustomFieldSet
from tests.domain.records import INSURANCE, bodies
from tests.kit import given

insurances = st.sampled_from([INSURANCE, INSURANCE.upper(), "not-our-own"])
payors = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "insurance_id": insurances,
            "payor_responsibility": st.sampled_from(["primary", "secondary"]),
            "insured_member_id": st.sampled_from(["X", "Y"]),
            "plan_name": st.sampled_from(["A", "B"]),
            "group_number": st.sampled_from(["1", "2"]),
            "subscriber": st.fixed_dictionaries({}, optional={"city": st.sampled_from("AB"), "zip": st.just("1")}),
        },
    ),
    max_size=4,
)


@settings(max_examples=300)
@drawn(st.lists(bodies, min_size=1, max_size=3))
def test_the_same_record_again_appends_nothing(sent: list[dict[str, Any]]):
    stream = given()
    for body in sent:
        stream.when_sent(body)
        assert stream.when_sent(body).events == ()


@settings(max_examples=1000)
@drawn(st.lists(payors, min_size=1, max_size=3))
def test_the_same_payors_again_append_nothing(lists: list[list[dict[str, Any]]]):
    stream = given()
    for listed in lists:
        told = stream.when_sent({"phone_number": "212-555-0142", "payors": listed})
        again = stream.when_sent({"phone_number": "212-555-0142", "payors": listed})
        assert again.events == ()
        assert canonical(again.state.payors) == canonical(told.state.payors)


def test_a_list_of_drops_as_long_as_one_record_can_have_is_told_once():
    stream = given()
    body = {"phone_number": "212-555-0142", "payors": [{"services": [{"location_id": "x"}] * 25}] * 5}
    told = stream.when_sent(body)
    assert len(told.dropped) > 100
    assert stream.when_sent(body).events == ()


def test_true_is_not_one():
    stream = given()
    stream.when_sent({"phone_number": "212-555-0142", "custom_fields": {"consent": 1, "deep": [{"a": 0}]}})
    changed = {"phone_number": "212-555-0142", "custom_fields": {"consent": True, "deep": [{"a": False}]}}
    stream.when_sent(changed).then_changes(
        CustomFieldSet(name="consent", old=1, new=True), CustomFieldSet(name="deep", old=[{"a": 0}], new=[{"a": False}])
    )
    assert stream.when_sent(changed).events == ()


def test_the_same_number_written_another_way_is_no_change():
    stream = given()
    stream.when_sent({"phone_number": "212-555-0142", "custom_fields": {"a": 1, "b": {"x": 1, "y": [2]}}})
    assert stream.when_sent({"custom_fields": {"a": 1.0, "b": {"y": [2.0], "x": 1}}}).events == ()
