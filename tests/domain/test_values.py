"""What a JSON value says where text, a number or yes-or-no is expected."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from domain.dropped import Reason, offered_text
from domain.text import tidy, tidy_lines, unreadable_text, verbatim
from domain.values import NOTES_LIMIT, TEXT_LIMIT, read_flag, read_number, read_text


def text(value: object) -> str | None:
    return read_text(value, clean=tidy, limit=TEXT_LIMIT)


def refusal(read: Callable[[Any], object], value: object) -> str:
    with pytest.raises(PydanticCustomError) as refused:
        read(value)
    return refused.value.type


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (" Ann ", "Ann"),
        ("Ann \t Marie\r\nLee", "Ann Marie Lee"),
        ("Ann\x00Lee\x07", "Ann Lee"),
        ("Ann\u00a0Lee\u3000", "Ann Lee"),
        ("\u202eAnn\u200b\ufeff", "Ann"),
        ("Jose\u0301", "José"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        (10001, "10001"),
        (-5, "-5"),
        (2125550142.0, "2125550142"),
        (12.5, "12.5"),
        (2.0**53 - 1, "9007199254740991"),
        ("", None),
        (" \t\u200b\n", None),
        (None, None),
    ],
    ids=ascii,
)
def test_text_is_tidied_and_numbers_are_read_as_text(value, said):
    assert text(value) == said


@pytest.mark.parametrize("value", [True, [], {}, ["Ann"], float("nan"), float("inf"), "\ud800"], ids=ascii)
def test_what_is_no_text_is_refused(value):
    assert refusal(text, value) == Reason.NOT_TEXT


@pytest.mark.parametrize(
    "value", ["a" * (TEXT_LIMIT + 1), 10 ** (TEXT_LIMIT + 1), 10**10_000], ids=["text", "long", "huge"]
)
def test_text_beyond_its_limit_is_refused(value):
    assert refusal(text, value) == Reason.TOO_LONG


@pytest.mark.parametrize("value", [2.0**53, -(2.0**53), 1e20, 1e300], ids=str)
def test_a_float_that_may_have_been_another_number_is_refused(value):
    assert refusal(text, value) == Reason.OUT_OF_RANGE


def test_the_limit_counts_what_is_left_after_tidying():
    assert text(" " + "a" * TEXT_LIMIT + "\t\t") == "a" * TEXT_LIMIT


def test_notes_keep_their_line_breaks():
    sent = "\n first\tline \r\n\r\nthird\u2028fourth\x00\n\n"
    assert read_text(sent, clean=tidy_lines, limit=NOTES_LIMIT) == "first line\n\nthird\nfourth"


def test_an_identifier_is_trimmed_and_otherwise_literal():
    assert verbatim("\t a  B-1 \x00\n") == "a  B-1"


@given(st.text())
@pytest.mark.parametrize("clean", [tidy, tidy_lines, verbatim])
def test_cleaning_text_again_changes_nothing(clean, sent):
    assert clean(clean(sent)) == clean(sent)


@pytest.mark.parametrize(
    "value",
    ["a\x00", "\ud800", {"a\x00": 1}, {"a": [{"b": "\udfff"}]}, [[["\x00"]]]],
    ids=ascii,
)
def test_nul_and_lone_surrogates_are_found_anywhere(value):
    assert unreadable_text(value)


@pytest.mark.parametrize("value", ["a\n\t\x01", "😀", {"a": [1, None, True, 1.5, "é"]}, 5, None], ids=ascii)
def test_other_text_is_readable(value):
    assert not unreadable_text(value)


def test_the_search_for_unreadable_text_has_no_depth_limit():
    deep: list[Any] = ["\x00"]
    for _ in range(100_000):
        deep = [deep]
    assert unreadable_text(deep)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (123, 123),
        (-1, -1),
        (0.0, 0),
        (25.0, 25),
        (12.5, "12.5"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e3, 1000),
        ("123", 123),
        (" 12.50 ", "12.5"),
        (".5", "0.5"),
        ("007", 7),
        ("$1,250.50", "1250.5"),
        ("20%", 20),
        ("-3.10", "-3.1"),
        (10**15, 10**15),
        ("", None),
        (None, None),
    ],
    ids=ascii,
)
def test_whole_numbers_stay_whole_and_others_are_decimal_text(value, number):
    read = read_number(value)
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(
    "value",
    [True, [], {}, "a lot", "1,25", "1.2.3", "1e3", "NaN", "²", float("nan"), float("-inf")],
    ids=ascii,
)
def test_what_is_no_number_is_refused(value):
    assert refusal(read_number, value) == Reason.NOT_A_NUMBER


@pytest.mark.parametrize(
    "value",
    [10**15 + 1, 1e300, 1e-300, "0." + "1" * 13, "9" * 29],
    ids=["whole", "large", "small", "precise", "long"],
)
def test_a_number_that_cannot_be_kept_exactly_is_refused(value):
    assert refusal(read_number, value) == Reason.OUT_OF_RANGE


@given(st.integers() | st.floats() | st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str))
def test_reading_a_read_number_changes_nothing(value):
    try:
        number = read_number(value)
    except PydanticCustomError:
        return
    assert read_number(number) == number


@pytest.mark.parametrize("value", [True, "yes", " Y ", "TRUE", "1", 1, 1.0], ids=ascii)
def test_yes_is_true(value):
    assert read_flag(value) is True


@pytest.mark.parametrize("value", [False, "no", "N", "False", "0", 0], ids=ascii)
def test_no_is_false(value):
    assert read_flag(value) is False


@pytest.mark.parametrize("value", [None, "", "  "], ids=ascii)
def test_a_blank_flag_is_not_provided(value):
    assert read_flag(value) is None


@pytest.mark.parametrize("value", ["maybe", 2, -1, [], {}, float("nan")], ids=ascii)
def test_what_is_neither_yes_nor_no_is_refused(value):
    assert refusal(read_flag, value) == Reason.NOT_A_BOOLEAN


@pytest.mark.parametrize(
    ("value", "offered"),
    [
        ("a" * 300, "a" * 200),
        (True, "true"),
        (1.5, "1.5"),
        (7, "7"),
        ("a\x00\ud800", "a\ufffd\ufffd"),
        ({"a": 1}, None),
        ([1], None),
        (10**10_000, None),
    ],
    ids=["long", "flag", "decimal", "whole", "unstorable", "object", "list", "huge"],
)
def test_what_was_offered_is_told_as_short_text_fit_to_store(value, offered):
    assert offered_text(value) == offered
