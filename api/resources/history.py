"""`GET /v1/patients/{id}/history`: what happened to this patient?"""

from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.answers import HistoryPage
from api.operations import Operation, Resource, text, whole_number
from domain.errors import BadParameter, UnknownPatient
from domain.events import PatientErased
from domain.record import SOURCES
from projections.history import KINDS, history_item
from projections.history_query import Filter, history_page
from projections.patients import survivor_id
from projections.sentences import SENTENCES

EVENTS = tuple(sorted(event.__name__ for event in {*SENTENCES, PatientErased}))
"""The events that a patient's stream can hold."""


class History(Resource):
    """The patient's stream, newest first, a page at a time.

    For a patient that was merged into another one, that one's is told, with its path in `Content-Location`; `own=true`
    tells the patient's own.
    """

    scopes: ClassVar = {"GET": "patients:read"}
    operations: ClassVar = {
        "GET": Operation(
            id="getHistory",
            answer=HistoryPage,
            parameters=(
                whole_number("before", "Cursor: `next` of the page before.", least=1, most=10**17),
                parameters.LIMIT,
                parameters.OWN,
                text("kind", "Only events of this kind.", enum=KINDS),
                text("event", "Only events of this name.", enum=EVENTS),
                text("field", "Only events about this field or a part of it.", example="phone_number"),
                text("source", "Only events from this source.", enum=SOURCES),
            ),
            refusals=(UnknownPatient,),
            has_etag=True,
        )
    }

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Tell what happened to a patient."""
        organization_id = req.context.principal.organization_id
        stream_id = parameters.patient_id(patient_id)
        if not parameters.flag(req, "own"):
            with self._ledger.recorder.reading(organization_id) as cursor:
                stream_id = survivor_id(cursor, organization_id, stream_id)
        if stream_id != parameters.patient_id(patient_id):
            resp.set_header("Content-Location", f"/v1/patients/{stream_id}/history")
        kind = parameters.choice(req, "kind", KINDS)
        if req.get_param("field") == "":
            raise BadParameter(parameter="field")
        wanted = Filter(
            kinds=() if kind is None else (kind,),
            event=parameters.choice(req, "event", EVENTS),
            field=req.get_param("field"),
            source=parameters.choice(req, "source", SOURCES),
        )
        before = parameters.number(req, "before", 0, least=1, most=10**17) or None
        limit = parameters.limit(req)
        organization = self._ledger.current_organization(organization_id)
        entries, following = history_page(self._ledger, organization_id, stream_id, wanted, before, limit)
        if entries is None:
            raise UnknownPatient
        page = {"items": [history_item(entry, organization) for entry in entries], "next": following}
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(page)
        req.context.shown_patients = [stream_id]
