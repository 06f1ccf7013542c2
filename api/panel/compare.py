"""`…/compare` and `…/blame`: what differs between two moments, and where a value comes from."""

from datetime import datetime
from typing import Any

from falcon import Request, Response

from api.panel import timeline
from api.panel.chart import Chart, ago, fold, open_chart
from api.panel.door import not_in_history
from api.panel.filters import read_moment
from api.panel.pages import is_fragment, page
from domain.entry import Entry, instant
from domain.ledger import Ledger
from projections.card import Difference, Row, card, compare, split_key, states, through_time
from projections.history import Told
from projections.wording import capital, label, source, who


class Compare:
    """Two moments side by side: only what differs; the rest is folded away."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Compare `a` (from the beginning, where nothing is said) with `b` (until now)."""
        chart = open_chart(self._ledger, req, patient_id, "compare")
        entries = self._ledger.stream(chart.organization.id, chart.id)
        asked = [read_moment(req.params, name, chart.display) for name in ("a", "b")]
        one = _upto(entries, 1 if asked[0] is None else asked[0])
        other = _upto(entries, chart.version if asked[1] is None else asked[1])
        if len(one) > len(other):
            one, other = other, one
        sides = [fold(side) if chart.patient is not None else None for side in (one, other)]
        different: list[Difference] = []
        same: list[Row] = []
        if sides[0] is not None and sides[1] is not None:
            different, same = compare(sides[0], sides[1], chart.organization, chart.display)
        page(
            req,
            resp,
            "compared.html" if is_fragment(req, "compared") else "compare.html",
            chart=chart,
            moments=[_moment(chart, side) for side in (one, other)],
            different=different,
            same=[(row.label, row.text(chart.display)) for row in same],
            between=len(other) - len(one),
        )


def _upto(entries: list[Entry], moment: int | datetime) -> list[Entry]:
    if isinstance(moment, int):
        return [entry for entry in entries if entry.originator_version <= moment]
    return [entry for entry in entries if entry.recorded_at <= moment]


def _moment(chart: Chart, side: list[Entry]) -> dict[str, Any]:
    if not side:
        return {"version": 0, "at": "", "words": "before the patient was there", "local": ""}
    at = side[-1].recorded_at
    return {
        "version": side[-1].originator_version,
        "at": instant(at),
        "words": chart.display.moment(at),
        "local": f"{at.astimezone(chart.display.zone):%Y-%m-%dT%H:%M}",
    }


class Blame:
    """Who set a field, from which source, when, and what it was before; and what was offered and not taken."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Show where the value of `field` (a row's key) comes from, now or `as_of` a version."""
        key = req.get_param("field") or ""
        field, item = split_key(key)
        chart = open_chart(self._ledger, req, patient_id, f"field {field.partition('.')[0]}")
        moment = read_moment(req.params, "as_of", chart.display)
        entries = _upto(
            self._ledger.stream(chart.organization.id, chart.id), chart.version if moment is None else moment
        )
        if not field or not entries:
            raise not_in_history()
        state = None if chart.patient is None else fold(entries)
        rows = {} if state is None else {row.key: row for row in card(state, chart.organization)}
        told = [(entry, chart.tell(entry)) for entry in reversed(entries)]
        reviewed = _reviewed(chart, entries, key) if any(about.kind == "reviewed" for _, about in told) else frozenset()
        steps = [
            _step(chart, entry, about, field, item, reviewed)
            for entry, about in told
            if _is_about(about, field, item) or entry.originator_version in reviewed
        ]
        page(
            req,
            resp,
            "blamed.html" if is_fragment(req, "blame") else "blame.html",
            chart=chart,
            key=key,
            name=_name(rows.get(key), field),
            value=rows[key].text(chart.display) if key in rows else None,
            steps=steps,
            set_by=next((step for step in steps if step["sets"]), None),
            as_of=None if moment is None else entries[-1].originator_version,
        )


def _name(row: Row | None, field: str) -> str:
    return capital(label(field.rpartition(".")[2])) if row is None else row.label


def _is_about(told: Told, field: str, item: str | None) -> bool:
    return told.concerns(field, item) or (told.kind in ("kept", "dropped") and told.concerns(field))


def _reviewed(chart: Chart, entries: list[Entry], key: str) -> frozenset[int]:
    """Return the versions that gave this row another value: of insurances a merge tells only how many it took over."""
    rows = through_time(states(entries), chart.organization, chart.display)
    return frozenset(version for each in rows if each.row.key == key for version, _ in each.texts)


def _step(
    chart: Chart, entry: Entry, told: Told, field: str, item: str | None, reviewed: frozenset[int]
) -> dict[str, Any]:
    sets = told.concerns(field, item) and told.kind in ("created", "changed", "linked", "communicated", "flagged")
    sets = sets or (told.kind == "reviewed" and entry.originator_version in reviewed)
    parts = [each for each in told.changes if each.field == field and each.item == item]
    return {
        "item": timeline.item(chart, entry),
        "sets": sets,
        "before": chart.display.value(field, parts[0].old) if parts else None,
        "who": who(entry.actor, chart.organization),
        "source": source(entry.source),
        "at": instant(entry.recorded_at),
        "moment": chart.display.moment(entry.recorded_at),
        "ago": ago(chart.now - entry.recorded_at),
        "request_id": entry.request_id,
    }
