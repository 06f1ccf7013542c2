"""Which days and instants are read, and why others are not."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.dates import read_birth_date, read_instant, read_plan_date
from domain.dropped import Reason, Unusable

TODAY = date(2026, 11, 23)


def named(cases: dict[str, tuple[str, str]]) -> list[Any]:
    """Return cases whose keys are their names."""
    return [pytest.param(*case, id=name) for name, case in cases.items()]


def refusal(read: Callable[[str, date], str], text: str, today: date = TODAY) -> Reason:
    with pytest.raises(Unusable) as refused:
        read(text, today)
    return refused.value.reason


@pytest.mark.parametrize(
    ("text", "day"),
    named(
        {
            "year-month-day": ("1980-03-01", "1980-03-01"),
            "run of digits": ("19800301", "1980-03-01"),
            "slashes": ("03/01/1980", "1980-03-01"),
            "hyphens, month first": ("03-01-1980", "1980-03-01"),
            "two-digit year": ("03/01/80", "1980-03-01"),
            "single digits, year first": ("1980-3-1", "1980-03-01"),
            "single digits, slashes": ("3/1/1980", "1980-03-01"),
            "single digits, hyphens": ("3-1-1980", "1980-03-01"),
            "single digits, two-digit year": ("3/1/80", "1980-03-01"),
            "month before day": ("12/11/1980", "1980-12-11"),
            "instant": ("1980-03-01T23:59:59Z", "1980-03-01"),
            "instant with offset stays on its day": ("1980-03-01T23:59:59.123456-08:00", "1980-03-01"),
            "database timestamp": ("1980-03-01 00:00:00.000", "1980-03-01"),
            "American time": ("3/1/1980 12:00:00 AM", "1980-03-01"),
            "American time, dotted": ("3/1/1980 1:05 p.m.", "1980-03-01"),
            "HL7 timestamp": ("19800301101530", "1980-03-01"),
            "impossible time is ignored too": ("1980-03-01 25:61", "1980-03-01"),
            "leap day": ("02/29/2000", "2000-02-29"),
            "today": ("2026-11-23", "2026-11-23"),
            "130 years ago today": ("1896-11-23", "1896-11-23"),
        }
    ),
)
def test_a_date_of_birth_is_read_in_every_documented_format(text, day):
    assert read_birth_date(text, TODAY) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("11/23/26", "2026-11-23"),
        ("11/24/26", "1926-11-24"),
        ("03/01/30", "1930-03-01"),
        ("01/01/00", "2000-01-01"),
        ("02/29/00", "2000-02-29"),
        ("02/29/28", "1928-02-29"),
    ],
)
def test_a_two_digit_year_of_birth_is_the_latest_that_is_not_in_the_future(text, day):
    assert read_birth_date(text, TODAY) == day


def test_a_two_digit_year_skips_a_century_that_has_no_such_day():
    assert read_birth_date("02/29/00", date(2110, 5, 5)) == "2000-02-29"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("02/30/1980", Reason.IMPOSSIBLE_DATE),
        ("13/05/1980", Reason.IMPOSSIBLE_DATE),
        ("31/12/80", Reason.IMPOSSIBLE_DATE),
        ("1980-02-30", Reason.IMPOSSIBLE_DATE),
        ("02/29/1981", Reason.IMPOSSIBLE_DATE),
        ("00/00/0000", Reason.IMPOSSIBLE_DATE),
        ("19801301", Reason.IMPOSSIBLE_DATE),
        ("2026-11-24", Reason.FUTURE_DATE),
        ("11/24/2026", Reason.FUTURE_DATE),
        ("3000-01-01", Reason.FUTURE_DATE),
        ("1896-11-22", Reason.TOO_LONG_AGO),
        ("0001-01-01", Reason.TOO_LONG_AGO),
        ("1980", Reason.NOT_A_DATE),
        ("1980-03", Reason.NOT_A_DATE),
        ("March 1, 1980", Reason.NOT_A_DATE),
        ("01.03.1980", Reason.NOT_A_DATE),
        ("03-01-80", Reason.NOT_A_DATE),
        ("03/01-1980", Reason.NOT_A_DATE),
        ("1980/03/01", Reason.NOT_A_DATE),
        ("030180", Reason.NOT_A_DATE),
        ("1980-03-01 soon", Reason.NOT_A_DATE),
        ("1980-03-01T", Reason.NOT_A_DATE),
        ("٠٣/٠١/١٩٨٠", Reason.NOT_A_DATE),
    ],
)
def test_an_unusable_date_of_birth_says_why(text, reason):
    assert refusal(read_birth_date, text) is reason


def test_a_leap_day_130_years_ago_is_judged_by_the_calendar():
    assert read_birth_date("1898-03-01", date(2028, 2, 29)) == "1898-03-01"
    assert refusal(read_birth_date, "1898-02-28", date(2028, 2, 29)) is Reason.TOO_LONG_AGO


@pytest.mark.parametrize("hour", [0, 12, 23])
@pytest.mark.parametrize("text", ["11/23/26", "2026-11-23", "1896-11-23"])
def test_the_time_of_today_does_not_matter(text, hour):
    assert read_birth_date(text, datetime(2026, 11, 23, hour, 59, tzinfo=UTC)) == read_birth_date(text, TODAY)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-01-01", "2027-01-01"),
        ("01/01/27", "2027-01-01"),
        ("12/31/75", "2075-12-31"),
        ("12/31/77", "1977-12-31"),
        ("9999-12-31", "9999-12-31"),
        ("2023-12-25T00:00:00Z", "2023-12-25"),
    ],
)
def test_a_day_of_a_plan_may_lie_in_the_future_and_a_two_digit_year_is_the_nearest(text, day):
    assert read_plan_date(text, TODAY) == day


def test_a_two_digit_year_near_the_turn_of_a_century_is_the_nearest():
    assert read_plan_date("01/01/02", date(2099, 6, 1)) == "2102-01-01"
    assert read_plan_date("01/01/98", date(2101, 6, 1)) == "2098-01-01"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("someday", Reason.NOT_A_DATE),
        ("2023-02-29", Reason.IMPOSSIBLE_DATE),
        ("0001-01-01", Reason.TOO_LONG_AGO),
    ],
)
def test_an_unusable_day_of_a_plan_says_why(text, reason):
    assert refusal(read_plan_date, text) is reason


@pytest.mark.parametrize(
    ("text", "instant"),
    named(
        {
            "zulu": ("2023-11-07T05:31:56Z", "2023-11-07T05:31:56Z"),
            "offset": ("2023-11-07T23:31:56-05:00", "2023-11-08T04:31:56Z"),
            "offset without colon": ("2023-11-07T05:31:56+0530", "2023-11-07T00:01:56Z"),
            "offset of hours": ("2023-11-07 05:31+01", "2023-11-07T04:31:00Z"),
            "no zone is UTC": ("2023-11-07 05:31:56", "2023-11-07T05:31:56Z"),
            "no time is midnight": ("11/07/2023", "2023-11-07T00:00:00Z"),
            "fraction": ("2023-11-07T05:31:56.25Z", "2023-11-07T05:31:56.250000Z"),
            "nanoseconds are cut": ("2023-11-07T05:31:56.123456789Z", "2023-11-07T05:31:56.123456Z"),
            "midnight in American": ("11/07/2023 12:05 AM", "2023-11-07T00:05:00Z"),
            "afternoon in American": ("11/07/2023 1:05pm", "2023-11-07T13:05:00Z"),
            "HL7 timestamp": ("20231107053156", "2023-11-07T05:31:56Z"),
        }
    ),
)
def test_an_instant_is_told_in_utc(text, instant):
    assert read_instant(text, TODAY) == instant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2023-11-07T25:00:00Z", Reason.IMPOSSIBLE_DATE),
        ("2023-11-07 13:00 PM", Reason.IMPOSSIBLE_DATE),
        ("2023-11-07T05:31:56+25:00", Reason.IMPOSSIBLE_DATE),
        ("9999-12-31T23:59:59-01:00", Reason.IMPOSSIBLE_DATE),
        ("202311070561", Reason.IMPOSSIBLE_DATE),
        ("0001-01-01T00:00:00Z", Reason.TOO_LONG_AGO),
        ("1699335116", Reason.NOT_A_DATE),
        ("yesterday", Reason.NOT_A_DATE),
    ],
)
def test_an_unusable_instant_says_why(text, reason):
    assert refusal(read_instant, text) is reason
