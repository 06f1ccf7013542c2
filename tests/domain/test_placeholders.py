"""Values that were typed to fill a field are told from real ones."""

import pytest

from domain.names import fold
from domain.placeholders import (
    is_doubtful_birth_date,
    is_filler_email,
    is_filler_phone,
    is_placeholder_birth_date,
    is_placeholder_email,
    is_placeholder_name,
)


@pytest.mark.parametrize(
    "number",
    [
        "9999999999",
        "0000000000",
        "1234567890",
        "0123456789",
        "9876543210",
        "1212121212",
        "1231231231",
        "1112223333",
        "1231231234",
        "2025551212",
        "2125555555",
    ],
)
def test_a_number_typed_to_fill_the_field_is_a_filler(number):
    assert is_filler_phone("+1" + number)


@pytest.mark.parametrize(
    "number", ["+12125550142", "+15555550100", "+12125125125", "+12223334555", "+256712300633", "+4930123456"]
)
def test_an_ordinary_number_and_one_reserved_for_examples_is_kept(number):
    assert not is_filler_phone(number)


def test_the_country_code_is_no_part_of_the_pattern():
    assert is_filler_phone("+447777777777")
    assert not is_filler_phone("+447911123456")


@pytest.mark.parametrize(
    "email",
    [
        "noemail@clinic.org",
        "no-email@x.org",
        "doesnothave@clinic.org",
        "ann@nowhere.org",
        "none@none.com",
        "a@a.com",
        "test@test.com",
    ],
)
def test_an_address_typed_to_fill_the_field_is_a_filler(email):
    assert is_filler_email(email)
    assert is_placeholder_email(email)


@pytest.mark.parametrize("email", ["front.desk@clinic.org", "info@clinic.org", "test@example.com"])
def test_the_mailbox_of_an_office_is_kept_but_tells_nobody_apart(email):
    assert is_placeholder_email(email)
    assert not is_filler_email(email)


@pytest.mark.parametrize("email", ["ann@example.com", "nana@example.org", "ann.lee+clinic@example.com"])
def test_an_ordinary_address_is_no_placeholder(email):
    assert not is_placeholder_email(email)


@pytest.mark.parametrize(
    "name",
    [
        "Baby Boy",
        "BABY-GIRL",
        "Baby Boy A",
        "BB Mia",
        "Newborn",
        "Twin B",
        "Girl 2",
        "Unknown",
        "Test",
        "N/A",
        "XXX",
        "FNU",
    ],
)
def test_a_word_for_a_missing_name_is_a_placeholder(name):
    assert is_placeholder_name(fold(name))


@pytest.mark.parametrize("name", ["Ann", "Na", "Boyd", "Babette", "Child", "Maxx", "Doe"])
def test_a_name_that_many_bear_is_none(name):
    assert not is_placeholder_name(fold(name))


def test_the_epochs_of_software_are_no_birthdays():
    assert is_placeholder_birth_date("1900-01-01")
    assert not is_placeholder_birth_date("1980-01-01")
    assert is_doubtful_birth_date("1970-01-01")
    assert not is_placeholder_birth_date("1970-01-01")
