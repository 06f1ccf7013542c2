"""Whatever a record says, is saying it again silent?"""

from typing import Any

from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from domain.entry import canonical
from tests.domain.records import (
    INSURANCE,
    bodies,
)
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


@settings(max_examples=150)
@drawn(st.lists(bodies, min_size=1, max_size=3))
def test_the_same_record_again_appends_nothing(sent: list[dict[str, Any]]):
    stream = given()
    for body in sent:
        first = stream.when_sent(body)
        again = stream.when_sent(body)
        assert again.events == ()
        assert again.dropped == first.dropped
        assert canonical(again.state) == canonical(first.state)


@settings(max_examples=600)
@drawn(st.lists(payors, min_size=1, max_size=3))
def test_the_same_payors_again_append_nothing(lists: list[list[dict[str, Any]]]):
    stream = given()
    for listed in lists:
        told = stream.when_sent({"phone_number": "212-555-0142", "payors": listed})
        again = stream.when_sent({"phone_number": "212-555-0142", "payors": listed})
        assert again.events == ()
        assert canonical(again.state.payors) == canonical(told.state.payors)


@settings(max_examples=150)
@drawn(bodies, bodies)
def test_interpreting_leaves_what_was_sent_as_it_was(one: dict[str, Any], other: dict[str, Any]):
    kept = repr([one, other])
    stream = given()
    stream.when_sent(one)
    stream.when_sent(other)
    assert repr([one, other]) == kept
