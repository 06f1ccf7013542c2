"""Clients that are slow, loud or many cost the others little."""

import contextlib
import threading
import time
from pathlib import Path

import httpx
import pytest

from scripts.bench import load
from tests.api.clinic import Clinic
from tests.faults.crowds import answer, connections, head
from tests.faults.installation import Installation
from tests.faults.senders import sending
from tests.faults.truth import check_acknowledged, check_ledger

UPSERT = "/v1/patients/upsert"
BODY = b'{"phone_number": "212-555-0142"}'


def test_heads_that_never_end_and_silent_connections_keep_nobody_waiting(
    installation: Installation, clinic: Clinic, seed: int
):
    with connections(installation, 200) as crowd:
        for number, connection in enumerate(crowd):
            connection.sendall(head(clinic, UPSERT)[: 40 * (number % 3)])
        with sending(installation.base_url, clinic, seed=seed) as senders:
            senders.await_more(60)
    senders.sent.tell("beside 200 unfinished heads")
    assert senders.sent.refused() <= senders.sent.acknowledged() / 4
    check_acknowledged(installation.url, senders.sent)


def test_slow_bodies_of_one_partner_leave_room_for_the_others(installation: Installation, clinic: Clinic, seed: int):
    """More connections than the service has threads, each with a body that is not finished."""
    slow, start = installation.found_clinic(), len(BODY) // 2
    with connections(installation, 400) as crowd:
        for connection in crowd:
            connection.sendall(head(slow, UPSERT, f"Content-Length: {len(BODY)}") + BODY[:start])
        with sending(installation.base_url, clinic, seed=seed) as senders:
            senders.await_more(60)
        statuses = []
        for connection in crowd:
            with contextlib.suppress(ConnectionError):
                connection.sendall(BODY[start:])
            statuses.append(answer(connection)[0])
    counted = {status: statuses.count(status) for status in sorted(set(statuses))}
    senders.sent.tell(f"beside 400 slow bodies ({counted})")
    assert senders.sent.refused() <= senders.sent.acknowledged() / 4
    assert set(counted) <= {0, 200, 429, 503}
    assert counted[200]
    check_ledger(installation.url)


def test_answers_that_nobody_fetches_hold_up_nobody(installation: Installation, clinic: Clinic, seed: int):
    with sending(installation.base_url, clinic, seed=seed) as senders:
        senders.await_more(40)
        (first, *_) = senders.sent.answers.values()
        history = head(clinic, f"/v1/patients/{first['patient']['id']}/history?limit=100", method="GET")
        with connections(installation, 100) as crowd:
            for connection in crowd:
                connection.sendall(history * 20)
            senders.await_more(60)
    senders.sent.tell("beside 100 clients that read nothing")
    assert senders.sent.refused() <= senders.sent.acknowledged() / 4


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_bodies_of_ten_megabytes_are_refused_and_cost_no_memory(
    installation: Installation, clinic: Clinic, chunked: bool
):
    before = _resident(installation)
    refused = []
    piece = b'{"comments": "' + b"x" * 999_984 + b'"}'
    told = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {10 * len(piece)}"
    sent = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece

    def send() -> None:
        with connections(installation, 1) as (connection,):
            connection.sendall(head(clinic, UPSERT, told))
            with contextlib.suppress(ConnectionError):
                for _ in range(10):
                    connection.sendall(sent)
            refused.append(answer(connection))

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    grown = (_resident(installation) - before) / 1e6
    statuses = sorted(status for status, _ in refused)
    print(f"16 × 10 MB: {statuses}, the workers grew by {grown:.0f} MB")
    assert len(refused) == 16
    assert set(statuses) <= {0, 413}  # 0: the connection was closed while the client was still talking
    assert {body["type"] for status, body in refused if status} <= {"/problems/body-too-large"}
    assert grown < 160
    post = httpx.post(
        f"{installation.base_url}{UPSERT}", content=BODY, headers={"X-API-Key": clinic.api_key}, timeout=60
    )
    assert post.status_code == 200


@pytest.mark.parametrize("times", [20, pytest.param(300, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (413, "POST", UPSERT, {}),
        (415, "POST", UPSERT, {"Content-Encoding": "gzip"}),
        (401, "POST", UPSERT, {"X-API-Key": "none"}),
        (404, "POST", "/v1/nothing", {}),
        (405, "PUT", UPSERT, {}),
    ],
)
def test_who_sends_a_large_body_hears_why_it_is_refused(
    installation: Installation, clinic: Clinic, status: int, method: str, path: str, headers: dict[str, str], times: int
):
    """And not that the connection broke, as when a server closes it in the middle of what is sent."""
    key = {"X-API-Key": clinic.api_key}
    with httpx.Client(base_url=installation.base_url, headers=key, timeout=60) as client:
        for content in (bytes(2_000_000), bytes(10_000_000)):
            answers = [client.request(method, path, content=content, headers=headers) for _ in range(times)]
            assert {each.status_code for each in answers} == {status}


def test_who_asks_before_sending_a_large_body_is_told_not_to(installation: Installation, clinic: Clinic):
    with connections(installation, 1) as (connection,):
        connection.sendall(head(clinic, UPSERT, "Content-Length: 10000000", "Expect: 100-continue"))
        assert answer(connection)[0] == 413


def test_refused_bodies_that_never_end_hold_up_nobody(installation: Installation, clinic: Clinic, seed: int):
    nobody = Clinic(clinic.organization_id, "none")
    with connections(installation, 200) as crowd:
        for connection in crowd:
            connection.sendall(head(nobody, UPSERT, f"Content-Length: {len(BODY)}") + BODY[:1])
        with sending(installation.base_url, clinic, seed=seed) as senders:
            senders.await_more(60)
        statuses = {answer(connection)[0] for connection in crowd}
    senders.sent.tell("beside 200 refused bodies that never end")
    assert statuses == {401}
    check_acknowledged(installation.url, senders.sent)


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_two_hundred_readers_of_histories_and_those_who_write(
    installation: Installation, clinic: Clinic, seed: int, rounds: int
):
    with sending(installation.base_url, clinic, seed=seed) as senders:
        senders.await_more(60)
        ids = {answer["patient"]["id"] for answer in senders.sent.answers.values()}
        requests = [head(clinic, f"/v1/patients/{patient_id}/history?limit=50", method="GET") for patient_id in ids]
        began = time.monotonic()
        read = load.drive(installation.port, (requests * (200 * rounds))[: 200 * rounds], clients=200)
        print(
            f"200 readers: {len(read.latencies_ms)} histories in {time.monotonic() - began:.1f} s,"
            f" p50 {read.percentile_ms(0.5):.0f} ms, p99 {read.percentile_ms(0.99):.0f} ms"
        )
        senders.await_more(20)
    senders.sent.tell("beside 200 readers")
    assert set(read.statuses) == {200}
    check_acknowledged(installation.url, senders.sent)
    check_ledger(installation.url)


def _resident(installation: Installation) -> int:
    """Return the memory of the workers in bytes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in installation.workers()]
    return sum(pages) * 4096
