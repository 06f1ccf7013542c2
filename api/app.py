"""Which routes are there? `create_app` wires, `get_app` reads the environment."""

from typing import Any

import falcon
from falcon import Request, Response

from api import logs, metrics, problems
from api.bootstrap import build_ledger
from api.etags import Etags
from api.headers import SecurityHeaders
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

App = falcon.App[Any, Any]


class Doorkeeper:
    """A resource that names scopes is open to keys that carry them, and to nobody else."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._gate = Gate(ledger, limits)
        self._limits = limits

    def process_resource(self, req: Request, resp: Response, resource: object, _params: object) -> None:
        """Find out who asks, and count it. NotAuthenticated, TooManyWrongKeys, RateExceeded, NotAllowed."""
        scopes: dict[str, str] = getattr(resource, "scopes", {})
        scope = scopes.get(req.method)
        if scope is None:
            return
        principal: Principal = self._gate.principal(req.get_header("X-API-Key"), req.remote_addr)
        resp.set_headers(self._limits.admit(principal.key_id))
        if scope not in principal.scopes:
            raise NotAllowed(scope=scope)
        req.context.principal = principal
        req.context.limits = self._limits
        resp.set_header("Cache-Control", "no-store")


def create_app(ledger: Ledger, settings: Settings) -> App:
    """Return the WSGI application on this ledger."""
    doorkeeper = Doorkeeper(ledger, Limits(settings.requests_per_second))
    middleware: list[Any] = [Unread(), Proxies(settings.trusted_proxies), Telemetry(ledger), SecurityHeaders()]
    middleware += [doorkeeper, Reads(ledger), Etags(), Retirements()]
    app = falcon.App(middleware=middleware)
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
    return create_app(build_ledger(settings.database_url, note=metrics.note), settings)
