"""What is told of each request? Its id, a log line and its time: by route, never by path or value."""

import re
import time
from secrets import token_hex
from typing import Any

import structlog
from falcon import Request, Response

from api import metrics
from domain.ledger import Ledger

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))

QUIET = ("/livez", "/readyz", "/metrics")
"""Asked every few seconds by machines: logged at level debug only."""


class Telemetry:
    """Every answer names its request; an id that was sent is kept."""

    def __init__(self, ledger: Ledger) -> None:
        self._pool = metrics.PoolGauges(ledger)

    def process_request(self, req: Request, _resp: Response) -> None:
        """Give the request its id, and note when it began."""
        req.context.began = time.perf_counter()
        sent = req.get_header("X-Request-Id") or ""
        req.context.request_id = sent if _REQUEST_ID.fullmatch(sent) else f"req_{token_hex(16)}"

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Name the request in the answer; count and log it."""
        resp.set_header("X-Request-Id", req.context.request_id)
        seconds = time.perf_counter() - req.context.began
        route = req.uri_template or "none"
        method = req.method if req.method in _METHODS else "other"
        status = resp.status_code
        metrics.REQUESTS.labels(method, route, status).observe(seconds)
        self._pool.renew()
        principal = req.context.get("principal")
        who: dict[str, Any] = (
            {} if principal is None else {"organization_id": principal.organization_id, "key_id": principal.key_id}
        )
        tell = log.debug if route in QUIET else log.info
        tell(
            "request",
            request_id=req.context.request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            **who,
        )
