"""What a record says in clean values, and what of it could not be used."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given

from domain.dropped import Reason
from domain.normalise import Clean, normalise, satisfies_invariant
from domain.record import UpsertRecord, read_record
from tests.domain.records import (
    DOCUMENTED,
    EXTERNAL_ID_TYPE,
    INSURANCE,
    LOCATION,
    ORGANIZATION,
    TODAY,
    USER,
    WORKFLOW_STAGE,
    bodies,
    body_of,
    outcome,
    reasons,
)

STRANGER = "00000000-0000-4000-8000-000000000000"


def clean(body: dict[str, Any]) -> Clean:
    return outcome(body)[0]


def test_every_documented_field_arrives():
    cleaned, drops = outcome(DOCUMENTED)
    assert drops == ()
    assert body_of(cleaned) == DOCUMENTED


def test_facts_are_told_in_their_clean_form():
    body = {
        "first_name": " Ann ",
        "date_of_birth": "3/1/80",
        "phone_number": "(212) 555-0142 x12",
        "additional_phone_number": "212.555.0143 ext 7",
        "email": "Ann@Example.COM",
        "gender": " Female ",
        "zip": 10001,
        "comments": "first\nsecond",
    }
    assert outcome(body) == (
        Clean(
            facts={
                "first_name": "Ann",
                "date_of_birth": "1980-03-01",
                "phone_number": "+12125550142",
                "phone_extension": "12",
                "additional_phone_number": "+12125550143 x7",
                "email": "ann@example.com",
                "gender": "Female",
                "zip": "10001",
                "comments": "first\nsecond",
            }
        ),
        (),
    )


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ({"date_of_birth": "02/30/1980"}, "date_of_birth", Reason.IMPOSSIBLE_DATE),
        ({"date_of_birth": "2026-11-24"}, "date_of_birth", Reason.FUTURE_DATE),
        ({"date_of_birth": "1880-01-01"}, "date_of_birth", Reason.TOO_LONG_AGO),
        ({"date_of_birth": "unknown"}, "date_of_birth", Reason.NOT_A_DATE),
        ({"phone_number": "9999999999"}, "phone_number", Reason.PLACEHOLDER),
        ({"phone_number": "n/a"}, "phone_number", Reason.NOT_A_PHONE),
        ({"additional_phone_number": "n/a"}, "additional_phone_number", Reason.NOT_A_PHONE),
        ({"email": "none@none.com"}, "email", Reason.PLACEHOLDER),
        ({"email": "ann"}, "email", Reason.NOT_AN_EMAIL),
        ({"location_id": STRANGER}, "location_id", Reason.UNKNOWN_ID),
        ({"location_id": USER}, "location_id", Reason.UNKNOWN_ID),
        ({"workflow_stage_id": "new"}, "workflow_stage_id", Reason.UNKNOWN_ID),
        ({"assigned_user_id": STRANGER}, "assigned_user_id", Reason.UNKNOWN_ID),
        ({"external_id": {"type_id": STRANGER, "value": "A-1"}}, "external_id", Reason.UNKNOWN_ID),
        ({"external_id": {"value": "A-1"}}, "external_id", Reason.INCOMPLETE),
        ({"source": "carrier pigeon"}, "source", Reason.UNKNOWN_CHOICE),
        ({"referral": {"physician_phone": "n/a"}}, "referral.physician_phone", Reason.NOT_A_PHONE),
        ({"referral": {"physician_fax": "n/a"}}, "referral.physician_fax", Reason.NOT_A_PHONE),
        ({"referral": {"physician_email": "n/a"}}, "referral.physician_email", Reason.NOT_AN_EMAIL),
        ({"referral": {"start_date": "soon"}}, "referral.start_date", Reason.NOT_A_DATE),
        ({"referral": {"end_date": "2026-02-30"}}, "referral.end_date", Reason.IMPOSSIBLE_DATE),
        ({"referral": {"location_id": STRANGER}}, "referral.location_id", Reason.UNKNOWN_ID),
        ({"payors": [{}, {"insurance_id": STRANGER}]}, "payors.1.insurance_id", Reason.UNKNOWN_ID),
        (
            {"payors": [{"payor_responsibility": "mine"}]},
            "payors.0.payor_responsibility",
            Reason.UNKNOWN_CHOICE,
        ),
        ({"payors": [{"coverage_from": "soon"}]}, "payors.0.coverage_from", Reason.NOT_A_DATE),
        ({"payors": [{"coverage_to": "soon"}]}, "payors.0.coverage_to", Reason.NOT_A_DATE),
        ({"payors": [{"subscriber": {"dob": "2030-01-01"}}]}, "payors.0.subscriber.dob", Reason.FUTURE_DATE),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_an_unusable_value_is_dropped_by_its_path_with_a_reason(body, path, reason):
    cleaned, drops = outcome(body)
    assert cleaned == Clean(facts={})
    assert [(drop.field, drop.reason) for drop in drops] == [(path, reason)]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("verification_benefits_status", "perhaps", Reason.UNKNOWN_CHOICE),
        ("pre_cert_phone_number", "n/a", Reason.NOT_A_PHONE),
        ("pre_cert_fax", "0000000000", Reason.PLACEHOLDER),
        ("pre_cert_email", "n/a", Reason.NOT_AN_EMAIL),
        ("carve_out_insurer_id", LOCATION, Reason.UNKNOWN_ID),
        ("location_id", INSURANCE, Reason.UNKNOWN_ID),
    ],
)
def test_an_unusable_value_of_a_service_is_dropped_alone(field, value, reason):
    body = {"payors": [{"services": [{field: value, "rep_name": "Kim"}]}]}
    assert clean(body).payors == ({"services": [{"rep_name": "Kim"}]},)
    assert reasons(body) == {f"payors.0.services.0.{field}": reason}


def test_what_was_offered_goes_with_the_drop():
    (drop,) = outcome({"email": "not an address"})[1]
    assert drop.offered == "not an address"


def test_drops_of_reading_and_of_normalising_come_in_the_order_of_the_contract():
    body = {
        "nonsense": 1,
        "payors": [{"coverage_to": "x"}],
        "zip": [],
        "tags": [[]],
        "email": "x",
        "first_name": [],
    }
    assert list(reasons(body)) == ["first_name", "email", "zip", "tags.0", "payors.0.coverage_to", "nonsense"]


@pytest.mark.parametrize("body", [{"nonsense": 1}, {"email": "x"}])
def test_a_drop_that_is_the_only_one_is_told_wherever_it_was_found(body):
    assert list(reasons(body)) == list(body)


@pytest.mark.parametrize(
    "written", ["{upper}", "{{{own}}}", "{plain}", " {own} "], ids=["upper", "braces", "plain", "blanks"]
)
def test_ids_are_compared_as_canonical_text(written: str):
    def write(own: str) -> str:
        return written.format(own=own, upper=own.upper(), plain=own.replace("-", ""))

    body = {
        "location_id": write(LOCATION),
        "assigned_user_id": write(USER),
        "workflow_stage_id": write(WORKFLOW_STAGE),
        "external_id": {"type_id": write(EXTERNAL_ID_TYPE), "value": " a  B "},
        "payors": [{"insurance_id": write(INSURANCE)}],
    }
    cleaned, drops = outcome(body)
    assert drops == ()
    assert cleaned == Clean(
        facts={"location_id": LOCATION, "assigned_user_id": USER, "workflow_stage_id": WORKFLOW_STAGE},
        external_id=(EXTERNAL_ID_TYPE, "a  B"),
        payors=({"insurance_id": INSURANCE},),
    )


def test_an_external_id_type_without_a_value_says_nothing():
    assert outcome({"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": " "}}) == (Clean(facts={}), ())


def test_phones_are_read_for_the_region_of_the_organization():
    british = replace(ORGANIZATION, region="GB")
    cleaned, _ = outcome({"phone_number": "020 7183 8750"}, organization=british)
    assert cleaned.facts == {"phone_number": "+442071838750"}


@pytest.mark.parametrize(
    ("sent", "tags"),
    [
        (["b", "a", " b ", None, ""], ("b", "a")),
        ([], ()),
        (None, None),
        ([None, " "], None),
        ([[], {}], None),
        (["a", {}], ("a",)),
        ([7], ("7",)),
    ],
    ids=[
        "distinct, in order",
        "empty takes all away",
        "null",
        "blank",
        "all dropped",
        "one dropped",
        "number",
    ],
)
def test_tags(sent, tags):
    assert clean({"tags": sent}).tags == tags


def test_custom_fields_are_kept_as_they_are_without_null_and_blank():
    sent = {"a": 1.5, " b  c ": {"d": [None, ""]}, "e": None, "f": " ", "g": False, "h": []}
    assert outcome({"custom_fields": sent}) == (
        Clean(facts={}, custom_fields={"a": 1.5, "b c": {"d": [None, ""]}, "g": False, "h": []}),
        (),
    )


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "value", "path", "reason"),
    [
        ("a", float("nan"), "custom_fields.a", Reason.NOT_A_NUMBER),
        ("a", [float("inf")], "custom_fields.a", Reason.NOT_A_NUMBER),
        ("a", 2**64, "custom_fields.a", Reason.OUT_OF_RANGE),
        ("a", [1e20], "custom_fields.a", Reason.OUT_OF_RANGE),
        ("a", "x" * 10_001, "custom_fields.a", Reason.TOO_LONG),
        ("a", [0] * 10_001, "custom_fields.a", Reason.TOO_LONG),
        ("a", nested(65), "custom_fields.a", Reason.TOO_DEEP),
        ("a", {"b": "\x00"}, "custom_fields.a", Reason.NOT_TEXT),
        ("a b", "\ud800", "custom_fields.(unreadable)", Reason.NOT_TEXT),
        ("a\x00", 1, "custom_fields.(unreadable)", Reason.NOT_TEXT),
        (" ", 1, "custom_fields.(unreadable)", Reason.NOT_TEXT),
        ("a" * 201, 1, "custom_fields.(unreadable)", Reason.TOO_LONG),
    ],
    ids=[
        "nan",
        "inf",
        "whole",
        "float",
        "text",
        "list",
        "deep",
        "nul",
        "surrogate",
        "nul key",
        "blank key",
        "long key",
    ],
)
def test_a_custom_field_that_cannot_be_kept_is_dropped_alone(name, value, path, reason):
    body = {"custom_fields": {name: value, "kept": nested(64)}}
    assert clean(body).custom_fields == {"kept": nested(64)}
    assert reasons(body) == {path: reason}


def test_custom_fields_are_kept_up_to_their_limit():
    body = {"custom_fields": {f"f{number}": number for number in range(300)}}
    assert len(clean(body).custom_fields) == 200
    assert reasons(body) == {"custom_fields.f200": Reason.TOO_MANY}


def test_a_payor_keeps_only_what_was_provided():
    rates = [{"copay_in_network": "12.50", "covered_in_network": "yes", "id": ""}, {"id": None}]
    service = {
        "verification_benefits_status": "In Progress",
        "verification_dates": ["2026-01-05", "2026-01-05T00:00:00Z", "", "soon"],
        "pre_cert_phone_number": "800-555-0123 x4",
        "location_rates": rates,
    }
    payor = {
        "payor_responsibility": " PRIMARY ",
        "coverage_from": "1/1/26",
        "subscriber": {"dob": "1980-03-01T00:00:00Z", "first_name": " "},
        "services": [{}, service],
    }
    cleaned, drops = outcome({"payors": [{}, payor, {"subscriber": {}, "services": [{}]}]})
    assert cleaned.payors == (
        {
            "payor_responsibility": "primary",
            "coverage_from": "2026-01-01",
            "subscriber": {"dob": "1980-03-01"},
            "services": [
                {
                    "verification_benefits_status": "in_progress",
                    "verification_dates": ["2026-01-05T00:00:00Z"],
                    "pre_cert_phone_number": "+18005550123 x4",
                    "location_rates": [{"copay_in_network": "12.5", "covered_in_network": True}],
                }
            ],
        },
    )
    assert [drop.field for drop in drops] == ["payors.1.services.1.verification_dates.3"]


def test_an_empty_referral_is_none():
    assert clean({"referral": {"physician_name": " ", "icd_codes": [None]}}).referral is None


@pytest.mark.parametrize("sent", ["chat_agent", "Chat Agent", "CHAT-AGENT"])
def test_a_source_is_read_whatever_its_case(sent):
    assert clean({"source": sent}).source == "chat_agent"


@pytest.mark.parametrize(
    ("facts", "enough"),
    [
        ({"phone_number"}, True),
        ({"first_name", "last_name", "date_of_birth"}, True),
        ({"first_name", "last_name"}, False),
        ({"last_name", "date_of_birth"}, False),
        ({"first_name", "date_of_birth"}, False),
        ({"additional_phone_number", "email"}, False),
        (set(), False),
    ],
    ids=str,
)
def test_a_phone_or_full_demographics_identify_a_patient(facts, enough):
    assert satisfies_invariant(Clean(facts=dict.fromkeys(facts, "x"))) is enough


@given(bodies)
def test_normalising_what_is_clean_changes_nothing(body):
    cleaned, _ = outcome(body)
    assert outcome(body_of(cleaned)) == (cleaned, ())


@given(bodies)
def test_the_time_of_today_does_not_matter(body):
    late = datetime(TODAY.year, TODAY.month, TODAY.day, 23, 59, 59, tzinfo=UTC)
    assert repr(outcome(body, today=late)) == repr(outcome(body, today=TODAY))


def test_a_record_made_in_code_needs_no_reading():
    record = UpsertRecord(first_name="Ann", date_of_birth="11/23/26")
    cleaned, drops = normalise(record, organization=ORGANIZATION, today=date(2026, 11, 22))
    assert (cleaned.facts, drops) == ({"first_name": "Ann", "date_of_birth": "1926-11-23"}, ())
    assert record == read_record({"first_name": "Ann", "date_of_birth": "11/23/26"})[0]
