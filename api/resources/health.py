"""`/livez`, `/readyz`, `/metrics`: is this process there, can it do its work, and how is it doing?"""

from typing import ClassVar

import orjson
from falcon import HTTP_503, MEDIA_JSON, Request, Response

from api import metrics
from api.answers import Alive, Readiness
from api.operations import Operation, Resource
from api.readiness import checks


class Live(Resource):
    """Answers without asking the database: whoever does not answer this is to be started anew."""

    operations: ClassVar = {"GET": Operation(id="isAlive", answer=Alive)}

    def on_get(self, _req: Request, resp: Response) -> None:
        """Say that the process lives."""
        resp.content_type = MEDIA_JSON
        resp.data = b'{"status":"alive"}'


class Ready(Resource):
    """Says whether requests should be sent here, and if not, why: with 503 they should not."""

    operations: ClassVar = {"GET": Operation(id="isReady", answer=Readiness, unready=Readiness)}

    def on_get(self, _req: Request, resp: Response) -> None:
        """Say whether requests should be sent here."""
        told, ledger = checks(self._ledger, self._settings)
        ready = all(check["fine"] or not check["vital"] for check in told.values())
        resp.status = resp.status if ready else HTTP_503
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps({"status": "ready" if ready else "not_ready", "checks": told, "ledger": ledger})


class Metrics(Resource):
    """All workers' metrics, whichever of them answers."""

    def on_get(self, _req: Request, resp: Response) -> None:
        """Answer in Prometheus' text format."""
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.data = metrics.exposition(self._ledger)
