"""`GET /v1/patients/{id}/history`: what happened to this patient?"""

from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from domain.errors import BadParameter, UnknownPatient
from domain.ledger import Ledger
from domain.record import SOURCES
from projections.history import KINDS, history_item
from projections.history_query import Filter, history_page

MOST = 500


class History:
    """The patient's stream, newest first, a page at a time."""

    scopes: ClassVar[dict[str, str]] = {"GET": "patients:read"}

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Answer a page. `?before=` is the cursor (a version); `kind`, `event`, `field` and `source` filter."""
        organization_id = req.context.principal.organization_id
        stream_id = parameters.patient_id(patient_id)
        wanted = Filter(
            kind=_choice(req, "kind", KINDS),
            event=req.get_param("event"),
            field=req.get_param("field"),
            source=_choice(req, "source", SOURCES),
        )
        before = parameters.whole_number(req, "before", 0, least=1, most=10**17) or None
        limit = parameters.whole_number(req, "limit", 50, least=1, most=MOST)
        organization = self._ledger.organization(organization_id)
        entries, following = history_page(self._ledger, organization_id, stream_id, wanted, before, limit)
        if entries is None:
            raise UnknownPatient
        page = {"items": [history_item(entry, organization) for entry in entries], "next": following}
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(page)


def _choice(req: Request, name: str, choices: tuple[str, ...]) -> str | None:
    value = req.get_param(name)
    if value is not None and value not in choices:
        raise BadParameter(parameter=name)
    return value
