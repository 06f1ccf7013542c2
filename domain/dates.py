"""Which day, or which instant, does a text name?

The formats of the contract and no others: month before day, never guessed. ISO 8601 text comes out. Today is
an argument, of which only the day counts.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone

from domain.dropped import Reason, Unusable

MAX_AGE_YEARS = 130

_TIME = r"""
    (?P<hour>[0-9]{1,2}) : (?P<minute>[0-9]{2})
    (?: : (?P<second>[0-9]{2}) (?: [.,] (?P<fraction>[0-9]{1,9}) )? )?
    \s* (?P<half>[AaPp])? (?(half) \.?[Mm]\.? )
    \s* (?P<zone> [Zz] | UTC | GMT | (?P<sign>[+-]) (?P<zone_hour>[0-9]{2}) :? (?P<zone_minute>[0-9]{2})? )?
"""
_MOMENT = re.compile(
    rf"""
    (?: (?P<year>[0-9]{{4}}) - (?P<month>[0-9]{{1,2}}) - (?P<day>[0-9]{{1,2}})
      | (?P<us_month>[0-9]{{1,2}}) (?P<mark>[/-]) (?P<us_day>[0-9]{{1,2}}) (?P=mark)
        (?P<us_year>[0-9]{{4}} | (?<=/)[0-9]{{2}})
      | (?P<run>[0-9]{{8}}) (?P<run_time>[0-9]{{4}} (?:[0-9]{{2}})? )?
    )
    (?: (?: \s*[Tt]\s* | \s+ ) {_TIME} )?
    """,
    re.VERBOSE | re.ASCII,
)


def read_birth_date(text: str, today: date) -> str:
    """Return a date of birth as YYYY-MM-DD.

    Two-digit years are the latest that do not lie in the future. A time behind the date is ignored. Raises
    `Unusable` for what is no date, impossible (13/05/1980 too), in the future, or more than 130 years ago.
    """
    century = today.year // 100 * 100
    days = _days(_match(text), (century, century - 100))
    born = next((day for day in days if _ymd(day) <= _ymd(today)), None)
    if born is None:
        raise Unusable(Reason.FUTURE_DATE)
    return _within_memory(born, today).isoformat()


def read_plan_date(text: str, today: date) -> str:
    """Return the day on which something begins or ends as YYYY-MM-DD; it may lie in the future.

    Two-digit years are the nearest to today. A time behind the date is ignored. Raises `Unusable` for what is
    no date, impossible, or more than 130 years ago.
    """
    return _within_memory(_nearest(_match(text), today), today).isoformat()


def read_instant(text: str, today: date) -> str:
    """Return an instant as ISO 8601 in UTC, "2026-01-05T15:30:00Z".

    A missing time is midnight, a missing zone UTC. Raises `Unusable` like `read_plan_date`, and for
    impossible times.
    """
    match = _match(text)
    day = _nearest(match, today)
    try:
        moment = datetime(day.year, day.month, day.day, *_clock(match), tzinfo=_zone(match)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unusable(Reason.IMPOSSIBLE_DATE) from None
    _within_memory(moment, today)
    return moment.isoformat().replace("+00:00", "Z")


def _match(text: str) -> re.Match[str]:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise Unusable(Reason.NOT_A_DATE)
    return match


def _days(match: re.Match[str], centuries: tuple[int, ...]) -> list[date]:
    """Return the days that the text can name: one, or for a two-digit year one in each century."""
    if run := match["run"]:
        year, month, day = run[:4], run[4:6], run[6:]
    elif match["year"]:
        year, month, day = match.group("year", "month", "day")
    else:
        year, month, day = match.group("us_year", "us_month", "us_day")
    days = []
    for century in centuries if len(year) == 2 else (0,):
        try:
            days.append(date(century + int(year), int(month), int(day)))
        except ValueError:
            continue
    if not days:
        raise Unusable(Reason.IMPOSSIBLE_DATE)
    return days


def _nearest(match: re.Match[str], today: date) -> date:
    century = today.year // 100 * 100
    return min(_days(match, (century - 100, century, century + 100)), key=lambda day: abs(day.year - today.year))


def _clock(match: re.Match[str]) -> tuple[int, int, int, int]:
    if run := match["run_time"]:
        return int(run[:2]), int(run[2:4]), int(run[4:] or 0), 0
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    if half := match["half"]:
        if not 1 <= hour <= 12:
            raise Unusable(Reason.IMPOSSIBLE_DATE)
        hour = hour % 12 + (12 if half in "Pp" else 0)
    return hour, minute, second, int(f"{match['fraction'] or '':0<6}"[:6])


def _zone(match: re.Match[str]) -> timezone:
    if not match["sign"]:
        return UTC
    offset = timedelta(hours=int(match["zone_hour"]), minutes=int(match["zone_minute"] or 0))
    return timezone(-offset if match["sign"] == "-" else offset)


def _within_memory(day: date, today: date) -> date:
    if _ymd(day) < (today.year - MAX_AGE_YEARS, today.month, today.day):
        raise Unusable(Reason.TOO_LONG_AGO)
    return day


def _ymd(day: date) -> tuple[int, int, int]:
    """Return a day in a form that compares days alone, were it a datetime."""
    return day.year, day.month, day.day
