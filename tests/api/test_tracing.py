"""Spans tell what took how long under which request, and no value of a patient."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from api.bootstrap import build_ledger
from tests.api.clinic import Clinic, found_clinic
from tests.api.service import serving
from tests.conftest import NewDatabase

CANARY = "zyxwcanary"
ANN = {"first_name": CANARY, "last_name": f"{CANARY} lee", "phone_number": "212-555-0142", CANARY: CANARY}
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """What an OTLP/HTTP endpoint was sent, as bytes and as spans."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def spans(self) -> list[Span]:
        exports = [ExportTraceServiceRequest.FromString(body) for body in self.received]
        resources = [resource for export in exports for resource in export.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


@contextmanager
def collecting() -> Iterator[tuple[str, Collector]]:
    collector = Collector()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", collector
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traced(new_database: NewDatabase) -> Iterator[tuple[Clinic, dict[str, httpx.Response], Collector]]:
    """Yield what a service was asked, by name, and the spans that it had told by the time it ended."""
    with new_database() as url, collecting() as (endpoint, collector), pytest.MonkeyPatch.context() as environment:
        environment.setenv("LEDGER_TRACES_URL", endpoint)
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        with serving(url) as base, httpx.Client(base_url=base, timeout=60) as client:
            client.headers["X-API-Key"] = clinic.api_key
            asked = ask(client)
        yield clinic, asked, collector


def ask(client: httpx.Client) -> dict[str, httpx.Response]:
    upsert = "/v1/patients/upsert"
    line = json.dumps({"phone_number": "212-555-0143", "first_name": CANARY})
    told = {
        "traceparent": f"00-{TRACE}-{CALLER}-01",
        "tracestate": f"x={CANARY}",
        "baggage": f"name={CANARY}",
        "Idempotency-Key": CANARY,
    }
    return {
        "upsert": client.post(upsert, json=ANN, headers=told),
        "refused": client.post(upsert, json={"first_name": CANARY}),
        "batch": client.post(f"{upsert}-batch", content=f"{line}\n{CANARY}\n"),
        "search": client.get("/v1/patients", params={"last_name": CANARY, "date_of_birth": "1980-03-01"}),
        "nowhere": client.get(f"/{CANARY}", params={CANARY: CANARY}),
        "strange": client.request(CANARY.upper(), upsert),
        "stranger": client.get(f"/v1/patients/{CANARY}", headers={"X-API-Key": CANARY}),
        "alive": client.get("/livez"),
    }


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: each.value.int_value or each.value.string_value for each in span.attributes}


def span_of(collector: Collector, answer: httpx.Response) -> Span:
    wanted = answer.headers["X-Request-Id"]
    (found,) = [span for span in collector.spans() if attributes(span).get("ledger.request_id") == wanted]
    return found


def test_a_request_is_a_span_of_its_caller_with_the_steps_of_its_transaction_below(traced):
    clinic, asked, collector = traced
    span = span_of(collector, asked["upsert"])
    assert (span.name, span.kind) == ("POST /v1/patients/upsert", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/v1/patients/upsert",
        "http.response.status_code": 200,
        "ledger.request_id": asked["upsert"].headers["X-Request-Id"],
        "ledger.organization_id": clinic.organization_id,
        "ledger.key_id": clinic.api_key.split("_")[2],
    }
    steps = [step for step in collector.spans() if step.parent_span_id == span.span_id]
    assert sorted(step.name for step in steps) == ["append", "look_up"]
    for step in steps:
        assert span.start_time_unix_nano <= step.start_time_unix_nano <= step.end_time_unix_nano
        assert step.end_time_unix_nano <= span.end_time_unix_nano


def test_a_batch_is_a_span_that_ends_with_its_last_answer(traced):
    _, asked, collector = traced
    span = span_of(collector, asked["batch"])
    steps = [step for step in collector.spans() if step.parent_span_id == span.span_id]
    assert {step.name for step in steps} == {"append", "look_up"}
    assert all(step.end_time_unix_nano <= span.end_time_unix_nano for step in steps)


def test_every_request_but_those_of_machines_that_watch_is_told(traced):
    _, asked, collector = traced
    told = {name: span_of(collector, answer) for name, answer in asked.items() if name != "alive"}
    assert {name: span.name for name, span in told.items()} == {
        "upsert": "POST /v1/patients/upsert",
        "refused": "POST /v1/patients/upsert",
        "batch": "POST /v1/patients/upsert-batch",
        "search": "GET /v1/patients",
        "nowhere": "GET none",
        "strange": "other /v1/patients/upsert",
        "stranger": "GET /v1/patients/{patient_id}",
    }
    for name, span in told.items():
        assert attributes(span)["http.response.status_code"] == asked[name].status_code
        assert span.status.code == Status.STATUS_CODE_UNSET
    assert "livez" not in " ".join(span.name for span in collector.spans())


def test_no_value_is_in_what_is_sent(traced):
    _, _, collector = traced
    assert collector.spans()
    for body in collector.received:
        assert CANARY.encode() not in body.lower()
        assert b"2125550142" not in body
        assert b"1980-03-01" not in body
