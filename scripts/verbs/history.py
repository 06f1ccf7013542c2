"""`history`, `replay` and `diff`: what happened to a patient, step by step, at the terminal.

A moment is a version (`17`), an instant (`2024-05-04T14:00`, the clinic's time unless it says otherwise) or a day
(`2024-05-04`, up to its end). Looking is recorded, as in the panel.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.entry import Entry, instant
from domain.events import FirstCommunicationRecorded
from domain.organization import Organization
from domain.patient import Patient
from projections import access_log
from projections.access_log import Looker
from projections.card import card, compare, states
from projections.history import history_item, tell_entry
from projections.history_query import first_communication
from projections.resource import patient_resource
from projections.wording import Display, source, who
from scripts.verbs.connection import operator, show
from scripts.verbs.organizations import AsJson
from scripts.verbs.streams import ledger_of

PatientId = Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's id.")]
AsOf = Annotated[str | None, typer.Option(help="A version, an instant or a day.")]
Moment = Annotated[str, typer.Argument(help="A version, an instant or a day.")]
OfField = Annotated[str | None, typer.Option("--field", help="Only what concerns this field, such as phone_number.")]

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Chart:
    """A stream, opened."""

    id: str
    organization: Organization
    entries: list[Entry]
    lock: FirstCommunicationRecorded | None
    display: Display

    def upto(self, moment: str | None) -> list[Entry]:
        """Return the entries up to a moment."""
        if moment is None:
            return self.entries
        at = _moment(moment, self.display)
        if isinstance(at, int):
            return [entry for entry in self.entries if entry.originator_version <= at]
        return [entry for entry in self.entries if entry.recorded_at <= at]

    def item(self, entry: Entry) -> dict[str, Any]:
        """Return an entry as JSON shows it."""
        return history_item(entry, self.organization, self.lock)

    def said(self, entry: Entry) -> str:
        """Return the sentence of an entry."""
        return tell_entry(entry, self.organization, self.lock).say(self.display)


@contextmanager
def _opened(patient: str, what: str) -> Iterator[Chart]:
    with ledger_of(patient) as (ledger, organization_id, stream):
        organization = ledger.organization(organization_id)
        person = operator(organization_id)
        looker = Looker(organization_id, person.actor, who(person.actor), person.request_id)
        with ledger.recorder.reading(organization_id) as cursor:
            access_log.record(cursor, looker, "view", [stream], what=what)
            lock = first_communication(cursor, organization_id, stream)
        entries = ledger.stream(organization_id, stream)
        yield Chart(stream, organization, entries, lock, Display(ZoneInfo(organization.time_zone)))


def history(patient: PatientId, as_of: AsOf = None, field: OfField = None, as_json: AsJson = False) -> None:
    """Tell what happened to a patient, oldest first, and what is true then."""
    with _opened(patient, "history") as chart:
        entries = chart.upto(as_of)
        state = _state(entries)
        told = [entry for entry in entries if field is None or tell_entry(entry, chart.organization).concerns(field)]
        if as_json:
            shown = None if state is None else patient_resource(state, chart.organization)
            show({"patient": shown, "events": [chart.item(entry) for entry in told]}, as_json)
            return
        if not told and field is not None:
            console.print(f"Nothing here concerns the field {escape(field)}.")
        for request, found in groupby(told, key=lambda entry: entry.request_id):
            _print_request(chart, request, list(found))
        _print_state(chart, state, None, "Now" if as_of is None else f"As of {as_of}")


def replay(
    patient: PatientId,
    after: Annotated[int, typer.Option(min=0, help="Begin after this version.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Step through the events with the state after each; at a terminal Enter takes the next step, q ends."""
    with _opened(patient, "replay") as chart:
        known = list(states(chart.entries))
        steps = known[after:]
        if as_json:
            show(
                [
                    {"event": chart.item(entry), "patient": patient_resource(state, chart.organization)}
                    for entry, state in steps
                ],
                as_json,
            )
            return
        before = known[after - 1][1] if after and steps else None
        for entry, state in steps:
            _print_request(chart, entry.request_id, [entry])
            _print_state(chart, state, before, f"After event {entry.originator_version} of {len(chart.entries)}")
            before = state
            if _is_interactive() and entry is not steps[-1][0] and input("Enter: next, q: end › ").strip() == "q":
                return


def diff(patient: PatientId, before: Moment, after: Moment, as_json: AsJson = False) -> None:
    """Show what differs between two moments."""
    with _opened(patient, "diff") as chart:
        one, other = (_state(chart.upto(moment)) for moment in (before, after))
        if one is None or other is None:
            raise typer.BadParameter("the patient was not there yet", param_hint="BEFORE" if one is None else "AFTER")
        different, same = compare(one, other, chart.organization, chart.display)
        if as_json:
            rows = [{"field": each.row.key, "before": each.before, "after": each.after} for each in different]
            show({"before": one.version, "after": other.version, "different": rows, "same": len(same)}, as_json)
            return
        table = Table("Field", f"Version {one.version}", f"Version {other.version}", box=None, pad_edge=False)
        for each in different:
            cells = (each.row.label, each.before or "–", each.after or "–")
            table.add_row(*(escape(cell) for cell in cells))
        console.print(table if different else "Nothing differs.")
        console.print(f"{len(same)} values are the same.", style="dim")


def _print_request(chart: Chart, request_id: str, entries: list[Entry]) -> None:
    first = entries[0]
    told_by = f"{who(first.actor, chart.organization)} through {source(first.source)}"
    moment = chart.display.moment(first.recorded_at)
    console.print(f"[bold]{moment}[/]  {escape(told_by)}  [dim]{escape(request_id)} · {instant(first.recorded_at)}[/]")
    for entry in entries:
        kind = tell_entry(entry, chart.organization).kind
        console.print(f"  {entry.originator_version:>4}  {kind:<12}  {escape(chart.said(entry))}")


def _print_state(chart: Chart, state: Patient | None, before: Patient | None, title: str) -> None:
    if state is None:
        console.print(f"\n{title}: nothing; the patient was not there, or was erased.")
        return
    held = {} if before is None else {row.key: row.value for row in card(before, chart.organization)}
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in card(state, chart.organization):
        is_new = before is not None and held.get(row.key) != row.value
        text = escape(row.text(chart.display))
        table.add_row(
            "▸" if is_new else " ", escape(row.section), escape(row.label), f"[bold]{text}[/]" if is_new else text
        )
    console.print(f"\n[bold]{escape(title)}[/] [dim]version {state.version}, {state.updated_at}[/]")
    console.print(table)
    console.print()


def _state(entries: list[Entry]) -> Patient | None:
    known = [state for _, state in states(entries)]
    return known[-1] if known else None


def _moment(text: str, display: Display) -> int | datetime:
    if text.isascii() and text.isdecimal() and len(text) < 18:
        return int(text)
    kind: Literal["day", "instant"] = "day" if len(text) == 10 else "instant"
    try:
        if kind == "day":
            morning = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), tzinfo=display.zone)
            return morning - timedelta(microseconds=1)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no version, instant or day") from None
    return at.replace(tzinfo=display.zone) if at.tzinfo is None else at


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
