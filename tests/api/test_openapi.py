"""The OpenAPI document is the committed one, sound, and says of each route what the route does."""

import re
from typing import Any

import orjson
import pytest
from falcon.inspect import inspect_app
from falcon.testing import TestClient
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api import openapi, problems
from api.routes import ROUTES
from tests.api.clinic import Partner

DOCUMENT: dict[str, Any] = orjson.loads(openapi.FILE.read_bytes())
DESCRIBED: list[tuple[str, str, Any]] = [
    (path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]
OPERATIONS = [pytest.param(*each, id=each[2]["operationId"]) for each in DESCRIBED]


def test_the_committed_document_is_what_routes_and_models_say_now():
    assert openapi.FILE.read_bytes() == openapi.text(), "renew it: ./scripts/openapi"


def test_the_document_is_valid_openapi_3_1():
    assert [*OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_service_hands_out_the_committed_document(client: TestClient):
    answer = client.simulate_get("/openapi.json")
    assert (answer.content, answer.headers["Content-Type"]) == (openapi.FILE.read_bytes(), "application/json")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/page.css", "/problems", "/problems/not-json"])
def test_a_page_that_is_held_already_is_not_sent_again(client: TestClient, path: str):
    etag = client.simulate_get(path).headers["ETag"]
    for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.simulate_get(path, headers={"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag), held
    assert client.simulate_get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_every_read_has_an_etag():
    reads = {path: item["get"] for path, item in DOCUMENT["paths"].items() if "get" in item and path.startswith("/v1/")}
    assert [path for path, read in reads.items() if "304" not in read["responses"]] == []


def test_every_public_route_and_method_is_described_and_no_other(client: TestClient):
    served = {
        (route.path, method.method)
        for route in inspect_app(client.app).routes
        for method in route.methods
        if route.path.startswith(("/v1", "/livez", "/readyz")) and not method.internal
    }
    assert served == {(path, method.upper()) for path, method, _ in DESCRIBED}
    for path, resource in ROUTES.items():
        assert set(resource.scopes) <= set(resource.operations), path
        assert path.startswith("/v1/") == bool(resource.scopes), f"{path} is open to everybody"


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_has_what_generated_clients_and_readers_need(path: str, method: str, operation: Any):
    assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    assert {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"} == set(
        re.findall(r"{(\w+)}", path)
    )
    assert all(parameter["description"] for parameter in operation["parameters"] if parameter["in"] != "path")
    assert ("requestBody" in operation) == (method == "post")
    if path.startswith("/v1/"):
        assert operation["security"] == [{"apiKey": []}]
        assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_a_header_that_marks_a_replay_is_described_where_it_is_sent():
    """A batch marks its lines: its headers go out before the first line is read."""
    fine = {operation["operationId"]: operation["responses"]["200"] for _, _, operation in DESCRIBED}
    assert [name for name, answer in fine.items() if "Idempotent-Replayed" in answer["headers"]] == ["upsertPatient"]
    assert "replayed" in DOCUMENT["components"]["schemas"]["UpsertedLine"]["properties"]


def test_every_line_of_a_batch_is_as_described_those_that_are_refused_too(partner: Partner):
    described = DOCUMENT["paths"]["/v1/patients/upsert-batch"]["post"]["responses"]["200"]["content"]
    lines = partner.post("/v1/patients/upsert-batch", b'{"phone_number": "2125550142"}\n{}\nno JSON\n').content
    (schema,) = (media["schema"] for media in described.values())
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    assert [orjson.loads(line)["status"] for line in lines.splitlines()] == [200, 422, 400]
    assert all(validator.is_valid(orjson.loads(line)) for line in lines.splitlines())


def test_a_refusal_has_the_headers_that_are_described(partner: Partner, client: TestClient):
    described = DOCUMENT["paths"]["/v1/patients/upsert"]["post"]["responses"]
    for answer in (
        partner.upsert(b"[]"),
        partner.upsert({}),
        partner.upsert({}, query="?x=1"),
        Partner(client, "none").upsert({}),
    ):
        names = {name.lower() for name in answer.headers}
        told = {name.lower() for name in described[str(answer.status_code)]["headers"]}
        assert told - {"retry-after"} == names & {name.lower() for name in openapi.HEADERS}


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for _, _, operation in DESCRIBED]
    assert len(set(ids)) == len(ids)


def test_every_problem_of_the_document_has_a_page_that_says_what_to_do(client: TestClient):
    told = {
        slug
        for _, _, operation in DESCRIBED
        for response in operation["responses"].values()
        for slug in response.get("content", {}).get(problems.MEDIA_PROBLEM_JSON, {}).get("examples", {})
    }
    listing = client.simulate_get("/problems").text
    assert told <= set(problems.catalogue())
    for slug, (problem, detail) in problems.catalogue().items():
        page = client.simulate_get(f"/problems/{slug}")
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert problem.remedy.split()[0] in page.text
        assert detail.split()[0] in page.text
        assert f'href="/problems/{slug}"' in listing
    assert client.simulate_get("/problems/nonsense").status_code == 404


def test_no_two_kinds_of_problem_share_a_slug_but_not_a_meaning():
    by_slug: dict[str, problems.Problem] = {}
    for problem in problems.PROBLEMS.values():
        assert by_slug.setdefault(problem.slug, problem) == problem
