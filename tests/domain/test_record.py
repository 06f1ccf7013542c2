"""What is read of a body, and what of it is dropped."""

import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dropped import MORE, Reason
from domain.record import MAX_DROPS, MAX_UNKNOWN_FIELDS, UNREADABLE, UpsertRecord, read_record
from tests.domain.records import DOCUMENTED, EXTERNAL_ID_TYPE, bodies, json_values


def dropped(body: dict[str, Any]) -> dict[str, str]:
    return {drop.field: drop.reason for drop in read_record(body)[1]}


def test_every_documented_field_is_read():
    record, drops = read_record(DOCUMENTED)
    assert drops == ()
    assert record.model_dump(exclude_unset=True) == DOCUMENTED


def test_an_empty_body_is_an_empty_record():
    assert read_record({}) == (UpsertRecord(), ())


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"], ids=ascii)
def test_null_and_blank_are_not_provided_and_not_reported(blank):
    body = dict.fromkeys(UpsertRecord.model_fields, None) | dict.fromkeys(("first_name", "email", "zip"), blank)
    assert read_record(body | {"external_id": {"type_id": blank}}) == read_record({"external_id": {}})


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ({"first_name": ["Ann"]}, "first_name", Reason.NOT_TEXT),
        ({"last_name": True}, "last_name", Reason.NOT_TEXT),
        ({"zip": {}}, "zip", Reason.NOT_TEXT),
        ({"first_name": "a" * 201}, "first_name", Reason.TOO_LONG),
        ({"comments": "a" * 10_001}, "comments", Reason.TOO_LONG),
        ({"tags": "vip"}, "tags", Reason.NOT_A_LIST),
        ({"tags": ["vip", {}]}, "tags.1", Reason.NOT_TEXT),
        ({"referral": []}, "referral", Reason.NOT_AN_OBJECT),
        ({"referral": {"icd_codes": ["M54.50", []]}}, "referral.icd_codes.1", Reason.NOT_TEXT),
        ({"custom_fields": "x"}, "custom_fields", Reason.NOT_AN_OBJECT),
        ({"payors": {}}, "payors", Reason.NOT_A_LIST),
        ({"payors": [{}, 5]}, "payors.1", Reason.NOT_AN_OBJECT),
        ({"payors": [{"subscriber": {"dob": []}}]}, "payors.0.subscriber.dob", Reason.NOT_TEXT),
        (
            {"payors": [{"services": [{"oon_reimbursement_rate": "much"}]}]},
            "payors.0.services.0.oon_reimbursement_rate",
            Reason.NOT_A_NUMBER,
        ),
        (
            {"payors": [{"services": [{"location_rates": [{}, {"covered_in_network": "perhaps"}]}]}]},
            "payors.0.services.0.location_rates.1.covered_in_network",
            Reason.NOT_A_BOOLEAN,
        ),
        (
            {"payors": [{"services": [{"location_rates": [{"visit_limit_in_network": 10**16}]}]}]},
            "payors.0.services.0.location_rates.0.visit_limit_in_network",
            Reason.OUT_OF_RANGE,
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_a_value_of_the_wrong_type_is_dropped_by_its_path(body, path, reason):
    assert dropped(body) == {path: reason}


def test_what_stands_beside_a_dropped_value_is_kept():
    record, drops = read_record(
        {
            "first_name": [],
            "last_name": "Lee",
            "payors": [{"plan_name": {}, "plan_type": "PPO"}, 5, {"plan_type": "HMO"}],
        }
    )
    assert [drop.field for drop in drops] == ["first_name", "payors.0.plan_name", "payors.1"]
    assert record.model_dump(exclude_none=True) == {
        "last_name": "Lee",
        "payors": [{"plan_type": "PPO"}, None, {"plan_type": "HMO"}],
    }


def test_a_drop_tells_what_was_offered_but_does_not_print_it():
    (drop,) = read_record({"first_name": True})[1]
    assert drop.offered == "true"
    assert "true" not in repr(drop)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("A-1", Reason.NOT_AN_OBJECT),
        ({"type_id": EXTERNAL_ID_TYPE, "value": []}, Reason.NOT_TEXT),
        ({"type_id": [], "value": "A-1"}, Reason.NOT_TEXT),
        ({"type_id": EXTERNAL_ID_TYPE, "value": "a" * 201}, Reason.TOO_LONG),
    ],
    ids=["no object", "value", "type", "long"],
)
def test_an_external_id_that_is_bad_in_part_is_dropped_whole(sent, reason):
    record, drops = read_record({"external_id": sent})
    assert record.external_id is None
    assert [(drop.field, drop.reason) for drop in drops] == [("external_id", reason)]


def test_a_list_is_read_up_to_its_limit_and_the_first_entry_left_out_is_named():
    record, drops = read_record({"tags": [str(number) for number in range(150)]})
    assert record.tags == [str(number) for number in range(100)]
    assert [(drop.field, drop.reason) for drop in drops] == [("tags.100", Reason.TOO_MANY)]


def test_lists_that_are_too_long_within_each_other_are_all_cut():
    rates: list[Any] = [{"id": []}] * 200
    _, drops = read_record({"payors": [{"services": [{"location_rates": rates}] * 60}] * 21})
    assert {drop.field for drop in drops} >= {"payors.20", "payors.0.services.25"}
    assert len(drops) == MAX_DROPS + 1


def test_unknown_fields_are_named_last_and_in_order_without_their_values():
    body = {
        "ssn": "123-45-6789",
        "referral": {"fee": 5},
        "payors": [{"services": [{"location_rates": [{"x": 1}]}]}],
        "age": 5,
        "zip": [],
    }
    assert [(drop.field, drop.reason, drop.offered) for drop in read_record(body)[1]] == [
        ("zip", Reason.NOT_TEXT, None),
        ("referral.fee", Reason.UNKNOWN_FIELD, None),
        ("payors.0.services.0.location_rates.0.x", Reason.UNKNOWN_FIELD, None),
        ("age", Reason.UNKNOWN_FIELD, None),
        ("ssn", Reason.UNKNOWN_FIELD, None),
    ]


@pytest.mark.parametrize("key", ["first name", "a" * 65, "", "prénom", "a.b", "x\n", "<b>"], ids=ascii)
def test_a_key_that_does_not_look_like_a_field_name_is_not_echoed(key):
    assert dropped({key: 1, key + "-": 2}) == {UNREADABLE: Reason.UNKNOWN_FIELD}


def test_the_number_of_unknown_fields_told_is_bounded():
    drops = read_record({f"field_{number:04}": 1 for number in range(1_000)} | {"zip": []})[1]
    assert [drop.field for drop in drops[:2]] == ["zip", "field_0000"]
    assert len(drops) == 1 + MAX_UNKNOWN_FIELDS + 1
    assert (drops[-1].field, drops[-1].reason) == (MORE, Reason.NOT_LISTED)


def test_the_number_of_drops_told_is_bounded_and_the_patient_comes_first():
    body: dict[str, Any] = {
        "payors": [
            {
                name: []
                for name in (
                    "plan_name",
                    "plan_type",
                    "group_number",
                    "subscriber_id",
                    "insured_member_id",
                    "coverage_to",
                )
            }
        ]
        * 20
    }
    drops = read_record(body | {"email": []})[1]
    assert drops[0].field == "email"
    assert len(drops) == MAX_DROPS + 1
    assert drops[-1].field == MORE


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4) | bodies)
def test_reading_never_raises_and_leaves_the_body_alone(body):
    before = deepcopy(body)
    read_record(body)
    assert repr(body) == repr(before)


@given(bodies, st.randoms(use_true_random=False))
def test_the_order_of_the_members_of_a_body_does_not_matter(body, rng: random.Random):
    members = list(body.items())
    rng.shuffle(members)
    assert repr(read_record(dict(members))) == repr(read_record(body))


def test_the_schema_says_how_forgiving_it_is():
    schema = UpsertRecord.model_json_schema()
    assert "required" not in schema
    assert "additionalProperties" not in schema
    assert schema["properties"]["zip"]["type"] == ["string", "number", "null"]
    assert schema["properties"]["first_name"]["maxLength"] == 200
    assert schema["$defs"]["Payor"]["properties"]["coverage_from"]["examples"] == ["2026-01-01"]
    rates = schema["$defs"]["LocationRate"]["properties"]
    assert rates["copay_in_network"]["type"] == ["number", "string", "null"]


def test_a_refused_model_does_not_quote_the_patient():
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is what is tested
        UpsertRecord.model_validate({"first_name": ["Zebulon"]})
    assert "Zebulon" not in str(refused.value)
