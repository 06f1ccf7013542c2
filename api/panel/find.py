"""`/panel`: find a patient by name, phone, email, external id or patient id.

The words looked for come in the body of a form: a name in a URL would stay in histories and logs.
"""

from typing import Any

from falcon import Request, Response

from api.panel.chart import shown_name, zone
from api.panel.door import looker
from api.panel.pages import is_fragment, page
from domain.ledger import Ledger
from projections import access_log
from projections.card import card
from projections.find_patients import find
from projections.wording import Display

MOST = 25


class Find:
    """The search form, and what it finds."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response) -> None:
        """Show the form."""
        page(req, resp, "find.html", words="", found=None, more=False)

    def on_post(self, req: Request, resp: Response) -> None:
        """Show whom these words mean; the search and everybody it showed are recorded."""
        member, clinic = req.context.staff, req.context.clinic
        words = req.context.form.get("words", "").strip()[:200]
        found: list[dict[str, Any]] | None = None
        if words:
            display = Display(zone(clinic.time_zone), masked=not member.may("phi:read"))
            with self._ledger.recorder.reading(clinic.id) as cursor:
                how, patients = find(cursor, clinic, words, MOST + 1)
                shown = [patient.id for patient in patients[:MOST]]
                access_log.record(cursor, looker(req), "search", shown or [None], by=how, found=len(shown))
            found = [
                {
                    "id": patient.id,
                    "version": patient.version,
                    "since": display.date(patient.created_at),
                    "name": shown_name(patient, display),
                    "merged": patient.merged_into is not None,
                    "rows": {row.key.partition("@")[0]: row.text(display) for row in card(patient, clinic)},
                }
                for patient in patients
            ]
        template = "found.html" if is_fragment(req, "found") else "find.html"
        more = found is not None and len(found) > MOST
        page(req, resp, template, words=words, found=None if found is None else found[:MOST], more=more)
