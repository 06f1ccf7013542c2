"""What is the timeline limited to? The filter lives in the URL: what is shown can be kept, shared and exported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from api.parameters import in_utc
from domain.organization import Organization
from domain.record import SOURCES
from projections.card import split_key
from projections.history import KINDS
from projections.history_query import Filter
from projections.told import id_type
from projections.wording import Display, capital, label, source, who

KIND_WORDS = {
    "created": "Created",
    "matched": "Recognised",
    "changed": "Changed",
    "kept": "Kept",
    "dropped": "Ignored",
    "linked": "External id",
    "flagged": "To check",
    "reviewed": "Reviewed",
    "communicated": "Contact",
    "administered": "Settings",
    "erased": "Erased",
    "unknown": "Newer",
}
"""Kind → the word beside its icon."""

KIND_OF_WORD = {word.lower().replace(" ", "_"): kind for kind, word in KIND_WORDS.items()}
"""What people read on the page and type, such as "ignored" or "external_id" → kind."""

CHOICES = ("changed", "linked", "kept", "dropped", "matched", "flagged", "reviewed", "communicated", "created")
"""The kinds that the panel offers to filter a patient's history by."""

FIELDS = (
    "first_name", "middle_name", "last_name", "date_of_birth", "gender", "phone_number", "additional_phone_number",
    "email", "address", "external_id", "workflow_stage_id", "assigned_user_id", "location_id", "tags", "comments",
    "payors", "referral", "custom_fields",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A filter as it was asked for; `troubles` says what of it could not be read."""

    values: dict[str, Any]
    wanted: Filter
    troubles: list[str] = field(default_factory=list)

    @property
    def query(self) -> str:
        """Return the filter as the query of a URL; empty when nothing is limited."""
        return urlencode([(name, each) for name, value in self.values.items() for each in _each(value)])

    @property
    def words(self) -> list[str]:
        """Return what the page is limited to, for people."""
        return [f"{capital(name)}: {text}" for name, text in _words(self.values, self.wanted.organization)]


def _each(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _words(values: dict[str, Any], organization: Organization | None) -> list[tuple[str, str]]:
    said = {
        "kind": ", ".join(KIND_WORDS[kind] for kind in values.get("kind", [])),
        "field": field_words(values.get("field", ""), organization),
        "source": source(values["source"]) if values.get("source") else "",
        "actor": who(values["actor"], organization) if values.get("actor") else "",
        "from": values.get("from", ""),
        "to": values.get("to", ""),
        "text": values.get("text", ""),
    }
    return [(name, text) for name, text in said.items() if text]


def field_words(key: str, organization: Organization | None) -> str:
    """Return the field of a row's key for people; of an external id its type."""
    name, item = split_key(key)
    return id_type(item, organization) if name == "external_id" and item else label(name)


def read_filter(sent: Mapping[str, Any], organization: Organization, display: Display) -> Asked:
    """Return the filter that these parameters ask for. What cannot be read limits nothing, and is told."""
    troubles: list[str] = []
    values: dict[str, Any] = {}
    sent = with_qualifiers(sent)
    kinds = []
    for said in _all(sent.get("kind")):
        kind = KIND_OF_WORD.get(said.lower(), said)
        if kind in KINDS:
            kinds.append(kind)
        elif said:
            troubles.append(f"There is no kind “{said[:40]}”; there are {', '.join(KIND_OF_WORD)}.")
    if kinds:
        values["kind"] = list(dict.fromkeys(kinds))
    for name in ("field", "actor", "text"):
        if value := _one(sent.get(name)).strip()[:200]:
            values[name] = value
    if (origin := _one(sent.get("source"))) in SOURCES:
        values["source"] = origin
    elif origin:
        troubles.append(f"There is no source “{origin[:40]}”; there are {', '.join(SOURCES)}.")
    days: dict[str, date] = {}
    for name in ("from", "to"):
        if text := _one(sent.get(name)):
            if (day := read_day(text)) is None:
                troubles.append(f"“{name}” is not a date; write it as 2024-05-31.")
            else:
                days[name] = day
                values[name] = text
    key, item = split_key(values.get("field", ""))
    wanted = Filter(
        kinds=tuple(kinds),
        field=key or None,
        item=item,
        source=values.get("source"),
        actor=values.get("actor"),
        since=midnight(days["from"], display.zone) if "from" in days else None,
        until=midnight(days["to"] + timedelta(days=1), display.zone) if "to" in days else None,
        text=values.get("text", ""),
        display=display,
        organization=organization,
    )
    return Asked(values, wanted, troubles)


QUALIFIERS = ("kind", "field", "source", "actor", "from", "to")


def with_qualifiers(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with what the text says as `name:value` put in its place: "kind:kept field:email oak"."""
    rest: list[str] = []
    found: dict[str, list[str]] = {}
    for word in _one(sent.get("text")).split(" "):
        name, colon, value = word.partition(":")
        if colon and value and name in QUALIFIERS:
            found.setdefault(name, []).append(value)
        else:
            rest.append(word)
    merged = {name: [*_all(sent.get(name)), *values] for name, values in found.items()}
    return {**sent, **merged, "text": " ".join(rest)}


def read_day(text: str) -> date | None:
    """Return the day of an ISO date; `None` for what is none, and for the calendar's last: its end has no instant."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return None if day == date.max else day


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the instant at which a day begins at the clinic."""
    return datetime.combine(day, time(), tzinfo=zone)


_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_TO_ITS_END = timedelta(minutes=1) - timedelta.resolution


def read_moment(sent: Mapping[str, Any], name: str, display: Display) -> int | datetime | None:
    """Return the version or the instant (the clinic's time, without a zone) that a parameter names; `None` for neither.

    `name` holds a version, `name_at` an instant; the instant counts when both are there. A minute without seconds is
    meant to its end: the pages show minutes, and what they show at one must be there as of it.
    """
    at, version = _one(sent.get(f"{name}_at")), _one(sent.get(name))
    if at:
        try:
            read = datetime.fromisoformat(at)
            read += _TO_ITS_END if _MINUTE.fullmatch(at) else timedelta()
            read = read.replace(tzinfo=display.zone) if read.tzinfo is None else read
            in_utc(read)  # what the calendar has no place for is no instant
        except (ValueError, OverflowError):
            return None
        return read
    return int(version) if version.isascii() and version.isdecimal() and 0 < len(version) < 18 else None


def _all(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _one(value: Any) -> str:
    each = _all(value)
    return each[-1] if each else ""
