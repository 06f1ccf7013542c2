"""While the database is away, requests are refused soon and with a time to come back; then they work again."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from falcon.testing import TestClient
from structlog.testing import capture_logs

from api.app import create_app
from api.bootstrap import build_ledger
from api.settings import Settings
from domain.ledger import Ledger
from tests.api.clinic import Clinic, Partner, found_clinic
from tests.api.test_bad_input import NOBODY, SPOKE, assert_problem
from tests.conftest import NewDatabase
from tests.domain.records import DOCUMENTED

A_KEY = "pl_live_aaaaaaaaaaaa_" + "A" * 40


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port on which nothing listens, held so that nothing else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_database_that_was_never_there_is_503_with_a_time_to_come_back():
    with closed_port() as port, build_ledger(f"postgresql://ledger:s3cret@127.0.0.1:{port}/ledger") as ledger:
        partner = Partner(TestClient(create_app(ledger, Settings())), A_KEY)
        started = time.monotonic()
        answers = [
            partner.upsert(DOCUMENTED),
            partner.get(f"/v1/patients/{NOBODY}"),
            partner.get(f"/v1/patients/{NOBODY}/history"),
            partner.post(f"/v1/patients/{NOBODY}/communications", SPOKE),
        ]
        waited = time.monotonic() - started
        for answer in answers:
            assert_problem(answer, 503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "s3cret" not in answer.text
        assert waited < 9, "only the first one waits for a connection"
        assert partner.client.simulate_get("/livez").status_code == 200


def test_a_server_that_accepts_and_says_nothing_is_503_too():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with build_ledger(f"postgresql://ledger@127.0.0.1:{silent.getsockname()[1]}/ledger") as ledger:
            partner = Partner(TestClient(create_app(ledger, Settings())), A_KEY)
            started = time.monotonic()
            assert_problem(partner.upsert(DOCUMENTED), 503, "unavailable")
            assert time.monotonic() - started < 15


def test_connections_that_broke_are_replaced(new_database: NewDatabase):
    with new_database() as url, build_ledger(url) as ledger:
        partner = Partner(TestClient(create_app(ledger, Settings())), found_clinic(ledger).api_key)
        assert partner.upsert(DOCUMENTED).status_code == 200
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        answers = [partner.upsert(DOCUMENTED) for _ in range(12)]
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert [answer.status_code for answer in answers[-2:]] == [200, 200]


def test_a_lock_that_is_not_released_is_503_within_the_lock_timeout(ledger: Ledger, partner: Partner, clinic: Clinic):
    assert partner.upsert(DOCUMENTED).status_code == 200
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger.recorder.unit_of_work([clinic.organization_id]) as work:
            work.lock_patients(clinic.organization_id, [patient_id])
            held.set()
            release.wait(30)

    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        with capture_logs() as logged:
            answer = partner.upsert({**DOCUMENTED, "city": "Albany"})
    finally:
        release.set()
        holder.join()
    assert_problem(answer, 503, "unavailable")
    told = [each for each in logged if each["event"] == "unavailable"]
    assert [(each["reason"], each["request_id"]) for each in told] == [("LockNotAvailable", answer.json["request_id"])]
    assert partner.upsert({**DOCUMENTED, "city": "Albany"}).json["patient"]["city"] == "Albany"
