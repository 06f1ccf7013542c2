"""The key of another organization gets nothing of ours, whichever route it is sent to, and changes nothing.

Every route of the table is asked for what is ours: it answers as if that did not exist.
"""

import re
from typing import Any, NamedTuple

import httpx
import pytest

from api.routes import ROUTES
from tests.api.clinic import Clinic
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.faults.installation import Installation
from tests.faults.truth import entries

OURS = {
    "first_name": "Ourann",
    "last_name": "Ourlee",
    "date_of_birth": "1980-03-01",
    "phone_number": "+12125550142",
    "email": "ourann@example.com",
    "comments": "ourcomment",
}
RECORD = OURS | {"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": "OUR-1"}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/patients/upsert": RECORD,
    "/v1/patients/upsert-batch": RECORD,  # one line of many
    "/v1/patients/{patient_id}/communications": {
        "channel": "sms",
        "direction": "outbound",
        "occurred_at": "2024-05-01T12:00:00Z",
    },
    "/v1/duplicates/{duplicate_id}/resolve": {"resolution": "merge"},
}
QUERIES = ("", "?limit=500", "?phone=2125550142", "?email=ourann@example.com", "?last_name=Ourlee", "?state=open",
           "?name=Ourlee&date_of_birth=1980-03-01", "?after=0", "?updated_since=0", "?as_of=1", "?own=true",
           f"?external_id_type={EXTERNAL_ID_TYPE}&external_id=OUR-1")  # fmt: skip
NOBODY = "01890000-0000-7000-8000-00000000dead"
MARKS = re.compile(r"our(ann|lee|comment)|OUR-|2125550142", re.IGNORECASE)


class Asked(NamedTuple):
    """One route of the table, asked in one way, for what is ours and for what nobody has."""

    method: str
    path: str
    ours: httpx.Response
    nobodys: httpx.Response


class Tenants(NamedTuple):
    """Two organizations that know the same person; `ours` has two patients who may be one."""

    ours: Clinic
    theirs: Clinic
    ids: dict[str, str]


@pytest.fixture
def tenants(installation: Installation, clinic: Clinic) -> Tenants:
    theirs = installation.found_clinic()
    with httpx.Client(base_url=installation.base_url, timeout=60) as client:
        key = {"X-API-Key": clinic.api_key}
        first = client.post("/v1/patients/upsert", json=RECORD, headers=key).json()["patient"]["id"]
        twin = OURS | {"date_of_birth": "1985-07-09", "first_name": "Ourbob", "email": "ourbob@example.com"}
        second = client.post("/v1/patients/upsert", json=twin, headers=key).json()["patient"]["id"]
        assert first != second
        flag = client.post("/v1/duplicates", json={"patient_ids": [first, second]}, headers=key)
        pairs = client.get("/v1/duplicates", headers=key).json()
    assert flag.is_success, flag.text
    return Tenants(clinic, theirs, {"patient_id": first, "other_id": second, "duplicate_id": pairs["items"][0]["id"]})


def methods(path: str) -> list[str]:
    """Return the methods of a route that need a key."""
    return sorted(ROUTES[path].scopes)


@pytest.mark.parametrize("path", [path for path in ROUTES if ROUTES[path].scopes])
def test_another_tenants_key_gets_nothing_and_changes_nothing(installation: Installation, tenants: Tenants, path: str):
    before = [
        entry for entry in entries(installation.url) if str(entry.organization_id) == tenants.ours.organization_id
    ]
    asked = [*ask(installation, tenants, path)]
    after = [entry for entry in entries(installation.url) if str(entry.organization_id) == tenants.ours.organization_id]
    assert asked
    assert after == before
    for each in asked:
        shown = each.ours.text
        if "upsert" not in path:  # which tells them what they have sent
            assert not MARKS.search(shown), f"{each.method} {each.path}"
            assert told(each.ours) == told(each.nobodys), f"{each.method} {each.path}"
        for ours in (tenants.ours.organization_id, *tenants.ids.values()):
            assert ours not in shown, f"{each.method} {each.path}"


def ask(installation: Installation, tenants: Tenants, path: str) -> list[Asked]:
    found = []
    nobody = {name: NOBODY[:-1] + str(place) for place, name in enumerate(tenants.ids)}
    with httpx.Client(base_url=installation.base_url, timeout=60) as client:
        for method in methods(path):
            for query in QUERIES if method == "GET" else ("",):
                answers = []
                for ids in (tenants.ids, nobody):
                    body = None if method == "GET" else body_for(path, ids)
                    url = path.format(**ids) + query
                    headers = {"X-API-Key": tenants.theirs.api_key}
                    answers.append(client.request(method, url, json=body, headers=headers))
                found.append(Asked(method, path + query, *answers))
    return found


def body_for(path: str, ids: dict[str, str]) -> dict[str, Any]:
    """Return what is sent to a route: of ours whatever can be named."""
    if path == "/v1/duplicates":
        return {"patient_ids": [ids["patient_id"], ids["other_id"]]}
    return BODIES[path]


def told(answer: httpx.Response) -> tuple[int, str]:
    """Return status and body, without what differs from request to request."""
    return answer.status_code, re.sub(r'"request_id": ?"[^"]*"', "", answer.text)
