"""Which routes are there? `create_app` wires, `get_app` reads the environment."""

import re
from typing import Any
from uuid import uuid4

import falcon
from falcon import Request, Response

from api import problems
from api.bootstrap import build_ledger
from api.keys import Gate, NotAllowed, Principal
from api.limits import Limits
from api.pages import PAGES
from api.panel.routes import add_panel
from api.routes import ROUTES
from api.settings import BadSetting, Settings, read_settings
from domain.errors import LedgerError
from domain.ledger import Ledger

App = falcon.App[Any, Any]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class RequestIds:
    """Every answer names its request; an id that was sent is kept."""

    def process_request(self, req: Request, _resp: Response) -> None:
        """Give the request its id."""
        sent = req.get_header("X-Request-Id") or ""
        req.context.request_id = sent if _REQUEST_ID.fullmatch(sent) else f"req_{uuid4().hex}"

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Name the request in the answer."""
        resp.set_header("X-Request-Id", req.context.request_id)


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


def create_app(ledger: Ledger, settings: Settings) -> App:
    """Return the WSGI application on this ledger."""
    middleware: list[Any] = [RequestIds(), Doorkeeper(ledger, Limits(settings.requests_per_second))]
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
    return create_app(build_ledger(settings.database_url), settings)
