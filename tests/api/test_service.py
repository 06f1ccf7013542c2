"""What holds of the service as it runs: several workers, real sockets, real logs."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import logs
from api.bootstrap import build_ledger
from api.settings import Settings
from scripts.workers import Workers, base_url
from tests.api.clinic import Clinic, found_clinic, issue_key
from tests.api.service import serving
from tests.conftest import NewDatabase
from tests.domain.records import DOCUMENTED
from tests.scripts.waiting import until

CANARY = "kanarienvogel"
SPOKE = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}


class Service(NamedTuple):
    base: str
    clinic: Clinic
    database_url: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.base, headers={"X-API-Key": self.clinic.api_key}, timeout=30)

    def raw(self, request: bytes, *parts: bytes) -> bytes:
        """Send bytes as they are, each part in packets of its own; return what comes back first."""
        address = urlsplit(self.base)
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in (request, *parts):
                connection.sendall(part)
            return connection.recv(65536)


@pytest.fixture(scope="module")
def service(new_database: NewDatabase) -> Iterator[Service]:
    with new_database() as url:
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        with serving(url) as base:
            yield Service(base, clinic, url)


def samples(text: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_each_worker_tells_the_metrics_of_all(service: Service):
    def send(number: int) -> None:
        with service.client() as client:
            assert client.post("/v1/patients/upsert", json={"phone_number": f"+1212555{number:04}"}).status_code == 200

    with ThreadPoolExecutor(8) as threads:
        [*threads.map(send, range(100, 148))]
    for _ in range(8):
        text = httpx.get(f"{service.base}/metrics", timeout=60).text
        assert samples(text, "ledger_upserts_total", outcome="created") == 48
        labels = {"method": "POST", "route": "/v1/patients/upsert", "status": "200"}
        assert samples(text, "ledger_request_seconds_count", **labels) == 48
        assert samples(text, "ledger_transaction_records_sum") == 48
        assert samples(text, "ledger_database_up") == 1
        assert samples(text, "ledger_position") >= 48
        assert samples(text, "ledger_pool", state="used") + samples(text, "ledger_pool", state="free") >= 1


def test_drops_are_counted_by_field_and_reason_without_names_of_the_senders_choice(service: Service):
    with service.client() as client:
        body = {"phone_number": "+12125559999", "date_of_birth": "2099-01-01", CANARY: 1}
        assert client.post("/v1/patients/upsert", json=body).status_code == 200
        text = client.get("/metrics").text
    assert samples(text, "ledger_dropped_values_total", field="date_of_birth", reason="future_date") == 1
    assert samples(text, "ledger_dropped_values_total", field="other", reason="unknown_field") == 1
    assert CANARY not in text


def test_a_worker_is_ready_when_the_database_is_there_and_migrated(service: Service):
    told = httpx.get(f"{service.base}/readyz", timeout=60)
    assert (told.status_code, told.json()["status"]) == (200, "ready")
    assert set(told.json()["checks"]) == {"draining", "database", "migrations", "projections"}
    with psycopg.connect(service.database_url, autocommit=True) as admin:
        row = admin.execute("DELETE FROM migrations WHERE number = 4 RETURNING *").fetchone()
        assert row is not None
        lacking = httpx.get(f"{service.base}/readyz", timeout=60)
        admin.execute("INSERT INTO migrations VALUES (%s, %s, %s, %s)", row)
    assert (lacking.status_code, lacking.json()["status"]) == (503, "not_ready")
    assert not lacking.json()["checks"]["migrations"]["fine"]
    assert httpx.get(f"{service.base}/readyz", timeout=60).status_code == 200


BODY = json.dumps({"phone_number": "(212) 555-0142"}).encode()


def test_bodies_in_chunks_and_slow_ones_are_read(service: Service):
    head = f"POST /v1/patients/upsert HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.clinic.api_key}\r\n".encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (len(BODY), BODY)
    assert service.raw(chunked + chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert service.raw(chunked, chunk, b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    sized = head + b"Content-Length: %d\r\n\r\n" % len(BODY)
    assert service.raw(sized, BODY[:5], BODY[5:9], BODY[9:]).startswith(b"HTTP/1.1 200 ")
    too_large = chunked + (b"10000\r\n" + b"a" * 65536 + b"\r\n") * 17
    assert service.raw(too_large).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/patients/upsert HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/patients/upsert HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{}",
        b"POST /v1/patients/upsert HTTP/1.1\r\nHost: x\r\nX-API-Key: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/patients/upsert HTTP/1.1\r\nHost: x\r\nX-API-Key: a\r\nX-API-Key: b\r\nContent-Length: 2\r\n\r\n{}",
        b"BREW /v1/patients/upsert HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/patients/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/patients/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /docs/..%2f..%2fsettings.py HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X-A: b\r\n" * 2000 + b"\r\n",
    ],
)
def test_strange_requests_are_the_senders_fault(service: Service, request_bytes: bytes):
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", service.raw(request_bytes))


def test_after_the_answer_to_a_head_its_connection_goes_on_with_the_next_one(service: Service):
    with service.client() as client:
        for path in ("/livez", "/docs", "/v1/patients"):
            get, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("path", ["/v1/patients/upsert", "/v1/patients/upsert-batch", "/panel/sign-in"])
def test_stalled_bodies_of_all_keys_of_an_organization_hold_up_nobody_else(service: Service, path: str):
    with build_ledger(service.database_url) as ledger:
        slow, other = found_clinic(ledger), found_clinic(ledger)
        keys = [slow.api_key, *(issue_key(ledger, slow.organization_id) for _ in range(6))]
    heads = [f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n".encode() for key in keys]
    address = urlsplit(service.base)
    stalled = [socket.create_connection((address.hostname, address.port), timeout=20) for _ in range(7 * 80)]
    form = b"Content-Type: application/x-www-form-urlencoded\r\nCookie: panel_form=a\r\n"
    try:
        for number, connection in enumerate(stalled):
            connection.sendall(heads[number % 7] + form + b"Content-Length: 1000\r\n\r\n{")
        for number in range(8):
            assert httpx.get(f"{service.base}/livez", timeout=20).status_code == 200
            for key in (slow.api_key, other.api_key):
                with httpx.Client(base_url=service.base, headers={"X-API-Key": key}, timeout=20) as client:
                    assert client.get("/v1/patients/00000000-0000-4000-8000-000000000000").status_code == 404
            sent = {"phone_number": f"212555{number:04}"}
            headers = {"X-API-Key": other.api_key}
            answer = httpx.post(f"{service.base}/v1/patients/upsert", json=sent, headers=headers, timeout=20)
            assert answer.status_code == 200, answer.text
    finally:
        for connection in stalled:
            connection.close()


def test_no_value_of_a_patient_or_secret_is_in_logs_metrics_errors_or_the_process_list(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LEDGER_LOG_LEVEL", "debug")
    told: list[str] = []
    with new_database() as url:
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        secret = clinic.api_key.rpartition("_")[2]
        with serving(url, workers=1) as base:
            with httpx.Client(base_url=base, headers={"X-API-Key": clinic.api_key}, timeout=30) as client:
                marked = _marked(DOCUMENTED)
                fine = client.post("/v1/patients/upsert", json={**marked, "phone_number": "+12125550142"})
                assert fine.status_code == 200
                patient = f"/v1/patients/{fine.json()['patient']['id']}"
                refused: list[httpx.Response] = [
                    client.post("/v1/patients/upsert", json={**marked, "phone_number": CANARY}),
                    client.post("/v1/patients/upsert", content=f'{{"first_name": "{CANARY}'),
                    client.post("/v1/patients/upsert", json=[CANARY]),
                    client.post("/v1/patients/upsert", json=marked, headers={"Idempotency-Key": f"{CANARY} {CANARY}"}),
                    client.post("/v1/patients/upsert", json=marked, params={"dry_run": CANARY}),
                    client.post("/v1/patients/upsert", json=marked, headers={"X-API-Key": f"pl_live_{CANARY}"}),
                    client.post(f"{patient}/communications", json={**SPOKE, "channel": CANARY}),
                    client.post(f"{patient}/communications", json={**SPOKE, "occurred_at": CANARY}),
                    client.get(patient, params={"as_of": CANARY}),
                    client.get(f"{patient}/history", params={"kind": CANARY}),
                    client.get(f"/v1/patients/{CANARY}"),
                    client.get(f"/{CANARY}"),
                    client.request("DELETE", patient, params={"q": CANARY}),
                ]
                assert all(400 <= answer.status_code < 500 for answer in refused)
                told += [answer.text for answer in refused]
                told.append(client.get("/metrics").text)
                told.append(client.get("/readyz").text)
            told += [_command_line(each) for each in Path("/proc").iterdir() if each.name.isdecimal()]
        logged = capfd.readouterr()
    lines = [json.loads(line) for line in logged.err.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["status"] for line in requests} >= {200, 400, 401, 404, 405, 422}
    assert {line["route"] for line in requests} >= {"/v1/patients/upsert", "/v1/patients/{patient_id}", "none"}
    assert {key for line in lines for key in line} <= set(logs.KEYS)
    for text in (*told, logged.err, logged.out):
        assert CANARY not in text.lower()
        assert "2125550142" not in text
        assert secret not in text


def _marked(value: Any) -> Any:
    """Return the record with the canary in every text."""
    match value:
        case dict():
            return {name: _marked(each) for name, each in value.items()}
        case list():
            return [_marked(each) for each in value]
        case str():
            return f"{CANARY} {value}"
    return value


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it has ended meanwhile


def test_a_stop_lets_requests_in_flight_finish_and_says_before_that_it_is_coming(new_database: NewDatabase):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with new_database() as url, build_ledger(url) as ledger:
        clinic = found_clinic(ledger)
        settings = Settings(port=port, workers=2, database_url=url, drain_seconds=5)
        base = base_url(settings)
        workers = Workers(settings, url).__enter__()
        stopping = threading.Thread(target=workers.stop)
        try:
            headers = {"X-API-Key": clinic.api_key}
            with ThreadPoolExecutor(1) as threads, httpx.Client(base_url=base, headers=headers, timeout=60) as client:
                patient = client.post("/v1/patients/upsert", json=DOCUMENTED).json()["patient"]
                with ledger.recorder.unit_of_work([clinic.organization_id]) as work:
                    work.lock_patients(clinic.organization_id, [patient["id"]])
                    changed = {**DOCUMENTED, "city": "Albany"}
                    in_flight = threads.submit(
                        httpx.post, f"{base}/v1/patients/upsert", json=changed, headers=headers, timeout=20
                    )
                    until(lambda: _waits_for_a_lock(url))
                    stopping.start()
                    until(lambda: client.get("/readyz").status_code == 503)
                    assert client.get("/readyz").json()["checks"]["draining"]["fine"] is False
                    assert client.get(f"/v1/patients/{patient['id']}").status_code == 200
                answer = in_flight.result()
            assert (answer.status_code, answer.json()["patient"]["city"]) == (200, "Albany")
        finally:
            if not stopping.ident:
                stopping.start()
            stopping.join(40)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{base}/livez")


def _waits_for_a_lock(url: str) -> bool:
    with psycopg.connect(url) as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    return row != (0,)
