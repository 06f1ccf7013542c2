"""HEAD is answered wherever GET is, as GET without its body (RFC 9110, 9.3.2)."""

import pytest
from falcon.testing import Result, TestClient

from api.pages import PAGES
from api.panel.sign_in import SignIn
from api.routes import ROUTES
from domain.ledger import Ledger
from tests.api.clinic import Clinic, Partner, issue_key
from tests.api.test_bad_input import NOBODY
from tests.domain.records import DOCUMENTED

VARYING = {"x-request-id", "ratelimit"}
OPEN = ("/livez", "/readyz", "/docs", "/openapi.json", "/problems", "/problems/not-json", "/panel/sign-in", "/nowhere")
PATIENT = "/v1/patients/{}"
WITH_KEY = ("/v1/patients", PATIENT, f"{PATIENT}/history", "/v1/events", "/v1/duplicates", "/v1/patients?x=1")


def headers_of(answer: Result) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in VARYING}


@pytest.mark.parametrize("path", OPEN + WITH_KEY)
def test_a_head_has_the_status_and_headers_of_get_and_no_body(client: TestClient, partner: Partner, path: str):
    path = path.format(partner.upsert(DOCUMENTED).json["patient"]["id"])
    key = {"X-API-Key": partner.api_key or "", "X-Request-Id": "one", "Cookie": "panel_form=a"}
    get, head = (client.simulate_request(method, path, headers=key) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert headers_of(head) == headers_of(get)
    assert int(head.headers["Content-Length"]) == len(get.content) > 0


def test_a_head_needs_the_scope_of_get_and_counts_as_a_read(
    client: TestClient, ledger: Ledger, clinic: Clinic, partner: Partner
):
    path = f"/v1/patients/{partner.upsert(DOCUMENTED).json['patient']['id']}"
    outsider = issue_key(ledger, clinic.organization_id, ["events:read"])
    assert client.simulate_head(path).status_code == 401
    assert client.simulate_head(path, headers={"X-API-Key": outsider}).status_code == 403
    mine = {"X-API-Key": clinic.api_key}
    etag = client.simulate_head(path, headers=mine).headers["ETag"]
    held = client.simulate_head(path, headers={**mine, "If-None-Match": etag})
    assert (held.status_code, held.content) == (304, b"")
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        assert cursor.execute("SELECT count(*) FROM access_log WHERE action = 'read'").fetchone() == (1,)


def test_what_is_allowed_names_head_where_get_is(client: TestClient):
    for path, resource in [*ROUTES.items(), *PAGES.items(), ("/panel/sign-in", SignIn)]:
        has_get = hasattr(resource, "on_get")
        url = path.format(patient_id=NOBODY, duplicate_id=NOBODY, name="page.css", slug="not-json")
        for method in ("DELETE", "OPTIONS"):
            allowed = client.simulate_request(method, url).headers["Allow"].split(", ")
            assert ("GET" in allowed, "HEAD" in allowed) == (has_get, has_get), f"{method} {path}"
        if not has_get:
            assert client.simulate_head(url).status_code == 405
