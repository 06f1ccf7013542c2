"""`GET /v1/events`: what happened since I last asked?"""

from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.answers import EventPage
from api.operations import Operation, Resource, whole_number
from domain.errors import UnreachedPosition
from projections import search
from projections.history import history_item

PARAMETERS = (
    whole_number("after", "A position: events behind it. Start with 0.", least=0, most=10**17, default=0),
    parameters.LIMIT,
)


class Events(Resource):
    """The events of all patients of the organization, oldest first: a feed to pull into a system of your own.

    Keep `next` with what you stored of the page, and send it as `after` the next time. Positions are in the order of
    the commits, so nothing ever appears behind a position you have passed; those between belong to other organizations.
    """

    scopes: ClassVar = {"GET": "events:read"}
    operations: ClassVar = {
        "GET": Operation(
            id="listEvents",
            answer=EventPage,
            parameters=PARAMETERS,
            refusals=(UnreachedPosition,),
            has_etag=True,
        )
    }

    def on_get(self, req: Request, resp: Response) -> None:
        """List the events behind a position."""
        organization_id = req.context.principal.organization_id
        organization = self._ledger.organization(organization_id)
        after = parameters.number(req, "after", 0, least=0, most=10**17)
        limit = parameters.limit(req)
        with self._ledger.recorder.reading(organization_id) as cursor:
            rows = search.events_since(cursor, organization_id, after, limit + 1)
        entries = [self._ledger.mapper.to_domain_event(row) for row in rows[:limit]]
        items = [{"patient_id": str(entry.originator_id), **history_item(entry, organization)} for entry in entries]
        req.context.shown_patients = list(dict.fromkeys(item["patient_id"] for item in items))
        following = entries[-1].position if entries else after
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps({"items": items, "next": following, "more": len(rows) > limit})
