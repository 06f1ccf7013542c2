"""What cannot be read is refused with a problem that names the rule; nothing a client sends is an error of ours."""

import time
from typing import Any

import pytest
from falcon.testing import TestClient

from api import keys
from api.problems import MEDIA_PROBLEM_JSON
from domain.commands import RevokeApiKey, RotateApiKey
from domain.ledger import Ledger
from domain.receipt import Caller
from tests.api.clinic import Clinic, Partner, found_clinic, issue_key
from tests.domain.records import DOCUMENTED

NOBODY = "00000000-0000-4000-8000-000000000000"
SPOKE = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}

UNREADABLE = {
    "empty": (b"", 400, "not-json"),
    "cut off": (b'{"first_name": "A', 400, "not-json"),
    "not UTF-8": (b'{"first_name": "\xff"}', 400, "not-json"),
    "NaN": (b'{"custom_fields": {"a": NaN}}', 400, "not-json"),
    "byte order mark": (b'\xef\xbb\xbf{"first_name": "A"}', 400, "not-json"),
    "raw NUL": (b'{"first_name": "A\x00"}', 400, "not-json"),
    "lone surrogate": (b'{"first_name": "\\ud800"}', 400, "not-json"),
    "lone surrogate in a name": (b'{"\\udfff": 1}', 400, "not-json"),
    "form": (b"first_name=A", 400, "not-json"),
    "list": (b"[]", 400, "not-an-object"),
    "text": (b'"A"', 400, "not-an-object"),
    "null": (b"null", 400, "not-an-object"),
    "number": (b"1", 400, "not-an-object"),
    "NUL": (b'{"first_name": "A\\u0000"}', 400, "nul-character"),
    "NUL after a backslash": (b'{"first_name": "\\\\\\u0000"}', 400, "nul-character"),
    "NUL in a name": (b'{"custom_fields": {"a\\u0000": 1}}', 400, "nul-character"),
    "65 levels of lists": (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", 400, "too-deep"),
    "deep and cut off": (b"[" * 100_000, 400, "too-deep"),
    "deep behind a quote": (b'{"a": "\\"", "b":' + b"[" * 64 + b"]" * 64 + b"}", 400, "too-deep"),
    "more than 1 MiB": (b'{"comments": "' + b"a" * (1 << 20) + b'"}', 413, "body-too-large"),
}


def assert_problem(answer: Any, status: int, slug: str) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, MEDIA_PROBLEM_JSON)
    assert answer.json["type"] == f"/problems/{slug}"
    assert answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.json["title"]
    assert answer.json["detail"]


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_body_is_refused(partner: Partner, case: str):
    body, status, slug = UNREADABLE[case]
    assert_problem(partner.upsert(body), status, slug)
    assert_problem(partner.post(f"/v1/patients/{NOBODY}/communications", body), status, slug)


def test_what_looks_deep_or_like_nul_but_is_text_is_read(partner: Partner):
    brackets = b'{"phone_number": "+12125550142", "comments": "' + b"[{" * 100 + b'"}'
    assert partner.upsert(brackets).status_code == 200
    assert partner.upsert(b'{"phone_number": "+12125550142", "comments": "\\\\u0000"}').status_code == 200
    sixty_four = b'{"phone_number": "+12125550142", "a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert partner.upsert(sixty_four).status_code == 200


@pytest.mark.parametrize("body", [b"[" * 65 + b'\\"' * 500_000, b"[" * 65 + b'"' * 900_000, b'{"a":' * 200_000])
def test_no_body_takes_long_to_refuse(partner: Partner, body: bytes):
    started = time.process_time()
    assert partner.upsert(body).status_code == 400
    assert time.process_time() - started < 2


def test_a_compressed_body_is_refused_as_such(partner: Partner):
    assert_problem(partner.upsert(b"\x1f\x8b", Content_Encoding="gzip"), 415, "encoded")
    assert partner.upsert(DOCUMENTED, Content_Encoding="identity").status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "nonsense"])
def test_the_content_type_does_not_matter(partner: Partner, media_type: str):
    assert partner.upsert(DOCUMENTED, Content_Type=media_type).status_code == 200


@pytest.mark.parametrize(
    "presented",
    [
        None,
        "",
        "pl_live_",
        "Bearer pl_live_aaaaaaaaaaaa_" + "A" * 40,
        "pl_live_aaaaaaaaaaaa_" + "A" * 40,
        "pl_live_aaaaaaaaaaaa_" + "é" * 40,
        "pl_live_aaaaaaaaaaaa_" + "A" * 4000,
        "pl_live_١١١١١١١١١١١١_" + "A" * 40,
    ],
)
def test_no_or_an_unknown_key_gets_nothing(client: TestClient, presented: str | None):
    stranger = Partner(client, presented)
    for answer in (stranger.upsert(DOCUMENTED), stranger.get(f"/v1/patients/{NOBODY}")):
        assert_problem(answer, 401, "not-authenticated")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "X-API-Key" in answer.headers["WWW-Authenticate"]


def test_a_key_with_another_secret_or_sent_twice_gets_nothing(client: TestClient, clinic: Clinic):
    changed = clinic.api_key[:-1] + ("a" if clinic.api_key[-1] != "a" else "b")
    assert_problem(Partner(client, changed).upsert(DOCUMENTED), 401, "not-authenticated")
    twice = f"{clinic.api_key},{clinic.api_key}"  # as servers hand over two headers of one name
    assert_problem(Partner(client, twice).upsert(DOCUMENTED), 401, "not-authenticated")


def test_a_key_gets_nothing_once_it_is_revoked_or_has_expired(
    client: TestClient, clinic: Clinic, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "TRUST_SECONDS", 0.0)
    caller = Caller(clinic.organization_id, "test", "ending keys")
    revoked, replaced, replacing = (issue_key(ledger, clinic.organization_id) for _ in range(3))
    for key in (revoked, replaced, replacing):
        assert Partner(client, key).upsert(DOCUMENTED).status_code == 200
    ledger.administer(RevokeApiKey(key_id=keys.key_id_of(revoked)), caller)
    for key, expires_at in ((replaced, "2026-01-01T00:00:00Z"), (replacing, "9999-01-01T00:00:00Z")):
        _, successor = keys.new_key("successor")
        ledger.administer(RotateApiKey(keys.key_id_of(key), successor, expires_at), caller)
    for key in (revoked, replaced):
        assert_problem(Partner(client, key).upsert(DOCUMENTED), 401, "not-authenticated")
    assert Partner(client, replacing).upsert(DOCUMENTED).status_code == 200


def test_a_key_without_the_scope_is_told_which_one_is_missing(client: TestClient, clinic: Clinic, ledger: Ledger):
    reader = Partner(client, issue_key(ledger, clinic.organization_id, ["patients:read"]))
    writer = Partner(client, issue_key(ledger, clinic.organization_id, ["patients:write"]))
    assert_problem(reader.upsert(DOCUMENTED), 403, "not-allowed")
    assert reader.upsert(DOCUMENTED).json["scope"] == "patients:write"
    assert_problem(reader.post(f"/v1/patients/{NOBODY}/communications", SPOKE), 403, "not-allowed")
    assert_problem(writer.get(f"/v1/patients/{NOBODY}"), 403, "not-allowed")
    assert_problem(writer.get(f"/v1/patients/{NOBODY}/history"), 403, "not-allowed")


def test_too_little_to_identify_a_patient_names_what_was_dropped_and_why(partner: Partner):
    answer = partner.upsert({"first_name": "Ann", "phone_number": "12", "date_of_birth": "2099-01-01"})
    assert_problem(answer, 422, "too-little-to-identify")
    assert answer.json["dropped_fields"] == ["date_of_birth", "phone_number"]
    assert [error["pointer"] for error in answer.json["errors"]] == ["#/date_of_birth", "#/phone_number"]
    assert all(error["detail"] for error in answer.json["errors"])


def test_an_unknown_patient_and_another_tenants_look_the_same(
    partner: Partner, client: TestClient, ledger: Ledger, clinic: Clinic
):
    theirs = partner.upsert(DOCUMENTED).json["patient"]["id"]
    other = Partner(client, found_clinic(ledger).api_key)
    for patient_id in (theirs, NOBODY, "no-uuid", clinic.organization_id, "%00", "..", "a b"):
        path = f"/v1/patients/{patient_id}"
        for answer in (
            other.get(path),
            other.get(f"{path}?as_of=1"),
            other.get(f"{path}?as_of=2026-01-01"),
            other.get(f"{path}/history"),
            other.post(f"{path}/communications", SPOKE),
        ):
            assert answer.status_code == 404, path
    assert (
        partner.get(f"/v1/patients/{theirs}").json["version"] == partner.upsert(DOCUMENTED).json["patient"]["version"]
    )
    assert other.upsert(DOCUMENTED).json["created"], "and its record matches nobody of the first"


def test_the_organizations_own_stream_is_no_patient(partner: Partner, clinic: Clinic):
    path = f"/v1/patients/{clinic.organization_id}"
    for answer in (partner.get(path), partner.get(f"{path}/history"), partner.get(f"{path}?as_of=1")):
        assert_problem(answer, 404, "unknown-patient")
    assert_problem(partner.post(f"{path}/communications", SPOKE), 404, "unknown-patient")


@pytest.mark.parametrize(
    "query",
    [
        "as_of=",
        "as_of=tomorrow",
        "as_of=-1",
        "as_of=²",
        "as_of=99999-01-01",
        "as_of=0001-01-01T00:00:00%2B23:59",
        "as_of=" + "9" * 5000,
        "as_of=%00",
        "as_of=%ff",
    ],
)
def test_an_unusable_moment_is_a_bad_parameter(partner: Partner, query: str):
    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    answer = partner.get(f"/v1/patients/{patient_id}?{query}")
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["parameter"] == "as_of"


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=-1", "limit=x", "limit=", "limit=" + "0" * 21 + "1", "limit=" + "9" * 5000),
        *("limit=١", "before=0", "before=1.5", "before=" + "9" * 18, "kind=nonsense", "kind=", "source=nonsense"),
        *("event=PhoneChange", "event=", "field="),
    ],
)
def test_an_unusable_parameter_of_the_history_is_named(partner: Partner, query: str):
    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    answer = partner.get(f"/v1/patients/{patient_id}/history?{query}")
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["parameter"] == query.partition("=")[0]


def test_a_dry_run_is_true_or_false(partner: Partner):
    assert_problem(partner.upsert(DOCUMENTED, query="?dry_run=maybe"), 400, "bad-parameter")


@pytest.mark.parametrize(
    ("changes", "member", "rule"),
    [
        ({"channel": "pigeon"}, "channel", "One of 'sms', 'call', "),
        ({"channel": ["sms"]}, "channel", "One of "),
        ({"direction": None}, "direction", "One of 'inbound' or 'outbound'."),
        ({"occurred_at": "yesterday"}, "occurred_at", "ISO 8601"),
        ({"occurred_at": {}}, "occurred_at", "ISO 8601"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at", "Not before 1901, and not in the future."),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at", "Not before 1901"),
        ({"occurred_at": 1e300}, "occurred_at", "ISO 8601"),
        ({"occurred_at": 20260105}, "occurred_at", "ISO 8601"),
        ({"occurred_at": "20260105"}, "occurred_at", "ISO 8601"),
    ],
)
def test_a_communication_that_cannot_be_read_names_its_member_and_the_rule(
    partner: Partner, changes: dict[str, Any], member: str, rule: str
):
    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    answer = partner.post(f"/v1/patients/{patient_id}/communications", {**SPOKE, **changes})
    assert_problem(answer, 400, "unusable-member")
    (error,) = answer.json["errors"]
    assert error["pointer"] == f"#/{member}"
    assert error["detail"].startswith(rule)


def test_members_that_are_missing_are_told_so(partner: Partner):
    answer = partner.post("/v1/duplicates", {})
    assert_problem(answer, 400, "unusable-member")
    assert answer.json["errors"] == [{"pointer": "#/patient_ids", "detail": "It is missing."}]
    assert partner.post("/v1/duplicates", {"patient_ids": ["canary"]}).json["errors"] == [
        {"pointer": "#/patient_ids", "detail": "The ids of the two patients."}
    ]


def test_what_is_no_route_or_method_is_a_problem_too(partner: Partner, client: TestClient):
    assert_problem(partner.get("/v1/nothing"), 404, "not-found")
    assert_problem(client.simulate_delete("/v1/patients/upsert"), 405, "method-not-allowed")
    assert "POST" in client.simulate_delete("/v1/patients/upsert").headers["Allow"]


@pytest.mark.parametrize("sent", ["", "a b", "a" * 101, "é", "<script>", "a\u0000"])
def test_a_request_id_that_is_none_is_replaced(partner: Partner, sent: str):
    assert partner.upsert(DOCUMENTED, X_Request_Id=sent).headers["X-Request-Id"].startswith("req_")


def test_a_request_id_that_was_sent_is_kept_and_told_by_every_event(partner: Partner):
    answer = partner.upsert(DOCUMENTED, X_Request_Id="partner-7.1_a")
    assert answer.headers["X-Request-Id"] == answer.json["receipt"]["request_id"] == "partner-7.1_a"
    items = partner.get(f"/v1/patients/{answer.json['patient']['id']}/history").json["items"]
    assert {item["request_id"] for item in items} == {"partner-7.1_a"}


@pytest.mark.parametrize("query", ["dryrun=true", "dry_run=true&dry_run=false", "dry_run=true&limit=5"])
def test_a_parameter_that_is_mistyped_or_said_twice_writes_nothing(partner: Partner, ledger: Ledger, query: str):
    before = ledger.recorder.max_notification_id()
    for path in ("/v1/patients/upsert", "/v1/patients/upsert-batch"):
        assert_problem(partner.post(f"{path}?{query}", DOCUMENTED), 400, "bad-parameter")
    assert ledger.recorder.max_notification_id() == before


def test_a_read_takes_the_parameters_that_it_names_and_no_other(partner: Partner):
    patient_id = partner.upsert(DOCUMENTED).json["patient"]["id"]
    for path in (
        f"/v1/patients/{patient_id}?foo=1",
        f"/v1/patients/{patient_id}/history?after=zz",
        "/v1/events?limit=1&limit=2",
    ):
        assert_problem(partner.get(path), 400, "bad-parameter")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=501", "A whole number from 1 to 500."),
        ("limit=2&limit=3", "A whole number from 1 to 500."),
        ("lmit=2", "there are: after, limit."),
    ],
)
def test_a_parameter_that_cannot_be_used_is_answered_with_what_can(partner: Partner, query: str, said: str):
    answer = partner.get(f"/v1/events?{query}")
    assert_problem(answer, 400, "bad-parameter")
    assert answer.json["detail"].endswith(said)
