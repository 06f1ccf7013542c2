"""How does a history leave the house? CSV for spreadsheets, NDJSON for programs; FHIR stands in `projections.fhir`."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from domain.entry import Entry, instant
from domain.events import FirstCommunicationRecorded
from domain.organization import Organization
from projections.history import tell_entry
from projections.told import named
from projections.wording import Display, who

COLUMNS = (
    "version", "recorded_at", "who", "source", "kind", "event", "sentence", "field", "old", "new", "actor",
    "request_id", "position",
)  # fmt: skip

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9 ().x-]+")


def to_csv(
    entries: Iterable[Entry], organization: Organization, display: Display, lock: FirstCommunicationRecorded | None
) -> Iterator[bytes]:
    """Yield lines of CSV (RFC 4180), one a change: an entry that changed three fields has three, one of nothing one."""
    yield "\ufeff".encode() + _line(COLUMNS)  # spreadsheets take the mark for "this is UTF-8"
    for entry in entries:
        told = tell_entry(entry, organization, lock)
        head = (
            entry.originator_version,
            instant(entry.recorded_at),
            who(entry.actor, organization),
            entry.source,
            told.kind,
            entry.topic,
            told.say(display),
        )
        tail = (entry.actor, entry.request_id, entry.position)
        for change in told.changes or (None,):
            cells: tuple[str, ...] = ("", "", "")
            if change is not None:
                old, new = (
                    value_text(change.field, value, organization, display) for value in (change.old, change.new)
                )
                cells = (change.field, old, new)
            yield _line((*head, *cells, *tail))


def to_ndjson(
    entries: Iterable[Entry], organization: Organization, display: Display, lock: FirstCommunicationRecorded | None
) -> Iterator[bytes]:
    """Yield one JSON object a line, one an entry; masked values are masked here too, and the payload left out."""
    for entry in entries:
        told = tell_entry(entry, organization, lock)
        line = {
            "version": entry.originator_version,
            "position": entry.position,
            "recorded_at": instant(entry.recorded_at),
            "event": entry.topic,
            "schema_version": entry.schema_version,
            "kind": told.kind,
            "sentence": told.say(display),
            "changes": [
                {
                    "field": each.field,
                    "item": each.item,
                    "old": display.value(each.field, each.old) if display.masked and each.old is not None else each.old,
                    "new": display.value(each.field, each.new) if display.masked else each.new,
                }
                for each in told.changes
            ],
            "source": entry.source,
            "actor": entry.actor,
            "who": who(entry.actor, organization),
            "request_id": entry.request_id,
        }
        if not display.masked:
            line["data"] = vars(entry.event)
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def value_text(field: str, value: Any, organization: Organization, display: Display) -> str:
    """Return a stored value as a program can read it: dates and phones as stored, ids by name, the rest as JSON."""
    shown = named(field, value, organization)
    if shown is None:
        return ""
    if display.masked:
        return display.value(field, shown)
    return shown if isinstance(shown, str) else orjson.dumps(shown).decode()


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(_harmless(str(cell)) for cell in cells)
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """Return the cell so that no spreadsheet runs it as a formula; a phone number is none."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
