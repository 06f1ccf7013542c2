"""`GET /v1/patients`: which patients are these?"""

from datetime import UTC, datetime
from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.answers import PatientPage
from api.operations import Operation, Resource, text, whole_number
from domain.errors import BadParameter, UnreachedPosition
from domain.normalise import normalise
from domain.record import read_record
from projections import search
from projections.resource import patient_resource
from projections.search import Wanted

RECORD_FIELDS = ("phone_number", "email", "first_name", "last_name", "date_of_birth")

PARAMETERS = (
    text("external_id", "An id in another system; with its `external_id_type`.", example="A-1001"),
    text("external_id_type", "The id of the type.", format="uuid"),
    text("phone_number", "In any notation; the additional number is looked at too.", example="(212) 555-0142"),
    text("email", "Case does not matter.", example="ann.lopez@example.com"),
    text("first_name", "The whole first name; case and accents do not matter.", example="Ann"),
    text("last_name", "The whole last name, likewise.", example="Garcia-Lopez"),
    text("date_of_birth", "In any of the notations of a record.", example="1980-03-01"),
    whole_number("updated_since", "A position: patients that changed after it, in that order.", least=0, most=10**17),
    text("after", "Cursor: `next` of the page before."),
    parameters.LIMIT,
)


class FindPatients(Resource):
    """Patients for which everything holds that is asked for; values are read as in a record.

    Without `updated_since` they come in the order of their creation. With it, each patient comes once, at its last
    change: send `position` of the last page as `updated_since` the next time and you miss nothing. A patient that was
    merged into another one is found there as `active: false`, and nowhere else. That one was erased is told by the
    feed of events alone.
    """

    scopes: ClassVar = {"GET": "patients:read"}
    operations: ClassVar = {
        "GET": Operation(
            id="findPatients",
            answer=PatientPage,
            parameters=PARAMETERS,
            refusals=(UnreachedPosition,),
            has_etag=True,
        )
    }

    def on_get(self, req: Request, resp: Response) -> None:
        """Find patients."""
        organization_id = req.context.principal.organization_id
        organization = self._ledger.organization(organization_id)
        limit, after = parameters.limit(req), req.get_param("after")
        since = parameters.number(req, "updated_since", -1, least=0, most=10**17)
        asked = self._wanted(req)
        if since >= 0 and asked != Wanted():
            raise BadParameter(parameter="updated_since")  # goes with no other criterion
        with self._ledger.recorder.reading(organization_id) as cursor:
            if since >= 0:
                start = since if after is None else parameters.number(req, "after", 0, least=0, most=10**17)
                found, position, more = search.updated_since(cursor, organization_id, start, limit)
                following = str(position) if more else None
            else:
                page = search.find(cursor, organization_id, asked, parameters.id_cursor(req, "after"), limit)
                found, following, position = page.items, page.next, None
        items = [patient_resource(patient, organization) for patient in found]
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps({"items": items, "next": following, "position": position})
        req.context.shown_patients = [patient.id for patient in found]

    def _wanted(self, req: Request) -> Wanted:
        """Return what is asked for, read as a record is. BadParameter for what a record would drop."""
        sent = {name: req.get_param(name) for name in RECORD_FIELDS if name in req.params}
        external_id = {"type_id": req.get_param("external_id_type"), "value": req.get_param("external_id")}
        record, received = read_record({**sent, **({"external_id": external_id} if any(external_id.values()) else {})})
        organization = self._ledger.organization(req.context.principal.organization_id)
        clean, dropped = normalise(record, organization=organization, today=datetime.now(UTC).date(), received=received)
        for drop in dropped:
            raise BadParameter(parameter=drop.field)
        for name in sent:
            if name not in clean.facts:
                raise BadParameter(parameter=name)
        if clean.external_id is None and {"external_id", "external_id_type"} & req.params.keys():
            raise BadParameter(parameter="external_id")
        return search.wanted(clean.facts, clean.external_id)
