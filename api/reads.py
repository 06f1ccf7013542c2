"""Which patients did a partner read? Resources say whom they showed; it is recorded, or the answer is not given.

A record that changes nothing, or is only tried, is answered with the whole patient too: that is a read where the
answer tells more than the record did, since no event tells of it.

The commit does not wait for the disk: a power failure may cost the reads of its last half second, a wait would cost
each read several times what it takes.
"""

from collections.abc import Sequence

from falcon import HTTP_304, Request, Response

from domain.ledger import Ledger
from domain.receipt import Receipt
from projections import access_log
from projections.access_log import Looker
from projections.trips import Batch
from projections.wording import who


def told_by_no_event(receipts: Sequence[Receipt], *, dry_run: bool) -> list[str]:
    """Return the patients that the receipts of a request show while no event of it does."""
    new = {each.decided.id for each in receipts if each.created and not each.replayed}
    shown = (each for each in receipts if each.replayed or (each.tells_more and (dry_run or not each.events)))
    return [each for each in dict.fromkeys(each.decided.id for each in shown) if each not in new]


class Reads:
    """Records reads of patients through the API."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def process_response(self, req: Request, resp: Response, _resource: object, succeeded: bool) -> None:
        """Record whom the answer shows."""
        shown = req.context.get("shown_patients")
        if not shown or not succeeded or resp.status == HTTP_304:
            return
        record(self._ledger, req, shown)


def record(ledger: Ledger, req: Request, shown: Sequence[str]) -> None:
    """Record that the answer shows these patients."""
    principal = req.context.principal
    organization = ledger.organization(principal.organization_id)
    name = who(principal.actor, organization)
    looker = Looker(organization.id, principal.actor, name, req.context.request_id, req.remote_addr)
    batch = Batch()
    access_log.do_not_wait_for_the_disk(batch)
    access_log.record(batch, looker, "read", shown, what=req.uri_template)
    ledger.recorder.write(organization.id, batch)
