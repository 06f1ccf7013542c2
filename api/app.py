"""What does a request pass on its way in and out? `create_app` wires, `get_app` reads the environment."""

import gc
from typing import TYPE_CHECKING, Any

import falcon
from falcon import Request, Response

from api import logs, metrics, parameters, problems
from api.bootstrap import build_ledger
from api.etags import Etags
from api.headers import SecurityHeaders
from api.heads import Heads
from api.keys import Gate, NotAllowed, Principal
from api.limits import Limits
from api.pages import PAGES
from api.panel.routes import add_panel
from api.proxies import Proxies
from api.reads import Reads
from api.retirement import Retirements
from api.routes import ROUTES
from api.settings import BadSetting, Settings, read_settings
from api.telemetry import Telemetry
from api.unread import Unread
from domain.errors import LedgerError
from domain.ledger import Ledger

if TYPE_CHECKING:
    from api.tracing import Tracing

App = falcon.App[Any, Any]

GARBAGE_THRESHOLD = 10_000
"""New objects between two looks for cycles: a request makes a few thousand, and hardly a cycle."""


class TracingNotInstalled(LedgerError):
    """LEDGER_TRACES_URL needs the extra `tracing`: ./scripts/serve installs it, or pip with scripts/tracing.lock."""


class Doorkeeper:
    """A resource that names scopes is open to keys that carry them, and to nobody else."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._gate = Gate(ledger, limits)
        self._limits = limits

    def process_resource(self, req: Request, resp: Response, resource: object, _params: object) -> None:
        """Find out who asks, and count it. NotAuthenticated, TooManyWrongKeys, RateExceeded, NotAllowed."""
        req.context.limits = self._limits
        req.context.operation = getattr(resource, "operations", {}).get(req.method)
        scopes: dict[str, str] = getattr(resource, "scopes", {})
        scope = scopes.get(req.method)
        if scope is None:
            return
        resp.set_header("Cache-Control", "no-store")
        principal: Principal = self._gate.principal(req.get_header("X-API-Key"), req.remote_addr)
        resp.set_headers(self._limits.admit(principal.key_id))
        if scope not in principal.scopes:
            raise NotAllowed(scope=scope)
        if req.query_string and req.context.operation is not None:
            parameters.only(req, req.context.operation.query())
        req.context.principal = principal


def create_app(ledger: Ledger, settings: Settings, *around: Any) -> App:
    """Return the WSGI application on this ledger; `around` is middleware that sees a request first and last."""
    doorkeeper = Doorkeeper(ledger, Limits(settings.requests_per_second))
    outside: list[Any] = [Heads(), Unread(), *around, Proxies(settings.trusted_proxies), Telemetry(ledger)]
    app = falcon.App(middleware=[*outside, SecurityHeaders(), doorkeeper, Reads(ledger), Etags(), Retirements()])
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Exception, problems.answer_bug)
    app.add_error_handler(falcon.HTTPError, problems.answer_http_error)
    app.add_error_handler(LedgerError, problems.answer_ledger_error)
    for path, resource in [*ROUTES.items(), *PAGES.items()]:
        app.add_route(path, resource(ledger, settings))
    add_panel(app, ledger)
    return app


def get_app() -> App:
    """Return the application of this process, as its environment says."""
    settings = read_settings()
    if settings.database_url is None:
        raise BadSetting(names=["LEDGER_DATABASE_URL"])
    logs.set_up(settings.log_level)
    around = [] if settings.traces_url is None else [_tracing(settings.traces_url)]
    note = around[0].noting(metrics.note) if around else metrics.note
    app = create_app(build_ledger(settings.database_url, note=note), settings, *around)
    gc.freeze()  # what is there now stays; looking through it again and again would cost each request a few percent
    gc.set_threshold(GARBAGE_THRESHOLD)
    return app


def _tracing(url: str) -> "Tracing":
    try:
        from api.tracing import Tracing, tracer_to  # what it needs is an extra
    except ModuleNotFoundError:
        raise TracingNotInstalled from None
    return Tracing(tracer_to(url))
