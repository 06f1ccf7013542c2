"""An operation that is going says so with every answer, and in the OpenAPI document."""

from datetime import UTC, datetime
from typing import ClassVar

import falcon
import pytest
from falcon import Request, Response
from falcon.testing import TestClient

from api import openapi
from api.answers import Alive
from api.operations import Operation, Resource, Retirement
from api.retirement import Retirements
from api.settings import Settings
from domain.ledger import Ledger

GOING = Retirement(
    deprecated=datetime(2026, 1, 1, tzinfo=UTC), sunset=datetime(2027, 1, 1, tzinfo=UTC), successor="/docs"
)


class Old(Resource):
    """An operation that is going."""

    operations: ClassVar = {"GET": Operation(id="old", answer=Alive, retirement=GOING)}

    def on_get(self, _req: Request, resp: Response) -> None:
        """Answer as ever."""
        resp.media = {"status": "alive"}


def test_every_answer_names_the_days_and_what_comes_after(ledger: Ledger):
    app = falcon.App(middleware=[Retirements()])
    app.add_route("/old", Old(ledger, Settings()))
    answer = TestClient(app).simulate_get("/old")
    assert answer.headers["Deprecation"] == "@1767225600"
    assert answer.headers["Sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert answer.headers["Link"] == '</docs>; rel="successor-version"'


def test_the_document_says_so_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openapi, "ROUTES", {"/v1/old": Old})
    described = openapi.document()["paths"]["/v1/old"]["get"]
    assert described["deprecated"] is True
    assert {"Deprecation", "Sunset"} <= set(described["responses"]["200"]["headers"])


def test_nothing_is_going_where_nothing_is_said(client: TestClient):
    assert "Deprecation" not in client.simulate_get("/livez").headers
