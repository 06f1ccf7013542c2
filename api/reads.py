"""Which patients did a partner read? Resources say whom they showed; it is recorded, or the answer is not given.

The commit does not wait for the disk: a power failure may cost the reads of its last half second, a wait would cost
each read several times what it takes.
"""

from falcon import HTTP_304, Request, Response

from domain.ledger import Ledger
from projections import access_log
from projections.access_log import Looker
from projections.wording import who


class Reads:
    """Records reads of patients through the API."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def process_response(self, req: Request, resp: Response, _resource: object, succeeded: bool) -> None:
        """Record whom the answer shows."""
        shown = req.context.get("shown_patients")
        if not shown or not succeeded or resp.status == HTTP_304:
            return
        principal = req.context.principal
        organization = self._ledger.organization(principal.organization_id)
        name = who(principal.actor, organization)
        looker = Looker(organization.id, principal.actor, name, req.context.request_id, req.remote_addr)
        with self._ledger.recorder.reading(organization.id) as cursor:
            access_log.do_not_wait_for_the_disk(cursor)
            access_log.record(cursor, looker, "read", shown, what=req.uri_template)
