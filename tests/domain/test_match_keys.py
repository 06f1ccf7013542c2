"""Whoever can match shares a key; keys are few, and placeholders make none."""

from dataclasses import replace

import pytest

from domain.commands import ChangePhone, RecordCommunication
from domain.known_as import identities_of_patient, keys_of_patient
from domain.matching import Identity, MatchKey, match_keys
from tests.domain.people import ANN, BORN, PHONE, person
from tests.domain.streams import BEA, Streams
from tests.kit import reloaded


def test_a_full_identity_has_a_handful_of_keys():
    full = replace(ANN, middle_name="Marie", external_ids=(("mrn", "7"),))
    assert {key.kind for key in match_keys(full)} == {
        "external_id",
        "phone",
        "email",
        "birth_name",
        "birth_initials",
    }
    assert len(match_keys(full)) == 6


@pytest.mark.parametrize(
    "other",
    [
        person("ANN", "Lee", BORN),
        person("Annn", "Lee", BORN),
        person("Ann", "Leee", BORN),
        person("Amn", "Lew", BORN),
        person("Lee", "Ann", BORN),
        person("Ann", "Lee-Cole", BORN),
        person("A", "Lee", BORN),
        person("Ann", "Lee", "1980-21-03"),
    ],
)
def test_a_close_variant_shares_a_key_of_the_birth_date(other):
    assert match_keys(person("Ann", "Lee", BORN)) & match_keys(other)


def test_additional_phones_are_keys_too():
    assert MatchKey("phone", PHONE) in match_keys(Identity(additional_phone=PHONE))


def test_placeholders_make_no_key():
    nobody = person("Baby Boy", "Unknown", "1900-01-01", phone="+19999999999", email="none@none.com", gender="male")
    assert match_keys(nobody) == frozenset()


def test_a_newborn_without_a_name_is_found_by_surname_and_date():
    assert match_keys(person("Baby Boy", "Lee", BORN)) & match_keys(person("Noah", "Lee", BORN))


def test_who_lacks_a_birth_date_is_found_by_name_behind_a_crowded_phone():
    assert MatchKey("phone_name", f"{PHONE} ann lee") in match_keys(person("Ann", "Lee", phone=PHONE))
    assert not any(key.kind == "phone_name" for key in match_keys(ANN))


def test_external_ids_are_scoped_by_their_type():
    one, other = (Identity(external_ids=((type_id, "7"),)) for type_id in ("mrn", "ssn"))
    assert not match_keys(one) & match_keys(other)


def test_a_patient_is_found_under_the_keys_of_whom_it_is_known_as():
    """Of one known as itself alone the keys are made of the facts, without an identity."""
    streams = Streams()
    streams.create(
        BEA,
        first_name="Maria",
        middle_name="Elena",
        last_name="Garcia-Lopez",
        date_of_birth="1980-03-21",
        phone_number="+12125550142",
        additional_phone_number="+12125550143 x7",
        email="maria@example.com",
    )
    told = RecordCommunication(channel="sms", direction="inbound", occurred_at="2026-06-01T10:00:00.000000Z")
    streams.do(BEA, told, ChangePhone(new="+12125550144"))
    (identity,) = identities_of_patient(reloaded(streams.states[BEA]))
    assert identity.refused_phone == "+12125550144"
    assert keys_of_patient(streams.states[BEA]) == match_keys(identity)
