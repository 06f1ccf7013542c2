"""Which pages are there? `add_panel` hangs them all into the application."""

from typing import Any

import falcon

from api.panel.compare import Blame, Compare
from api.panel.door import HOME, PanelDoor, Refused, answer_refused
from api.panel.event import EventPage, RequestPage
from api.panel.export import Export
from api.panel.find import Find
from api.panel.looks import Disclosures, Reveal, WhoLooked
from api.panel.pages import STATIC
from api.panel.patient import PatientPage, States
from api.panel.sign_in import OneTimeLink, Password, SignIn, SignOut
from domain.ledger import Ledger


def add_panel(app: falcon.App[Any, Any], ledger: Ledger) -> None:
    """Add the History panel."""
    app.add_middleware(PanelDoor(ledger))
    app.add_error_handler(Refused, answer_refused)
    app.add_route("/panel/static/{name}", STATIC)
    patient = "/panel/patients/{patient_id}"
    pages: dict[str, Any] = {
        HOME: Find,
        "/panel/sign-in": SignIn,
        "/panel/sign-out": SignOut,
        "/panel/link/{token}": OneTimeLink,
        "/panel/password": Password,
        patient: PatientPage,
        f"{patient}/states": States,
        f"{patient}/events/{{version}}": EventPage,
        f"{patient}/requests/{{request_id}}": RequestPage,
        f"{patient}/compare": Compare,
        f"{patient}/blame": Blame,
        f"{patient}/export": Export,
        f"{patient}/looks": WhoLooked,
        f"{patient}/disclosures": Disclosures,
        f"{patient}/reveal": Reveal,
    }
    for path, resource in pages.items():
        app.add_route(path, resource(ledger))
