"""`/panel/patients/{id}`: the card and the timeline, now or as of a moment; and the states the slider steps through."""

from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.panel import timeline
from api.panel.chart import Chart, open_chart, state_as_of
from api.panel.filters import CHOICES, FIELDS, KIND_WORDS, Asked, field_words, read_filter, read_moment
from api.panel.pages import is_fragment, page
from domain.entry import Entry, instant
from domain.errors import UnknownPatient
from domain.ledger import Ledger
from domain.patient import Patient
from domain.record import SOURCES
from projections import duplicates
from projections.card import card, states, through_time
from projections.history_query import history_page
from projections.told import Part, Value, say_part
from projections.wording import Display, capital, source, who

PAGE = 50
"""Entries of a page; a request that begins on it is shown whole."""

MOST_READ = 5_000
"""So many entries are looked through for a page before it is shown as far as it came."""

MOST_STATES = 5_000
"""A stream up to this length steps in the browser; a longer one asks the server for each step."""


MOST_SUSPECTS = 20
"""So many open pairs of a patient are looked through."""


class PatientPage:
    """The page that everything else hangs on."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Show the page, or the part of it that a filter, the slider or "older" asks for."""
        if is_fragment(req, "card"):
            chart = open_chart(self._ledger, req, patient_id, "card")
            page(req, resp, "card.html", chart=chart, **self._card(req, chart))
        elif is_fragment(req, "timeline") or is_fragment(req, "older"):
            chart = open_chart(self._ledger, req, patient_id, "timeline")
            template = "entries.html" if is_fragment(req, "older") else "timeline.html"
            page(req, resp, template, chart=chart, **self._timeline(req, chart))
        else:
            chart = open_chart(self._ledger, req, patient_id, "history")
            values = {**self._card(req, chart), **self._timeline(req, chart)}
            suspects = suspected_elsewhere(self._ledger, chart)
            page(req, resp, "patient.html", chart=chart, most_states=MOST_STATES, suspects=suspects, **values)

    def _card(self, req: Request, chart: Chart) -> dict[str, Any]:
        moment = read_moment(req.params, "as_of", chart.display)
        rest = {name: value for name, value in req.params.items() if name not in ("as_of", "as_of_at", "before")}
        carried = [
            (name, text) for name, value in rest.items() for text in ([value] if isinstance(value, str) else value)
        ]
        query = urlencode(carried)
        return {**shown_card(self._ledger, chart, moment), "carried": carried, "carried_query": query}

    def _timeline(self, req: Request, chart: Chart) -> dict[str, Any]:
        asked = read_filter(req.params, chart.organization, chart.display)
        before = parameters.number(req, "before", 0, least=1, most=10**17) or None
        limit = parameters.number(req, "limit", PAGE, least=1, most=1000)
        entries, following = history_page(
            self._ledger,
            chart.organization.id,
            chart.id,
            asked.wanted,
            before,
            limit,
            most_read=MOST_READ,
            whole_requests=True,
        )
        keys = chart.organization.api_keys
        return {
            "asked": asked,
            "days": timeline.days(chart, entries or []),
            "limit": limit,
            "before": before,
            "following": following,
            "searched_back_to": following if following and len(entries or []) < limit else None,
            "kinds": [(kind, KIND_WORDS[kind]) for kind in CHOICES],
            "fields": [(field, capital(field_words(field, chart.organization))) for field in _fields(asked)],
            "sources": [(word, capital(source(word))) for word in SOURCES],
            "actors": [(f"key:{key_id}", who(f"key:{key_id}", chart.organization)) for key_id in keys],
        }


def _fields(asked: Asked) -> list[str]:
    """Return the fields to choose from, and the one that was asked for by a link if it is none of them."""
    asked_for = asked.values.get("field")
    return [*FIELDS, asked_for] if asked_for and asked_for not in FIELDS else [*FIELDS]


def suspected_elsewhere(ledger: Ledger, chart: Chart) -> list[str]:
    """Return the patients of whom only their own history says that they may be this one.

    A pair is flagged in the history of who came second: without this, nobody would see it from the first one's page.
    """
    if chart.patient is None:
        return []
    with ledger.recorder.reading(chart.organization.id) as cursor:
        pairs = duplicates.queue(cursor, chart.organization.id, "open", patient_id=chart.id, limit=MOST_SUSPECTS)
    others = {other for pair in pairs for other in pair.patient_ids}
    return sorted(others - {chart.id, *chart.patient.unresolved_duplicates})


def shown_card(ledger: Ledger, chart: Chart, moment: int | datetime | None) -> dict[str, Any]:
    """Return what the card shows at a moment: its rows, each with what it says now where that differs."""
    then = True
    try:
        state = state_as_of(ledger, chart, moment)
    except UnknownPatient:
        state, then = None, False
    now = {} if chart.patient is None else {row.key: row for row in card(chart.patient, chart.organization)}
    rows = [] if state is None else card(state, chart.organization)
    is_now = state is None or chart.patient is None or state.version == chart.version
    shown = [
        {
            "key": row.key,
            "section": row.section,
            "label": row.label,
            "text": row.text(chart.display),
            "differs": not is_now and (row.key not in now or now[row.key].value != row.value),
            "now": now[row.key].text(chart.display) if row.key in now else "nothing",
        }
        for row in rows
    ]
    return {
        "sections": [(name, list(found)) for name, found in groupby(shown, key=lambda row: row["section"])],
        "state": state,
        "as_of": None if is_now else moment,
        "as_of_words": _as_of_words(chart, state, moment),
        "was_there": then,
        "version": chart.version if state is None else state.version,
    }


def _as_of_words(chart: Chart, state: Patient | None, moment: int | datetime | None) -> str:
    if isinstance(moment, datetime):
        return chart.display.moment(moment)
    return "before the first record" if state is None else chart.display.moment(state.updated_at)


class States:
    """`GET /panel/patients/{id}/states`: every state there ever was, as differences, for the slider."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Answer `versions`: [version, at, words, kind, sentence] and `rows`: [key, section, label, texts]."""
        chart = open_chart(self._ledger, req, patient_id, "all states")
        if chart.patient is None or chart.version > MOST_STATES:
            raise UnknownPatient
        entries = self._ledger.stream(chart.organization.id, chart.id)
        rows = through_time(states(entries), chart.organization, chart.display)
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(
            {
                "masked": chart.display.masked,
                "versions": [_version(chart, entry) for entry in entries],
                "rows": [[each.row.key, each.row.section, each.row.label, each.texts] for each in rows],
            }
        )


def _version(chart: Chart, entry: Entry) -> list[Any]:
    told = chart.tell(entry)
    at = entry.recorded_at
    sentence = "".join(_isolated(part, chart.display) for part in told.parts)
    return [entry.originator_version, instant(at), chart.display.moment(at), told.kind, sentence]


def _isolated(part: Part, display: Display) -> str:
    """Return a part of a sentence, a value within Unicode's isolates: one from the right does not turn it around."""
    text = say_part(part, display)
    return f"\u2068{text}\u2069" if isinstance(part, Value) else text
