"""How is a page of history laid out? Days and requests, newest first; in a request a sentence an entry, in order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from markupsafe import Markup, escape

from api.panel.chart import Chart, ago
from api.panel.filters import KIND_WORDS
from domain.entry import Entry, instant
from projections.told import TO, OtherPatient, Part, Told, Value, named
from projections.wording import Display, capital, label, source, who


@dataclass(frozen=True)
class Item:
    """One entry."""

    version: int
    kind: str
    word: str
    sentence: Markup
    changes: list[tuple[str, str | None, str]]
    why: str | None


@dataclass(frozen=True)
class Group:
    """The entries of one request. `goes_on`: the page ends within the request."""

    request_id: str
    who: str
    source: str
    at: str
    moment: str
    ago: str
    first: int
    last: int
    items: list[Item]


@dataclass(frozen=True)
class Day:
    """What was recorded on one day of the clinic."""

    iso: str
    name: str
    groups: list[Group]


def days(chart: Chart, entries: Sequence[Entry]) -> list[Day]:
    """Return a page of entries, newest first, by day and request."""
    local = [(entry.recorded_at.astimezone(chart.display.zone), entry) for entry in entries]
    return [
        Day(day.isoformat(), f"{day:%A}, {day.day} {day:%B %Y}", _groups(chart, [entry for _, entry in found]))
        for day, found in groupby(local, key=lambda pair: pair[0].date())
    ]


def _groups(chart: Chart, entries: Iterable[Entry]) -> list[Group]:
    groups = []
    for request_id, found in groupby(entries, key=lambda entry: entry.request_id):
        members = list(found)
        last = members[0]
        groups.append(
            Group(
                request_id=request_id,
                who=who(last.actor, chart.organization),
                source=source(last.source),
                at=instant(last.recorded_at),
                moment=chart.display.moment(last.recorded_at),
                ago=ago(chart.now - last.recorded_at),
                first=members[-1].originator_version,
                last=last.originator_version,
                items=[item(chart, entry) for entry in reversed(members)],
            )
        )
    return groups


def item(chart: Chart, entry: Entry) -> Item:
    """Return one entry as the timeline shows it."""
    told = chart.tell(entry)
    return Item(
        version=entry.originator_version,
        kind=told.kind,
        word=KIND_WORDS[told.kind],
        sentence=marked_up(told.parts, chart.display, chart.url.rpartition("/")[0]),
        changes=changes(chart, told) if len(told.changes) > 1 else [],
        why=told.why,
    )


def changes(chart: Chart, told: Told) -> list[tuple[str, str | None, str]]:
    """Return (label, before or `None`, after) of what an entry changed."""
    lines = []
    for each in told.changes:
        old, new = (
            None if value is None else chart.display.value(each.field, named(each.field, value, chart.organization))
            for value in (each.old, each.new)
        )
        lines.append((capital(label(each.field.rpartition(".")[2])), old, new or "nothing"))
    return lines


_TAGS = {"old": "del", "new": "ins", "": "b"}


def marked_up(parts: Iterable[Part], display: Display, patients_url: str) -> Markup:
    """Return a sentence with its values marked old, new or named; all text is escaped."""
    marked = []
    for part in parts:
        match part:
            case Value(field=field, value=value, role=role):
                tag = _TAGS[role]
                marked.append(f"<{tag}>{escape(display.value(field, value))}</{tag}>")
            case OtherPatient(id=patient_id):
                marked.append(f'<a href="{patients_url}/{escape(patient_id)}">patient …{escape(patient_id[-6:])}</a>')
            case _ if part == TO:
                marked.append(' <span class="to" aria-hidden="true">→</span><span class="sr"> to </span> ')
            case _:
                marked.append(str(escape(part)))
    return Markup("".join(marked))  # noqa: S704 # every part was escaped above


def utc(at: datetime) -> str:
    """Return an instant to the microsecond, for people who compare logs."""
    return instant(at).replace("T", " ").replace("Z", " UTC")
