"""A request with an Idempotency-Key is carried out once, however often it is sent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from falcon.testing import TestClient

from domain import erasure
from domain.errors import OutcomeUnknown
from domain.idempotency import KEPT_DAYS
from domain.ledger import Ledger
from domain.receipt import Caller
from projections.unit_of_work import UnitOfWork
from tests.api.clinic import Clinic, Partner, found_clinic, issue_key
from tests.api.test_bad_input import assert_problem
from tests.clinic import wait_until
from tests.domain.records import DOCUMENTED

MARKER = "Idempotent-Replayed"


def versions(partner: Partner, answer: Any) -> int:
    return int(partner.get(f"/v1/patients/{answer.json['patient']['id']}").json["version"])


def kept(ledger: Ledger, clinic: Clinic) -> int:
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        (count,) = cursor.execute("SELECT count(*) FROM idempotency_keys").fetchone()
    return int(count)


@pytest.mark.parametrize(
    "body",
    [DOCUMENTED, {"phone_number": "(212) 555-0142"}, {**DOCUMENTED, "gender": {}, "nickname": "An", "email": "none"}],
)
def test_the_first_answer_is_given_again_byte_for_byte(partner: Partner, body: dict[str, Any]):
    first = partner.upsert(body, Idempotency_Key="k-1")
    partner.upsert({**body, "city": "Albany"})
    again = partner.upsert(body, Idempotency_Key="k-1")
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert MARKER not in first.headers
    assert again.headers[MARKER] == "true"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def test_an_answer_to_a_known_patient_is_given_again(partner: Partner):
    partner.upsert(DOCUMENTED)
    changed = {**DOCUMENTED, "city": "Albany", "tags": ["vip"]}
    first = partner.upsert(changed, Idempotency_Key="k-1")
    partner.upsert({**DOCUMENTED, "city": "Boston"})
    assert first.json["receipt"]["events"] == ["PatientMatched", "AddressChanged", "TagsReplaced"]
    assert partner.upsert(changed, Idempotency_Key="k-1").content == first.content


def test_an_answer_that_changed_nothing_is_given_again(partner: Partner):
    partner.upsert(DOCUMENTED)
    silent = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    assert silent.json["receipt"]["events"] == []
    partner.upsert({**DOCUMENTED, "city": "Boston"})
    again = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    assert (again.content, again.headers[MARKER]) == (silent.content, "true")


def test_the_order_of_members_and_quotes_around_the_key_do_not_matter(partner: Partner):
    first = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    turned = dict(reversed(DOCUMENTED.items()))
    assert partner.upsert(turned, Idempotency_Key='"k-1"').content == first.content


def test_another_body_under_the_same_key_is_refused_and_changes_nothing(partner: Partner):
    first = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    other = partner.upsert({**DOCUMENTED, "city": "Albany"}, Idempotency_Key="k-1")
    assert_problem(other, 422, "key-used-before")
    assert versions(partner, first) == first.json["patient"]["version"]


def test_a_key_belongs_to_the_api_key_that_sent_it(client: TestClient, ledger: Ledger, clinic: Clinic):
    first = Partner(client, clinic.api_key).upsert(DOCUMENTED, Idempotency_Key="k-1")
    same_clinic = Partner(client, issue_key(ledger, clinic.organization_id)).upsert(
        {**DOCUMENTED, "city": "Albany"}, Idempotency_Key="k-1"
    )
    other_clinic = Partner(client, found_clinic(ledger).api_key).upsert(DOCUMENTED, Idempotency_Key="k-1")
    assert same_clinic.json["patient"]["city"] == "Albany"
    assert other_clinic.json["patient"]["id"] != first.json["patient"]["id"]
    assert all(MARKER not in answer.headers for answer in (first, same_clinic, other_clinic))


def test_a_refused_record_and_a_dry_run_keep_nothing(partner: Partner, ledger: Ledger, clinic: Clinic):
    assert partner.upsert({"first_name": "Ann"}, Idempotency_Key="k-1").status_code == 422
    assert partner.upsert(b"[]", Idempotency_Key="k-1").status_code == 400
    assert partner.upsert(DOCUMENTED, query="?dry_run=true", Idempotency_Key="k-1").status_code == 200
    assert kept(ledger, clinic) == 0
    assert MARKER not in partner.upsert(DOCUMENTED, Idempotency_Key="k-1").headers


@pytest.mark.parametrize("key", ["", '""', '"', "a b", "a" * 256, "é", 'a"b', '"a'])
def test_what_is_no_key_is_a_bad_parameter(partner: Partner, key: str):
    answer = partner.upsert(DOCUMENTED, Idempotency_Key=key)
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["parameter"] == "Idempotency-Key"


def test_the_same_request_many_times_at_once_is_carried_out_once(partner: Partner):
    def send(_: int) -> Any:
        return partner.upsert(DOCUMENTED, Idempotency_Key="k-1")

    with ThreadPoolExecutor(16) as threads:
        answers = [*threads.map(send, range(64))]
    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in done}) == 1
    assert sum(MARKER not in answer.headers for answer in done) == 1
    for refused in answers:
        if refused.status_code == 409:
            assert_problem(refused, 409, "request-under-way")
            assert int(refused.headers["Retry-After"]) >= 1
    assert versions(partner, done[0]) == done[0].json["patient"]["version"]


def test_many_requests_of_many_partners_at_once_each_get_their_own_answer(client: TestClient, ledger: Ledger):
    partners = [Partner(client, found_clinic(ledger).api_key) for _ in range(3)]
    calls = [(who, f"+1212555{number:04}", f"k-{number}") for number in range(100, 140) for who in partners] * 2

    def send(call: tuple[Partner, str, str]) -> Any:
        who, phone, key = call
        return phone, who.upsert({"phone_number": phone}, Idempotency_Key=key)

    with ThreadPoolExecutor(16) as threads:
        answers = [*threads.map(send, calls)]
    for phone, answer in answers:
        assert answer.status_code in (200, 409)
        assert answer.status_code == 409 or answer.json["patient"]["phone_number"] == phone
    again = [send(call)[1] for call in calls]
    assert {answer.headers.get(MARKER) for answer in again} == {"true"}


def test_while_the_first_is_under_way_in_another_process_the_second_is_told_so(
    partner: Partner, ledger: Ledger, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
):
    reached, go_on = threading.Event(), threading.Event()
    append = UnitOfWork.append

    def late(work: UnitOfWork, entries: Any) -> Any:
        reached.set()
        go_on.wait(20)
        return append(work, entries)

    monkeypatch.setattr(UnitOfWork, "append", late)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(partner.upsert, DOCUMENTED, Idempotency_Key="k-1")
        assert reached.wait(10)
        monkeypatch.setattr(UnitOfWork, "append", append)
        elsewhere = Partner(_another_process(ledger), clinic.api_key)
        second = elsewhere.upsert({**DOCUMENTED, "phone_number": "+12125550177"}, Idempotency_Key="k-1")
        go_on.set()
    assert_problem(second, 409, "request-under-way")
    assert elsewhere.upsert(DOCUMENTED, Idempotency_Key="k-1").content == first.result().content


def _another_process(ledger: Ledger) -> TestClient:
    """Return a client of an application with a ledger of its own on the same database."""
    from api.app import create_app
    from api.bootstrap import build_ledger
    from api.settings import Settings

    return TestClient(create_app(build_ledger(ledger.env["DATABASE_URL"]), Settings()))


def test_a_request_is_held_before_earlier_answers_are_looked_for(partner: Partner, ledger: Ledger):
    url = ledger.env["DATABASE_URL"]
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("LOCK TABLE idempotency_keys IN ACCESS EXCLUSIVE MODE")
        sent = threads.submit(partner.upsert, DOCUMENTED, Idempotency_Key="k-1")
        wait_until(
            url,
            "SELECT 1 FROM pg_locks AS held JOIN pg_locks AS waiting USING (pid) WHERE held.locktype = 'advisory'"
            " AND waiting.relation = 'idempotency_keys'::regclass AND NOT waiting.granted",
        )
        other.rollback()
        assert sent.result().status_code == 200


def test_a_crash_between_commit_and_answer_is_healed_by_the_retry(partner: Partner, monkeypatch: pytest.MonkeyPatch):
    append = UnitOfWork.append

    def lost(work: UnitOfWork, entries: Any) -> None:
        append(work, entries)
        raise OutcomeUnknown

    monkeypatch.setattr(UnitOfWork, "append", lost)
    assert_problem(partner.upsert(DOCUMENTED, Idempotency_Key="k-1"), 503, "outcome-unknown")
    monkeypatch.setattr(UnitOfWork, "append", append)
    healed = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    assert (healed.json["created"], healed.headers[MARKER]) == (True, "true")
    assert versions(partner, healed) == healed.json["patient"]["version"]


def test_after_its_time_a_key_is_free_again_and_old_ones_are_purged_along_the_way(
    partner: Partner, ledger: Ledger, clinic: Clinic
):
    for number in range(5):
        partner.upsert(DOCUMENTED, Idempotency_Key=f"k-{number}")
    with psycopg.connect(ledger.env["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(
            "UPDATE idempotency_keys SET kept_at = kept_at - make_interval(days => %s) WHERE organization_id = %s",
            (KEPT_DAYS, clinic.organization_id),
        )
    anew = partner.upsert({**DOCUMENTED, "city": "Albany"}, Idempotency_Key="k-0")
    assert (anew.status_code, anew.headers.get(MARKER)) == (200, None)
    again = partner.upsert({**DOCUMENTED, "city": "Albany"}, Idempotency_Key="k-0")
    assert (again.content, again.headers.get(MARKER)) == (anew.content, "true"), "its time has begun anew"
    assert kept(ledger, clinic) == 3
    partner.upsert(DOCUMENTED, Idempotency_Key="k-5")
    assert kept(ledger, clinic) == 2


def test_what_is_kept_holds_no_value_of_a_patient(partner: Partner, ledger: Ledger, clinic: Clinic):
    partner.upsert({**DOCUMENTED, "gender": {}, "date_of_birth": "canary", "canary": 1}, Idempotency_Key="canary")
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        (row,) = cursor.execute("SELECT row_to_json(k)::text FROM idempotency_keys k").fetchone()
    values = [value for value in DOCUMENTED.values() if isinstance(value, str)]
    assert [value for value in (*values, '"canary') if value in row.replace('["canary","unknown_field"]', "")] == []


def test_what_is_kept_of_a_patient_goes_when_it_is_erased(partner: Partner, ledger: Ledger, clinic: Clinic):
    patient = partner.upsert(DOCUMENTED, Idempotency_Key="k-1").json["patient"]["id"]
    partner.upsert({"phone_number": "212-555-0169"}, Idempotency_Key="k-2")
    erasure.erase(ledger, patient, "#77", Caller(clinic.organization_id, "operator:maria", "erasing"))
    assert kept(ledger, clinic) == 1
    anew = partner.upsert(DOCUMENTED, Idempotency_Key="k-1")
    assert (anew.json["created"], anew.headers.get(MARKER)) == (True, None)


def test_what_is_kept_of_one_body_under_two_keys_cannot_be_told_for_the_same(
    partner: Partner, ledger: Ledger, clinic: Clinic
):
    for key in ("k-1", "k-2"):
        partner.upsert(DOCUMENTED, Idempotency_Key=key)
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        (distinct,) = cursor.execute("SELECT count(DISTINCT body_hash) FROM idempotency_keys").fetchone()
    assert distinct == 2
