"""`…/events/{version}` and `…/requests/{id}`: one entry with all there is to know of it, and what caused it."""

from typing import Any

import orjson
from falcon import Request, Response

from api.panel import timeline
from api.panel.chart import Chart, open_chart
from api.panel.door import not_in_history
from api.panel.pages import page
from domain.entry import StoredEntry
from domain.ledger import Ledger
from projections.history_query import Filter, entry_row, history_page, others_of_request
from projections.wording import source, who

MOST_OF_A_REQUEST = 500
PLACING = frozenset({"PatientCreated", "PatientMatched"})
"""How a record was placed; a request without one of these was no record. Erased entries keep their topic."""


class EventPage:
    """The permalink of an entry."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str, version: str) -> None:
        """Show one entry: sentence, changes, who, when, hashes, and the stored JSON."""
        number = int(version) if version.isascii() and version.isdecimal() and len(version) < 18 else 0
        chart = open_chart(self._ledger, req, patient_id, f"event {number}")
        row = entry_row(self._ledger, chart.organization.id, chart.id, number)
        if row is None or row.recorded_at is None:
            raise not_in_history()
        entry = self._ledger.mapper.to_domain_event(row)
        page(
            req,
            resp,
            "event.html",
            chart=chart,
            item=timeline.item(chart, entry),
            changes=timeline.changes(chart, chart.tell(entry)),
            row=row,
            who=who(row.actor, chart.organization),
            source=source(row.source),
            moment=chart.display.moment(row.recorded_at),
            utc=timeline.utc(row.recorded_at),
            raw=_raw(chart, row),
        )


def _raw(chart: Chart, row: StoredEntry) -> str:
    """Return the stored payload, indented; masked text by text for people who may not see it."""
    if row.erased:
        return "null"
    payload = orjson.loads(row.state)
    shown = _masked(payload) if chart.display.masked else payload
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {name: _masked(each) for name, each in value.items()}
        case list():
            return [_masked(each) for each in value]
        case None | bool():
            return value
    return "•••"


class RequestPage:
    """The cause view: one request, how its record was placed, and every entry that came of it."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str, request_id: str) -> None:
        """Show the request as a tree, with the other patients of the clinic that it touched nearby in the ledger."""
        chart = open_chart(self._ledger, req, patient_id, "request")
        clinic = chart.organization.id
        wanted = Filter(request_id=request_id)
        entries, _ = history_page(self._ledger, clinic, chart.id, wanted, None, MOST_OF_A_REQUEST)
        if not entries:
            raise not_in_history()
        with self._ledger.recorder.reading(clinic) as cursor:
            others = others_of_request(cursor, clinic, entries[-1])
        items = [(entry.topic in PLACING, timeline.item(chart, entry)) for entry in reversed(entries)]
        page(
            req,
            resp,
            "request.html",
            chart=chart,
            request_id=request_id,
            who=who(entries[0].actor, chart.organization),
            source=source(entries[0].source),
            moment=chart.display.moment(entries[0].recorded_at),
            placed=[item for is_placing, item in items if is_placing],
            followed=[item for is_placing, item in items if not is_placing],
            others=others,
            first=entries[-1].originator_version,
            last=entries[0].originator_version,
        )
