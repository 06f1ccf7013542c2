"""Many records in one request: each is answered in its place, as if it had come alone."""

import json
import socket
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from api import metrics, reads
from api.bootstrap import build_ledger
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from domain.receipt import Receipt, Upsert
from tests.api.clinic import Clinic, Partner, found_clinic, issue_key
from tests.api.service import serving
from tests.conftest import NewDatabase

PATH = "/v1/patients/upsert-batch"


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"first_name": "Ann", "last_name": "Lee", "phone_number": f"(212) 55{number:05}", **more}


def body_of(*lines: Any) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def batch(partner: Partner, *lines: Any, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = partner.post(PATH + query, body_of(*lines), **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.content.splitlines()]


def position(ledger: Ledger) -> int:
    found = ledger.recorder.max_notification_id()
    assert found is not None
    return found


def test_each_line_is_answered_in_order_as_the_record_alone_would_be(partner: Partner):
    told = batch(partner, *(person(number) for number in range(130)))
    assert [each["line"] for each in told] == list(range(1, 131))
    assert {each["status"] for each in told} == {200}
    assert len({each["patient"]["id"] for each in told}) == 130
    alone = partner.upsert(person(77)).json
    again = batch(partner, person(77))[0]
    for name in ("receipt",):
        assert set(alone.pop(name)) == set(again.pop(name))
    assert again == {"line": 1, "status": 200, **alone}


def test_lines_of_one_person_are_placed_in_their_order(partner: Partner):
    told = batch(partner, *(person(1, address=f"{number} Oak Street") for number in range(120)))
    assert [each["created"] for each in told] == [True, *[False] * 119]
    assert [each["patient"]["address"] for each in told] == [f"{number} Oak Street" for number in range(120)]


def test_a_bad_line_gets_its_own_problem_and_the_others_land(partner: Partner):
    told = batch(
        partner,
        person(1),
        b"{not json",
        b"[]",
        b"",
        {"comments": "nobody", "date_of_birth": "2099-01-01"},
        b'{"first_name":"' + b"x" * (1 << 20) + b'"}',
        b'{"a":' * 90,
        b'{"first_name":"a\\u0000b"}',
        person(2),
    )
    assert [(each["line"], each["status"]) for each in told] == [
        (1, 200), (2, 400), (3, 400), (5, 422), (6, 413), (7, 400), (8, 400), (9, 200),
    ]  # fmt: skip
    problems = {each["line"]: each["type"] for each in told if each["status"] != 200}
    assert problems == {
        2: "/problems/not-json",
        3: "/problems/not-an-object",
        5: "/problems/too-little-to-identify",
        6: "/problems/body-too-large",
        7: "/problems/too-deep",
        8: "/problems/nul-character",
    }
    assert told[3]["dropped_fields"] == ["date_of_birth"]
    assert "nobody" not in json.dumps(told)


def test_every_line_is_a_request_of_its_own(partner: Partner, ledger: Ledger, clinic: Clinic):
    told = batch(partner, person(1), {}, person(2), X_Request_Id="night.7")
    assert [each["receipt"]["request_id"] for each in told if each["status"] == 200] == ["night.7.1", "night.7.3"]
    assert told[1]["request_id"] == "night.7.2"
    entries = ledger.stream(clinic.organization_id, told[2]["patient"]["id"])
    assert {entry.request_id for entry in entries} == {"night.7.3"}


def test_an_answer_is_one_line_for_whoever_takes_other_characters_for_its_end(partner: Partner):
    note = "one\u2028two\u2029three\x85four"
    answer = partner.post(PATH, body_of(person(1, custom_fields={"note": note}), person(2)))
    first, _ = answer.content.decode().splitlines()
    assert json.loads(first)["patient"]["custom_fields"] == {"note": note}


def test_a_dry_run_writes_nothing(partner: Partner, ledger: Ledger):
    partner.upsert(person(1))
    before = position(ledger)
    counted = metrics.UPSERTS.labels("created")._value.get()
    told = batch(partner, person(1), person(2), query="?dry_run=true")
    assert [each["created"] for each in told] == [False, True]
    assert position(ledger) == before
    assert partner.upsert(person(2), query="?dry_run=true").json["created"]
    assert metrics.UPSERTS.labels("created")._value.get() == counted, "nothing became of them"


def test_a_line_whose_reading_cannot_be_recorded_is_refused_and_the_others_are_answered(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> None:
        raise LedgerUnavailable(cause="test")

    partner.upsert(person(1, city="Troy"))
    monkeypatch.setattr(reads, "record", away)
    told = batch(partner, person(1), person(2))
    assert [each["status"] for each in told] == [503, 200]
    assert told[1]["created"]


def test_a_record_that_breaks_the_program_fails_alone_and_a_dry_run_stays_dry(
    partner: Partner, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    place = ledger.upsert_many

    def breaking(upserts: Sequence[Upsert], *, dry_run: bool = False) -> list[Receipt | LedgerError]:
        if any(upsert.record.comments == "break" for upsert in upserts):
            raise ZeroDivisionError
        return place(upserts, dry_run=dry_run)

    monkeypatch.setattr(ledger, "upsert_many", breaking)
    before = position(ledger)
    lines = (person(1), person(2, comments="break"), person(3))
    assert [each["status"] for each in batch(partner, *lines, query="?dry_run=true")] == [200, 500, 200]
    assert position(ledger) == before
    assert [each["status"] for each in batch(partner, *lines)] == [200, 500, 200]
    assert partner.upsert(person(3)).json["matched"]


def test_the_same_batch_under_the_same_key_gets_the_same_answers(partner: Partner, ledger: Ledger):
    lines = [person(1), person(2, email="not an address"), {"comments": "nobody"}, person(1, address="1 Elm Street")]
    first = batch(partner, *lines, Idempotency_Key="night-7")
    before = position(ledger)
    again = batch(partner, *lines, Idempotency_Key="night-7")
    assert position(ledger) == before
    assert [each.pop("replayed", False) for each in again] == [True, True, False, True]
    for each in (*first, *again):
        each.pop("request_id", None)
    assert again == first
    (changed,) = batch(partner, person(3), Idempotency_Key="night-7")
    assert (changed["status"], changed["type"]) == (422, "/problems/key-used-before")


@pytest.mark.parametrize("key", ["with blank", ""])
def test_a_key_that_is_none_refuses_the_batch_as_a_whole(partner: Partner, key: str):
    assert partner.post(PATH, body_of(person(1)), Idempotency_Key=key).status_code == 400


def test_an_empty_batch_has_an_empty_answer(partner: Partner):
    assert batch(partner) == []
    assert batch(partner, b"", b"  ") == []


def test_a_line_without_an_end_is_a_line(partner: Partner):
    answer = partner.post(PATH, json.dumps(person(1)).encode())
    assert len(answer.content.splitlines()) == 1
    assert json.loads(answer.content)["created"]


def test_a_batch_beyond_the_limit_is_refused_before_anything_is_placed(partner: Partner):
    answer = partner.post(PATH, b"", Content_Length=str(65 << 20))
    assert (answer.status_code, answer.json["type"]) == (413, "/problems/body-too-large")
    assert partner.post(PATH, b"", Content_Encoding="gzip").status_code == 415


def test_a_batch_needs_a_key_that_may_write(partner: Partner, ledger: Ledger, clinic: Clinic):
    assert partner._replace(api_key=None).post(PATH, body_of(person(1))).status_code == 401
    reader = partner._replace(api_key=issue_key(ledger, clinic.organization_id, ["patients:read"]))
    assert reader.post(PATH, body_of(person(1))).status_code == 403


# ---- as it runs: in while out


class Connection:
    """A raw HTTP connection: what is sent when, and what has come back so far."""

    def __init__(self, base: str, api_key: str, length: int, *more: str) -> None:
        parts = urlsplit(base)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=60)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {api_key}\r\nContent-Length: {length}\r\n" + "".join(
            f"{line}\r\n" for line in (*more, "Connection: close", "")
        )
        self.socket.sendall(head.encode())
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def receive_until(self, wanted: bytes) -> None:
        while wanted not in self.received:
            block = self.socket.recv(1 << 20)
            assert block, "the connection was closed"
            self.received += block

    def receive_all(self) -> bytes:
        while block := self.socket.recv(1 << 20):
            self.received += block
        return self.received


@pytest.fixture(scope="module")
def service(new_database: NewDatabase):
    with new_database() as url:
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        with serving(url) as base:
            yield base, clinic.api_key, url


def test_the_first_answers_come_while_the_body_is_still_being_sent(service):
    base, api_key, _ = service
    lines = [body_of(person(number)) for number in range(3)]
    with Connection(base, api_key, sum(map(len, lines))) as connection:
        for number, line in enumerate(lines, start=1):
            connection.socket.sendall(line)
            connection.receive_until(b'"line":%d,' % number)
        connection.receive_all()


def test_who_asks_whether_to_go_on_is_told_so_before_the_answer_begins(service):
    """The two raced: a client that waits for 100 (Continue) may take the 200 for the end of it, and send no body."""
    base, api_key, _ = service
    line = body_of(person(7))
    for _ in range(30):
        with Connection(base, api_key, len(line), "Expect: 100-continue") as connection:
            connection.receive_until(b"\r\n\r\n")
            assert connection.received == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.socket.sendall(line)
            assert b'"status":200' in connection.receive_all()


def test_a_whole_batch_may_be_sent_before_any_answer_is_read(service):
    """More than the sockets between the two hold: nobody may wait for the other."""
    base, api_key, url = service
    lines = body_of(*(person(1, comments="x" * 9_000 + str(number)) for number in range(1500)))
    assert len(lines) > 12 << 20
    with Connection(base, api_key, len(lines)) as connection:
        connection.socket.sendall(lines)
        assert connection.receive_all().count(b'"status":200') == 1500
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT count(*) FROM ledger_events WHERE topic = 'CommentsChanged'").fetchone()
    assert row is not None
    assert row[0] >= 1499


def test_of_a_batch_that_breaks_off_what_came_whole_has_landed(service):
    base, api_key, url = service
    line = body_of(person(99))
    with Connection(base, api_key, 10 * len(line)) as connection:
        connection.socket.sendall(line + line[:20])
        connection.receive_until(b'"line":1,')
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT count(*) FROM patients WHERE fold::text LIKE '%5500099%'").fetchone()
    assert row == (1,)


def test_of_a_batch_in_chunks_that_grows_beyond_the_limit_what_came_before_is_answered(service, monkeypatch):
    """Though the client sends all of it first: a connection that breaks would lose every receipt."""
    _, api_key, url = service
    monkeypatch.setenv("LEDGER_MAX_BATCH_BYTES", "100000")
    long = body_of(person(1, comments="x" * 9_000))
    with serving(url) as base, httpx.Client(base_url=base, headers={"X-API-Key": api_key}, timeout=60) as client:
        for _ in range(20):
            answer = client.post(PATH, content=(long for _ in range(500)))
            told = [json.loads(line) for line in answer.iter_lines()]
            assert [each["status"] for each in told] == [200] * 10 + [413]
