"""`…/export`: exactly what is filtered, as CSV, NDJSON or FHIR R4, for a purpose that is recorded."""

from collections.abc import Iterator

import falcon
from falcon import Request, Response

from api.panel.chart import Chart, open_chart
from api.panel.door import Refused, looker
from api.panel.filters import Asked, read_filter
from api.panel.pages import page
from domain.entry import instant
from domain.ledger import Ledger
from projections import access_log, exports, fhir
from projections.history_query import all_entries

FORMATS = {
    "csv": ("CSV", "text/csv; charset=utf-8", "for spreadsheets, one line a change"),
    "ndjson": ("NDJSON", "application/x-ndjson", "for programs, one JSON object an event"),
    "fhir": ("FHIR R4", "application/fhir+json", "a Bundle of Provenance and AuditEvent"),
}
"""Format → name, media type, what it is for."""

PURPOSES = ("Treatment", "Payment", "Operations", "The patient asked", "Audit", "Legal request", "Other")


class Export:
    """A form that asks for format and purpose, and the file."""

    staff_scope = "history:export"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Show the form; the filter of the timeline comes with it."""
        chart = open_chart(self._ledger, req, patient_id, "export form")
        asked = read_filter(req.params, chart.organization, chart.display)
        page(req, resp, "export.html", chart=chart, asked=asked, formats=FORMATS, purposes=PURPOSES)

    def on_post(self, req: Request, resp: Response, patient_id: str) -> None:
        """Record the export and answer the file."""
        form = req.context.form
        form_of, purpose = form.get("format", ""), form.get("purpose", "")
        if form_of not in FORMATS or purpose not in PURPOSES:
            raise Refused(falcon.HTTP_422, "Something is missing", "Choose a format and say what the export is for.")
        chart = open_chart(self._ledger, req, patient_id, "export")
        asked = read_filter(req.params, chart.organization, chart.display)
        with self._ledger.recorder.reading(chart.organization.id) as cursor:
            access_log.record(
                cursor,
                looker(req),
                "export",
                [chart.id],
                format=form_of,
                purpose=purpose,
                recipient=form.get("recipient", "").strip()[:200],
                filtered_by=sorted(asked.values),
                up_to_version=chart.version,
                masked=chart.display.masked,
            )
        suffix = {"fhir": "json"}.get(form_of, form_of)
        resp.content_type = FORMATS[form_of][1]
        resp.set_header("Content-Disposition", f'attachment; filename="history-{chart.id}.{suffix}"')
        resp.stream = self._file(chart, asked, form_of)

    def _file(self, chart: Chart, asked: Asked, form_of: str) -> Iterator[bytes]:
        # up to the version that was there when it began
        entries = all_entries(self._ledger, chart.organization.id, chart.id, asked.wanted, chart.version)
        if form_of == "fhir":
            made_at = instant(chart.now)
            return fhir.to_bundle(entries, chart.organization, chart.display, chart.lock, made_at=made_at)
        write = exports.to_csv if form_of == "csv" else exports.to_ndjson
        return write(entries, chart.organization, chart.display, chart.lock)
