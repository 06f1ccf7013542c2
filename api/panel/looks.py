"""`…/looks`, `…/disclosures`, `…/reveal`: who looked, what left the clinic, and seeing masked values for a reason."""

from datetime import date, datetime, timedelta
from typing import Any

import falcon
from falcon import Request, Response

from api import parameters
from api.panel.chart import Chart, open_chart
from api.panel.door import Refused, looker, not_allowed
from api.panel.event import PLACING
from api.panel.filters import midnight, read_day
from api.panel.pages import page
from domain.errors import UnknownPatient
from domain.ledger import Ledger
from projections import access_log
from projections.access_log import Look
from projections.history_query import Filter, all_entries
from projections.wording import day, who

PAGE = 100
YEARS = 6
"""So far back a patient may ask (45 CFR 164.528)."""

WORDS = {
    "view": "Looked at",
    "search": "Found in a search",
    "reveal": "Revealed masked values",
    "export": "Exported",
    "read": "Read through the API",
}


class WhoLooked:
    """The access log of one patient."""

    staff_scope = "access:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Show a page of looks, newest first."""
        chart = open_chart(self._ledger, req, patient_id, "who looked")
        before = parameters.number(req, "before", 0, least=1, most=10**17) or None
        with self._ledger.recorder.reading(chart.organization.id) as cursor:
            looks = access_log.of_patient(cursor, chart.organization.id, chart.id, before=before, limit=PAGE + 1)
        following = looks[PAGE - 1].id if len(looks) > PAGE else None
        page(req, resp, "looks.html", chart=chart, looks=[_line(chart, each) for each in looks[:PAGE]], next=following)


def _line(chart: Chart, look: Look) -> dict[str, Any]:
    said = [
        f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in look.detail.items()
        if name not in ("what", "masked") and value != []
    ]
    return {
        "at": look.at.isoformat(),
        "moment": chart.display.moment(look.at),
        "name": look.name,
        "actor": look.actor,
        "action": WORDS.get(look.action, look.action),
        "what": look.detail.get("what", ""),
        "masked": look.detail.get("masked", False),
        "detail": "; ".join(said),
        "address": look.address or "",
        "request_id": look.request_id,
    }


class Disclosures:
    """The accounting of disclosures: to whom values of the patient went, when, what and why."""

    staff_scope = "access:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Show the report of the days `from` … `to`; six years back where nothing is said."""
        chart = open_chart(self._ledger, req, patient_id, "disclosures")
        today = chart.now.astimezone(chart.display.zone).date()
        first = read_day(req.get_param("from") or "") or _years_before(today)
        last = read_day(req.get_param("to") or "") or today
        since, until = (midnight(each, chart.display.zone) for each in (first, last + timedelta(days=1)))
        with self._ledger.recorder.reading(chart.organization.id) as cursor:
            looks = access_log.disclosures(cursor, chart.organization.id, chart.id, since=since, until=until)
            lines = [(look.at, _disclosed(look)) for look in looks]
        lines += self._answered(chart, since, until)
        lines.sort(key=lambda line: line[0], reverse=True)
        page(
            req,
            resp,
            "disclosures.html",
            chart=chart,
            first=first.isoformat(),
            last=last.isoformat(),
            between=(day(first.isoformat()), day(last.isoformat())),
            lines=[(chart.display.moment(at), line) for at, line in lines],
        )

    def _answered(self, chart: Chart, since: datetime, until: datetime) -> list[tuple[datetime, dict[str, str]]]:
        """Return the partners' upserts that changed something: each was answered with the patient.

        Whatever else wrote to the patient, such as a communication, is among the looks.
        """
        wanted = Filter(since=since, until=until)
        entries = all_entries(self._ledger, chart.organization.id, chart.id, wanted, chart.version)
        # A partner may send all its requests under one id: when, too, tells them apart.
        answers = dict.fromkeys(
            (entry.recorded_at, entry.actor, entry.request_id) for entry in entries if entry.topic in PLACING
        )
        return [
            (
                at,
                {
                    "to": who(actor, chart.organization),
                    "what": "The patient, in the answer to a record sent",
                    "why": "Exchange with the partner that sent it",
                    "request_id": request_id,
                },
            )
            for at, actor, request_id in answers
            if actor.startswith("key:")
        ]


def _disclosed(look: Look) -> dict[str, str]:
    exported = look.action == "export"
    return {
        "to": str(look.detail.get("recipient") or look.name),
        "what": f"History as {look.detail.get('format')}" if exported else "The patient, through the API",
        "why": str(look.detail.get("purpose") or "Exchange with a partner"),
        "request_id": look.request_id,
    }


def _years_before(today: date) -> date:
    """Return the same day six years before; the first of March where that year has no 29th of February."""
    try:
        return today.replace(year=today.year - YEARS)
    except ValueError:
        return date(today.year - YEARS, 3, 1)


class Reveal:
    """`POST …/reveal`: see the masked values of one patient for a while, and say why."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_post(self, req: Request, _resp: Response, patient_id: str) -> None:
        """Record the reason; the record is what lifts the mask."""
        member = req.context.staff
        stream = parameters.patient_id(patient_id)
        reason = req.context.form.get("reason", "").strip()[:200]
        if not member.may("phi:reveal"):
            raise not_allowed()
        if len(reason) < 4:
            raise Refused(falcon.HTTP_422, "Say why", "Values are revealed for a reason, which is recorded.")
        with self._ledger.recorder.reading(member.organization_id) as cursor:
            if not self._ledger.recorder.select_stream(cursor, member.organization_id, stream, limit=1):
                raise UnknownPatient
            access_log.record(cursor, looker(req), "reveal", [stream], purpose=reason)
        raise falcon.HTTPSeeOther(f"/panel/patients/{stream}")
