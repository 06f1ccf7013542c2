"""Partners find patients by what they know of them, follow what changes, and are not sent what they hold already."""

import json
from typing import Any

import pytest
from falcon.testing import TestClient

from api import answers
from domain import erasure
from domain.ledger import Ledger
from domain.receipt import Caller
from tests.api.clinic import Clinic, Partner, found_clinic, issue_key
from tests.api.test_bad_input import NOBODY, assert_problem
from tests.domain.records import DOCUMENTED, EXTERNAL_ID_TYPE

ANN = {
    "external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "A-1"},
    "first_name": "Ánn",
    "last_name": "García-Lopez",
    "date_of_birth": "03/01/1980",
    "phone_number": "(212) 555-0142",
    "additional_phone_number": "212-555-0143 x7",
    "email": "Ann.Lopez@Example.com",
}
BEN = {
    "first_name": "Ben",
    "last_name": "Garcia Lopez",
    "date_of_birth": "1980-03-01",
    "phone_number": "212-555-0199",
    "email": "ben@example.com",
}


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    answers.PatientPage.model_validate(answer.json, strict=True)
    return [patient["id"] for patient in answer.json["items"]]


@pytest.fixture
def two(partner: Partner) -> tuple[str, str]:
    """Return the ids of Ann and Ben."""
    return partner.upsert(ANN).json["patient"]["id"], partner.upsert(BEN).json["patient"]["id"]


@pytest.mark.parametrize(
    "params",
    [
        {"external_id": "A-1", "external_id_type": EXTERNAL_ID_TYPE},
        {"phone_number": "+1 212 555 0142"},
        {"phone_number": "2125550143"},
        {"email": " ANN.LOPEZ@example.com "},
        {"first_name": "ann", "last_name": "GARCIA-LOPEZ"},
        {"first_name": "ANN", "date_of_birth": "19800301"},
        {"last_name": "garcia lopez", "date_of_birth": "03-01-1980", "phone_number": "2125550142"},
    ],
)
def test_a_patient_is_found_by_what_a_record_would_say(partner: Partner, two: tuple[str, str], params: dict[str, str]):
    assert ids(partner.find(**params)) == [two[0]]


def test_a_number_that_was_refused_finds_who_has_it_and_not_whom_it_was_offered(partner: Partner, two: tuple[str, str]):
    spoke = {"channel": "call", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    assert partner.post(f"/v1/patients/{two[0]}/communications", spoke).status_code == 200
    assert partner.upsert({**ANN, "phone_number": BEN["phone_number"]}).json["dropped_fields"] == ["phone_number"]
    assert ids(partner.find(phone_number="212-555-0199")) == [two[1]]


def test_all_criteria_must_hold(partner: Partner, two: tuple[str, str]):
    assert ids(partner.find(last_name="Garcia Lopez", date_of_birth="1980-03-01")) == [*two]
    assert ids(partner.find(last_name="Garcia Lopez")) == [*two]
    assert ids(partner.find(date_of_birth="1980-03-01")) == [*two]
    assert ids(partner.find(date_of_birth="1980-03-01", first_name="Ben")) == [two[1]]
    assert ids(partner.find(date_of_birth="1980-03-02", first_name="Ben")) == []
    assert ids(partner.find(phone_number="2125550142", email="ben@example.com")) == []
    assert ids(partner.find(first_name="Ben")) == [two[1]]
    assert ids(partner.find(last_name="Garcia")) == []
    assert ids(partner.find()) == [*two]


@pytest.mark.parametrize("name", ["first_name", "last_name"])
def test_a_name_without_a_letter_does_not_find_those_whose_name_is_unknown(partner: Partner, name: str):
    partner.upsert({"phone_number": "212-555-0142"})
    odd = partner.upsert({name: "!?", "phone_number": "212-555-0143"}).json["patient"]["id"]
    assert ids(partner.find(**{name: "?!"})) == [odd]


def test_another_tenant_finds_none_of_them(client: TestClient, ledger: Ledger, two: tuple[str, str]):
    other = Partner(client, found_clinic(ledger).api_key)
    assert ids(other.find()) == []
    assert ids(other.find(phone_number="2125550142")) == []
    assert ids(other.find(external_id="A-1", external_id_type=EXTERNAL_ID_TYPE)) == []
    assert ids(other.find(updated_since="0")) == []
    assert other.get("/v1/events").json["items"] == []
    assert two


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"phone": "2125550142"}, "phone"),
        ({"2125550142 canary": "1"}, "(unreadable)"),
        ({"phone_number": "12"}, "phone_number"),
        ({"phone_number": ""}, "phone_number"),
        ({"email": "none"}, "email"),
        ({"date_of_birth": "yesterday"}, "date_of_birth"),
        ({"external_id": "A-1"}, "external_id"),
        ({"external_id": "A-1", "external_id_type": NOBODY}, "external_id"),
        ({"external_id_type": EXTERNAL_ID_TYPE}, "external_id"),
        ({"updated_since": "-1"}, "updated_since"),
        ({"updated_since": "1", "first_name": "Ann"}, "updated_since"),
        ({"after": "12"}, "after"),
        ({"updated_since": "1", "after": NOBODY}, "after"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_an_unusable_criterion_is_named_and_never_finds_everybody(
    partner: Partner, two: tuple[str, str], params: dict[str, str], named: str
):
    answer = partner.find(**params)
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["parameter"] == named
    assert two


def pages(partner: Partner, **params: str) -> list[list[str]]:
    """Return the ids of all pages, two patients each."""
    found, answer = [], partner.find(limit="2", **params)
    found.append(ids(answer))
    while answer.json["next"] is not None:
        answer = partner.find(limit="2", **{**params, "after": answer.json["next"]})
        found.append(ids(answer))
    return found


def test_pages_hold_each_patient_once_whatever_is_added_meanwhile(partner: Partner):
    made = [
        partner.upsert({"phone_number": f"212555{n:04}", "last_name": "Kim", "first_name": f"Ab{n}ce"}).json["patient"][
            "id"
        ]
        for n in range(100, 107)
    ]
    for params in ({}, {"last_name": "kim"}):
        found = pages(partner, **params)
        assert [*map(len, found)] == [2, 2, 2, 1]
        assert [each for page in found for each in page] == made
    first = partner.find(limit="2", last_name="kim").json
    later = partner.upsert({"phone_number": "2125550188", "last_name": "Kim", "first_name": "Zoe"}).json["patient"][
        "id"
    ]
    rest = pages(partner, last_name="kim", after=first["next"])
    assert [each for page in rest for each in page] == [*made[2:], later]
    assert pages(partner, first_name="Zoe") == [[later]], "few among many take several looks"


def test_what_changed_since_a_position_comes_once_and_nothing_is_missed(partner: Partner):
    made = [partner.upsert({"phone_number": f"212555{n:04}"}).json for n in range(100, 105)]
    everything = partner.find(updated_since="0")
    assert ids(everything) == [each["patient"]["id"] for each in made]
    assert everything.json["next"] is None
    position = str(everything.json["position"])
    assert ids(partner.find(updated_since=position)) == []
    partner.upsert({"phone_number": "2125550101", "city": "Albany"})
    partner.upsert({"phone_number": "2125550100", "city": "Albany"})
    partner.upsert({"phone_number": "2125550101", "city": "Boston"})
    changed = partner.find(updated_since=position)
    assert [patient["phone_number"] for patient in changed.json["items"]] == ["+12125550100", "+12125550101"]
    assert ids(partner.find(updated_since=str(changed.json["position"]))) == []


def test_pages_of_changes_go_on_where_the_last_one_ended(partner: Partner):
    made = [partner.upsert({"phone_number": f"212555{n:04}"}).json["patient"]["id"] for n in range(100, 105)]
    found = pages(partner, updated_since="0")
    assert [*map(len, found)] == [2, 2, 1]
    assert [each for page in found for each in page] == made


def test_the_feed_tells_every_event_once_and_in_order(partner: Partner):
    patient = partner.upsert(DOCUMENTED).json["patient"]["id"]
    partner.upsert({**DOCUMENTED, "city": "Albany"})
    history = partner.get(f"/v1/patients/{patient}/history?limit=500").json["items"]
    told: list[dict[str, Any]] = []
    after, more = 0, True
    while more:
        answer = partner.get(f"/v1/events?after={after}&limit=3")
        answers.EventPage.model_validate(answer.json, strict=True)
        told += answer.json["items"]
        after, more = answer.json["next"], answer.json["more"]
    assert {item.pop("patient_id") for item in told} == {patient}
    assert [item["version"] for item in told] == [*range(1, len(history) + 1)]
    assert [item["data"] for item in told] == [item["data"] for item in reversed(history)]
    end = partner.get(f"/v1/events?after={after}").json
    assert (end["items"], end["next"], end["more"]) == ([], after, False)


@pytest.mark.parametrize(
    "url", ["/v1/events?after={}", "/v1/patients?updated_since={}", "/v1/patients?updated_since=0&after={}"]
)
def test_a_position_ahead_of_the_ledger_is_refused_for_it_may_have_been_restored(
    partner: Partner, ledger: Ledger, url: str
):
    partner.upsert(DOCUMENTED)
    with ledger.recorder.reading() as cursor:
        (head,) = cursor.execute("SELECT position FROM ledger_head").fetchone()
    at_the_head = partner.get(url.format(head))
    assert (at_the_head.status_code, at_the_head.json["items"]) == (200, [])
    for ahead in (head + 1, 10**17):
        assert_problem(partner.get(url.format(ahead)), 409, "ahead-of-ledger")


def test_the_feed_needs_its_scope_and_never_tells_of_keys(client: TestClient, ledger: Ledger, clinic: Clinic):
    Partner(client, clinic.api_key).upsert(DOCUMENTED)
    reader = Partner(client, issue_key(ledger, clinic.organization_id, ["patients:read"]))
    assert_problem(reader.get("/v1/events"), 403, "not-allowed")
    feed = Partner(client, issue_key(ledger, clinic.organization_id, ["events:read"])).get("/v1/events?limit=500")
    assert "ApiKeyIssued" not in feed.text
    assert "secret_hash" not in feed.text
    assert feed.json["items"]


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=501", "since=1"])
def test_an_unusable_parameter_of_the_feed_is_named(partner: Partner, query: str):
    answer = partner.get(f"/v1/events?{query}")
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["parameter"] == query.partition("=")[0]


def test_what_is_held_already_is_not_sent_again(partner: Partner):
    patient = partner.upsert(DOCUMENTED).json["patient"]
    path = f"/v1/patients/{patient['id']}"
    for url in (path, f"{path}?as_of=1", f"{path}/history", "/v1/patients?limit=5", "/v1/events?after=0"):
        first = partner.get(url)
        assert first.headers["Cache-Control"] == "no-store"
        etag = first.headers["ETag"]
        for held in (etag, f'"other", {etag}', f"W/{etag}" if etag[0] == '"' else etag, "*"):
            again = partner.get(url, If_None_Match=held)
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
        assert partner.get(url, If_None_Match='"other"').content == first.content
    held = partner.get(path).headers["ETag"]
    assert held == f'"{patient["version"]}"'
    partner.upsert({**DOCUMENTED, "city": "Albany"})
    assert partner.get(path, If_None_Match=held).status_code == 200


def test_every_read_of_a_patient_is_recorded_with_its_route_and_none_where_nothing_was_sent(
    partner: Partner, ledger: Ledger, clinic: Clinic
):
    patient = partner.upsert(DOCUMENTED).json["patient"]
    path = f"/v1/patients/{patient['id']}"
    asked = (path, f"{path}/history", "/v1/patients", "/v1/events")
    for url in asked:
        partner.get(url, If_None_Match=partner.get(url).headers["ETag"])
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        told = cursor.execute(
            "SELECT detail->>'what', count(address) FROM access_log WHERE patient_id = %s GROUP BY 1", (patient["id"],)
        ).fetchall()
    by_route = {"/v1/patients/{patient_id}", "/v1/patients/{patient_id}/history", "/v1/patients", "/v1/events"}
    assert dict(told) == dict.fromkeys(by_route, 1), "a 304 shows nothing"


def test_who_is_shown_in_an_answer_that_no_event_tells_of_is_recorded_as_read(
    partner: Partner, ledger: Ledger, clinic: Clinic
):
    sparse = {name: ANN[name] for name in ("first_name", "last_name", "phone_number")}
    told = {"channel": "sms", "direction": "inbound", "occurred_at": "2026-01-05T15:30:00Z"}
    ann = partner.upsert(ANN, Idempotency_Key="one").json["patient"]["id"]

    def reads() -> dict[str, int]:
        with ledger.recorder.reading(clinic.organization_id) as cursor:
            cursor.execute(
                "SELECT patient_id::text, count(*) FROM access_log WHERE action = 'read' AND organization_id = %s"
                " GROUP BY 1",
                (clinic.organization_id,),
            )
            return dict(cursor.fetchall())

    partner.upsert(BEN, query="?dry_run=true")
    partner.upsert({**ANN, "city": "Troy"})
    partner.upsert({**ANN, "city": "Troy"})
    partner.upsert({**ANN, "city": "Utica"}, query="?dry_run=true")
    assert reads() == {}, "events tell of it, there is nobody to tell of, or nothing that the record did not say"
    communications, batch = f"/v1/patients/{ann}/communications", "/v1/patients/upsert-batch"
    upsert = "/v1/patients/upsert"
    asked: list[tuple[str, Any, dict[str, str]]] = [
        (upsert, sparse, {}),
        (f"{upsert}?dry_run=true", {**sparse, "city": "Utica"}, {}),
        (upsert, ANN, {"Idempotency_Key": "one"}),
        (communications, told, {}),
        (batch, json.dumps(sparse).encode(), {}),
    ]
    for number, (path, body, headers) in enumerate(asked, start=1):
        answer = partner.post(path, body, **headers)
        assert answer.status_code == 200, answer.text
        assert ann in answer.text
        assert reads() == {ann: number}, path


def test_a_version_that_a_patient_does_not_have_is_refused(partner: Partner):
    patient = partner.upsert(DOCUMENTED).json["patient"]
    path = f"/v1/patients/{patient['id']}"
    assert partner.get(f"{path}?as_of={patient['version']}").json == patient
    for ahead in (patient["version"] + 1, 20260105):
        answer = partner.get(f"{path}?as_of={ahead}")
        assert_problem(answer, 400, "bad-parameter")
        assert answer.json["parameter"] == "as_of"


def test_an_erased_patient_is_unknown_at_every_moment_and_the_feed_tells_of_the_erasure(
    partner: Partner, ledger: Ledger, clinic: Clinic, two: tuple[str, str]
):
    erasure.erase(ledger, two[0], "#77", Caller(clinic.organization_id, "operator:maria", "erasing"))
    for query in ("", "?as_of=1", "?as_of=2100-01-01"):
        assert_problem(partner.get(f"/v1/patients/{two[0]}{query}"), 404, "unknown-patient")
    assert ids(partner.find(updated_since="0")) == [two[1]]
    assert partner.get("/v1/events?after=0&limit=500").json["items"][-1]["event"] == "PatientErased"
