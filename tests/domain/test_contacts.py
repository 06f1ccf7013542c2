"""Which phone numbers and email addresses are read, and why others are not."""

from collections.abc import Callable

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from domain import emails, phones
from domain.dropped import Reason, Unusable
from domain.emails import read_email
from domain.phones import Phone, read_phone
from domain.placeholders import is_filler_email, is_filler_phone

REGIONS = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])


def refusal(read: Callable[..., object], *arguments: str) -> Reason:
    with pytest.raises(Unusable) as refused:
        read(*arguments)
    return refused.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "(212) 555-0142",
        "212-555-0142",
        "212.555.0142",
        "2125550142",
        "12125550142",
        "1 212 555 0142",
        "+1 212-555-0142",
        "+12125550142",
        "tel:+1-212-555-0142",
        "(212)5550142",
        " 212 555 0142",
        "２１２-555-0142",
    ],
)
def test_all_notations_of_a_number_are_one_number(text):
    assert read_phone(text, "US") == Phone("+12125550142")


@pytest.mark.parametrize(
    "text",
    [
        "(212) 555-0142 x12",
        "212-555-0142 ext. 12",
        "212-555-0142 extension 12",
        "+12125550142;ext=12",
        "2125550142#12",
    ],
)
def test_an_extension_is_kept_apart(text):
    assert read_phone(text, "US") == Phone("+12125550142", "12")


def test_a_number_with_extension_reads_back_from_its_text():
    assert str(Phone("+12125550142", "12")) == "+12125550142 x12"
    assert read_phone("+12125550142 x12", "US") == Phone("+12125550142", "12")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("020 7183 8750", "GB", "+442071838750"),
        ("+44 20 7183 8750", "US", "+442071838750"),
        ("011 44 20 7183 8750", "US", "+442071838750"),
        ("+1 (212) 555-0142", "GB", "+12125550142"),
        ("212 555 0142", "CA", "+12125550142"),
        ("212 555 0142", "DE", "+492125550142"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("+52 1 55 5123 4567", "US", "+525551234567"),
        ("044 55 5123 4567", "MX", "+525551234567"),
        ("01 (55) 5123-4567", "MX", "+525551234567"),
    ],
)
def test_a_number_is_read_as_dialled_in_the_region(text, region, number):
    assert read_phone(text, region).number == number


@pytest.mark.parametrize("text", ["555-0142", "(555) 555-0142", "111-555-0142"])
def test_a_possible_number_is_kept_though_nobody_holds_it(text):
    assert read_phone(text, "US").number.startswith("+1")


@pytest.mark.parametrize(
    "text",
    ["9999999999", "(000) 000-0000", "1234567890", "123-123-1234", "111-222-3333", "5555555555", "0000000"],
)
def test_a_filler_is_no_phone(text):
    assert refusal(read_phone, text, "US") is Reason.PLACEHOLDER


def test_a_filler_that_is_too_long_for_a_number_is_still_a_filler():
    assert refusal(read_phone, "9" * 15, "US") is Reason.PLACEHOLDER


@pytest.mark.parametrize(
    "text",
    [
        "n/a",
        "none",
        "12",
        "21255501",
        "212-555-0142-212-555-0143",
        "212-555-0142 or 0143",
        "<string>",
        "+",
        "x12",
    ],
)
def test_what_cannot_be_a_number_is_no_phone(text):
    assert refusal(read_phone, text, "US") is Reason.NOT_A_PHONE


@given(text=st.from_regex(phones._NORTH_AMERICAN, fullmatch=True), region=st.sampled_from(REGIONS))
def test_the_short_way_to_a_north_american_number_is_what_the_library_reads(text, region):
    parsed = phonenumbers.parse(text, region)
    assert phonenumbers.is_possible_number(parsed)
    assert not parsed.extension
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if is_filler_phone(e164):
        assert refusal(read_phone, text, region) is Reason.PLACEHOLDER
    else:
        assert read_phone(text, region) == Phone(e164)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ANN.LEE+CLINIC@GMAIL.COM", "ann.lee+clinic@gmail.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("ann_lee-1@mail.example.co.uk", "ann_lee-1@mail.example.co.uk"),
        ("Ünal@Bücher.example", "ünal@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
    ],
)
def test_an_address_is_lower_cased_and_otherwise_kept(text, email):
    assert read_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@example",
        "ann@@example.com",
        "ann lee@example.com",
        "ann.@example.com",
        "ann..lee@example.com",
        "ann@-example.com",
        "ann@example..com",
        "ann@printer.local",
        "Ann Lee <ann@example.com>",
        "ann@example.com, lee@example.com",
        "a" * 243 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "<string>",
    ],
)
def test_what_cannot_be_an_address_is_no_email(text):
    assert refusal(read_email, text) is Reason.NOT_AN_EMAIL


@pytest.mark.parametrize("text", ["noemail@noemail.com", "NONE@none.com", "a@a.com", "test@test.com"])
def test_a_filler_is_no_email(text):
    assert refusal(read_email, text) is Reason.PLACEHOLDER


@given(
    st.from_regex(emails._ORDINARY, fullmatch=True)
    | st.emails().map(str.lower)
    | st.from_regex(r"[a-z.+]{1,260}@[a-z0-9.-]{1,12}\.(com|local|test|c-m|1|xn--p1ai)", fullmatch=True)
)
def test_the_short_way_to_an_address_is_what_the_library_reads(text):
    try:
        expected = validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        assert refusal(read_email, text) is Reason.NOT_AN_EMAIL
        return
    if is_filler_email(expected):
        assert refusal(read_email, text) is Reason.PLACEHOLDER
    else:
        assert read_email(text) == expected
