"""What does a partner or a reviewer see of possible duplicates, and of a patient that was merged into another one?"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from falcon.testing import Result

from api.answers import HistoryPage
from api.answers import Patient as PatientAnswer
from api.duplicate_answers import DuplicatePage, PossibleDuplicate, Resolved
from tests.api.clinic import Clinic, Partner, found_clinic, issue_key
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.scripts.waiting import until

BORN = {"last_name": "Lee", "date_of_birth": "2015-06-06", "phone_number": "212-555-0142"}
NOWHERE = "00000000-0000-4000-8000-000000000000"
WAITING = (
    "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS waiting USING (pid)"
    " JOIN pg_database ON pg_database.oid = held.database WHERE datname = current_database() AND NOT waiting.granted"
)


def mrn(value: str) -> dict[str, str]:
    return {"type_id": EXTERNAL_ID_TYPE, "value": value}


@pytest.fixture
def twins(partner: Partner) -> tuple[str, str]:
    """Create twins, each with an external id and an email; return their ids."""
    ids = []
    for name in ("Mia", "Sarah"):
        email = f"{name.lower()}@example.com"
        answer = partner.upsert({"first_name": name, "email": email, "external_id": mrn(name), **BORN})
        ids.append(answer.json["patient"]["id"])
    return ids[0], ids[1]


def queue(partner: Partner, query: str = "") -> list[dict[str, Any]]:
    answer = partner.get(f"/v1/duplicates{query}")
    assert answer.status_code == 200, answer.text
    DuplicatePage.model_validate(answer.json)
    return list(answer.json["items"])


def resolve(partner: Partner, pair: dict[str, Any], resolution: str, **more: Any) -> Result:
    return partner.post(f"/v1/duplicates/{pair['id']}/resolve", {"resolution": resolution, **more})


def test_a_flagged_pair_shows_both_patients_and_the_evidence(partner, twins):
    (pair,) = queue(partner)
    assert sorted(each["id"] for each in pair["patients"]) == sorted(twins)
    assert pair["state"] == "open"
    assert pair["evidence"]["phone"] == "equal"
    alone = partner.get(f"/v1/duplicates/{pair['id']}")
    PossibleDuplicate.model_validate(alone.json)
    assert alone.json == pair
    for each in twins:
        assert queue(partner, f"?patient_id={each}") == [pair]


def test_a_merge_is_answered_with_the_survivor_and_shows_at_every_door(partner, twins):
    mia, sarah = twins
    (pair,) = queue(partner)
    answer = resolve(partner, pair, "merge")
    Resolved.model_validate(answer.json)
    assert answer.json["patient"]["id"] == mia
    assert answer.json["duplicate"]["state"] == "merged"
    assert {each["id"]: each["merged_into"] for each in answer.json["duplicate"]["patients"]} == {mia: None, sarah: mia}
    assert queue(partner) == []
    found = partner.find(date_of_birth=BORN["date_of_birth"])
    assert [each["id"] for each in found.json["items"]] == [mia]

    read = partner.get(f"/v1/patients/{sarah}")
    PatientAnswer.model_validate(read.json)
    assert (read.status_code, read.json["id"]) == (200, mia)
    assert read.headers["content-location"] == f"/v1/patients/{mia}"
    assert read.headers["etag"].startswith("W/"), "a version would be taken for one of the patient that was asked for"
    assert "content-location" not in partner.get(f"/v1/patients/{mia}").headers
    history = partner.get(f"/v1/patients/{sarah}/history")
    assert history.json == partner.get(f"/v1/patients/{mia}/history").json
    assert history.headers["content-location"] == f"/v1/patients/{mia}/history"
    assert partner.upsert({"external_id": mrn("Sarah")}).json["patient"]["id"] == mia
    told = {"channel": "sms", "direction": "outbound", "occurred_at": "2026-01-05T15:30:00Z"}
    assert partner.post(f"/v1/patients/{sarah}/communications", told).json["patient"]["id"] == mia


def test_a_merged_patient_stands_as_it_was_for_who_asks_for_it_itself(partner, twins):
    _, sarah = twins
    (pair,) = queue(partner)
    resolve(partner, pair, "merge")
    own = partner.get(f"/v1/patients/{sarah}/history?own=true")
    HistoryPage.model_validate(own.json)
    assert own.json["items"][0]["event"] == "PatientMergedInto"
    version = own.json["items"][0]["version"]
    before = partner.get(f"/v1/patients/{sarah}?as_of={version - 1}").json
    assert (before["id"], before["active"]) == (sarah, True)
    after = partner.get(f"/v1/patients/{sarah}?as_of={version}").json
    assert (after["id"], after["active"]) == (sarah, False)
    moment = own.json["items"][-1]["recorded_at"]
    assert partner.get(f"/v1/patients/{sarah}?as_of={moment}").json["id"] == sarah
    moment = own.json["items"][0]["recorded_at"]
    assert partner.get(f"/v1/patients/{sarah}?as_of={moment}").json["id"] == twins[0]


def test_a_merge_of_a_survivor_is_followed_to_its_end(partner, twins):
    mia, sarah = twins
    tom = partner.upsert({"first_name": "Tom", **BORN}).json["patient"]["id"]
    asked = {frozenset(each["id"] for each in pair["patients"]): pair for pair in queue(partner)}
    resolve(partner, asked[frozenset((sarah, tom))], "merge", survivor_id=sarah)
    resolve(partner, asked[frozenset((mia, sarah))], "merge", survivor_id=mia)
    for moment in ("", "?as_of=2100-01-01"):
        assert partner.get(f"/v1/patients/{tom}{moment}").json["id"] == mia
    assert partner.get(f"/v1/patients/{tom}/history").headers["content-location"] == f"/v1/patients/{mia}/history"


def test_undoing_a_merge_gives_both_patients_back(partner, twins):
    before = [partner.get(f"/v1/patients/{each}").json for each in twins]
    (pair,) = queue(partner)
    resolve(partner, pair, "merge", survivor_id=twins[1])
    assert partner.get(f"/v1/patients/{twins[0]}").json["id"] == twins[1]
    answer = resolve(partner, pair, "unmerge")
    Resolved.model_validate(answer.json)
    assert answer.json["duplicate"]["state"] == "distinct"
    for was in before:
        now = partner.get(f"/v1/patients/{was['id']}").json
        apart_from = {"version", "updated_at"}
        assert {k: v for k, v in now.items() if k not in apart_from} == {
            k: v for k, v in was.items() if k not in apart_from
        }


@pytest.mark.parametrize("flagged_by_the_third", [True, False])
def test_a_third_patient_flagged_with_a_merged_one_is_merged_and_taken_apart_like_any_other(
    partner, twins, flagged_by_the_third: bool
):
    mia, sarah = twins
    zoe = partner.upsert({"first_name": "Zoe", "last_name": "Fox", "phone_number": "212-555-0144"}).json["patient"][
        "id"
    ]
    pair = [zoe, sarah] if flagged_by_the_third else [sarah, zoe]
    assert partner.post("/v1/duplicates", {"patient_ids": pair}).status_code == 200
    resolve(partner, queue(partner)[0], "merge")

    (left,) = queue(partner)
    answer = resolve(partner, left, "merge")
    assert (answer.status_code, answer.json["patient"]["id"]) == (200, mia)
    merged = answer.json["duplicate"]
    assert {each["id"]: each["merged_into"] for each in merged["patients"]} == {mia: None, zoe: mia}
    assert (merged["state"], merged["reason"]) == ("merged", "reported")
    assert merged in queue(partner, "?state=merged")

    parted = resolve(partner, merged, "unmerge")
    assert (parted.status_code, parted.json["duplicate"]["state"]) == (200, "distinct")
    assert partner.get(f"/v1/patients/{zoe}").json["id"] == zoe
    assert partner.get(f"/v1/patients/{sarah}").json["id"] == mia


@pytest.mark.usefixtures("twins")
def test_distinct_takes_a_pair_off_the_queue(partner):
    (pair,) = queue(partner)
    assert resolve(partner, pair, "distinct").json["duplicate"]["state"] == "distinct"
    assert queue(partner) == []
    assert [each["id"] for each in queue(partner, "?state=distinct")] == [pair["id"]]


def test_the_open_questions_of_a_merged_patient_are_its_survivors(partner, twins):
    tom = partner.upsert({"first_name": "Tom", **BORN}).json["patient"]["id"]
    asked = {frozenset(each["id"] for each in pair["patients"]): pair for pair in queue(partner)}
    resolve(partner, asked[frozenset((twins[0], tom))], "merge")
    assert [{each["id"] for each in pair["patients"]} for pair in queue(partner)] == [set(twins)]
    assert queue(partner, f"?patient_id={tom}") == []


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(("criterion", "pairs"), [("state=open", 3), ("patient_id={tom}", 2)])
def test_the_queue_is_read_page_by_page(partner, criterion, pairs):
    tom = partner.upsert({"first_name": "Tom", **BORN}).json["patient"]["id"]
    query = f"?{criterion.format(tom=tom)}"
    whole = queue(partner, query)
    assert len(whole) == pairs
    paged: list[dict[str, Any]] = []
    following: str | None = ""
    while following is not None and len(paged) <= pairs:
        page = partner.get(f"/v1/duplicates{query}&limit=1{following and f'&after={following}'}").json
        paged += page["items"]
        following = page["next"]
    assert paged == whole


def test_a_pair_that_nobody_flagged_can_be_reported(partner):
    ids = [
        partner.upsert(body).json["patient"]["id"]
        for body in ({"phone_number": "2125550100"}, {"phone_number": "2125550101"})
    ]
    answer = partner.post("/v1/duplicates", {"patient_ids": ids})
    PossibleDuplicate.model_validate(answer.json)
    assert answer.json["reason"] == "reported"
    assert queue(partner) == [answer.json]
    assert resolve(partner, answer.json, "merge").json["patient"]["id"] == ids[0]


def test_a_pair_that_was_told_distinct_under_a_merged_ones_id_can_be_reported_and_merged_after_all(partner):
    ann, bea, cat = (partner.upsert({"phone_number": f"21255501{n}"}).json["patient"]["id"] for n in (42, 43, 44))
    pair, beneath = (partner.post("/v1/duplicates", {"patient_ids": ids}).json for ids in ([bea, ann], [cat, ann]))
    resolve(partner, beneath, "merge", survivor_id=cat)
    resolve(partner, pair, "distinct")
    reported = partner.post("/v1/duplicates", {"patient_ids": [cat, bea]})
    assert (reported.status_code, reported.json.get("state")) == (200, "distinct")
    for ids in ([bea, cat], [bea, ann]):
        assert partner.post("/v1/duplicates", {"patient_ids": ids}).json == reported.json, "and it is told once"
    assert resolve(partner, reported.json, "merge", survivor_id=cat).json["duplicate"]["state"] == "merged"


@pytest.mark.parametrize(
    ("resolution", "in_order"),
    [("merge", ("ann", "bea", "cat")), ("distinct", ("bea", "ann", "cat"))],  # so that it waits before it holds Ann
)
def test_a_decision_that_waited_is_answered_with_the_pair_that_it_decided_on(
    ledger, clinic: Clinic, partner, resolution: str, in_order: tuple[str, ...]
):
    """While it waits, one of the two is merged into somebody else: nobody is told that there is no such pair."""
    organization_id = clinic.organization_id
    phones = dict(zip(in_order, ("2125550142", "2125550143", "2125550144"), strict=True))
    ids = {name: partner.upsert({"phone_number": phones[name]}).json["patient"]["id"] for name in in_order}
    ann, bea, cat = ids["ann"], ids["bea"], ids["cat"]
    pair, other = (partner.post("/v1/duplicates", {"patient_ids": [ann, each]}).json for each in (bea, cat))
    with ThreadPoolExecutor(1) as threads, ledger.recorder.unit_of_work([organization_id]) as work:
        work.lock_patients(organization_id, [bea])
        deciding = threads.submit(resolve, partner, pair, resolution, survivor_id=bea)
        with ledger.recorder.reading(organization_id) as cursor:
            until(lambda: cursor.execute(WAITING).fetchall() == [(1,)])
        assert resolve(partner, other, "merge", survivor_id=cat).status_code == 200
    answer = deciding.result()
    assert answer.status_code == 200, answer.text
    assert answer.json["duplicate"]["state"] == ("merged" if resolution == "merge" else "distinct")
    merged = {bea: None, cat: bea if resolution == "merge" else None}
    assert {each["id"]: each["merged_into"] for each in answer.json["duplicate"]["patients"]} == merged


def test_a_chart_that_may_hold_two_people_can_only_be_looked_at(partner):
    partner.upsert({"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "external_id": mrn("A")})
    partner.upsert({"first_name": "Bob", "last_name": "Ray", "date_of_birth": "1975-01-02", "external_id": mrn("A")})
    (pair,) = queue(partner)
    assert len(pair["patients"]) == 1
    assert resolve(partner, pair, "merge").json["type"].endswith("one-patient")
    ids = [partner.upsert({"phone_number": "2125550100"}).json["patient"]["id"], pair["patients"][0]["id"]]
    both = partner.post("/v1/duplicates", {"patient_ids": ids}).json
    resolve(partner, both, "merge", survivor_id=ids[0])
    assert queue(partner) == [], "nobody can look at the chart of a merged patient"
    resolve(partner, both, "unmerge")
    assert [each["id"] for each in queue(partner)] == [pair["id"]]
    assert resolve(partner, pair, "distinct").json["duplicate"]["state"] == "distinct"
    assert queue(partner) == []


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(
    ("path", "body", "status", "slug"),
    [
        (f"/v1/duplicates/{NOWHERE}/resolve", {"resolution": "merge"}, 404, "unknown-duplicate"),
        ("/v1/duplicates/none/resolve", {"resolution": "merge"}, 404, "unknown-duplicate"),
        ("/v1/duplicates/{pair}/resolve", {"resolution": "perhaps"}, 400, "unusable-member"),
        ("/v1/duplicates/{pair}/resolve", {}, 400, "unusable-member"),
        ("/v1/duplicates/{pair}/resolve", {"resolution": "merge", "survivor_id": "me"}, 400, "unusable-member"),
        ("/v1/duplicates/{pair}/resolve", {"resolution": "merge", "survivor_id": NOWHERE}, 422, "not-of-the-pair"),
        ("/v1/duplicates/{pair}/resolve", {"resolution": "unmerge"}, 409, "not-merged"),
        ("/v1/duplicates", {"patient_ids": [NOWHERE, NOWHERE]}, 404, "unknown-patient"),
        ("/v1/duplicates", {"patient_ids": [NOWHERE]}, 400, "unusable-member"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_rule(partner, path, body, status, slug):
    (pair,) = queue(partner)
    answer = partner.post(path.format(pair=pair["id"]), body)
    assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (status, slug)


@pytest.mark.parametrize(
    "query", ["?state=closed", "?status=open", "?after=x", "?after=2026-01-05T15:30:00Z_x", "?limit=0"]
)
def test_a_parameter_that_cannot_be_used_is_named(partner, query):
    answer = partner.get(f"/v1/duplicates{query}")
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/bad-parameter")


def test_who_looks_at_a_pair_is_recorded_with_both_patients(ledger, clinic: Clinic, partner, twins):
    (pair,) = queue(partner)
    partner.get(f"/v1/duplicates/{pair['id']}")
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        rows = cursor.execute(
            "SELECT patient_id::text, detail->>'what' FROM access_log WHERE action = 'read'"
        ).fetchall()
    for path in ("/v1/duplicates", "/v1/duplicates/{duplicate_id}"):
        assert {patient for patient, what in rows if what == path} == set(twins)


def test_what_is_held_already_is_not_sent_again_until_somebody_resolves_it(ledger, clinic: Clinic, partner, twins):
    (pair,) = queue(partner)
    paths = ("/v1/duplicates", f"/v1/duplicates/{pair['id']}")
    held = {path: partner.get(path).headers["ETag"] for path in paths}
    for path, etag in held.items():
        again = partner.get(path, If_None_Match=f'"other", {etag}')
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    with ledger.recorder.reading(clinic.organization_id) as cursor:
        ((reads,),) = cursor.execute("SELECT count(*) FROM access_log WHERE action = 'read'").fetchall()
    assert reads == 3 * len(twins), "a 304 shows nothing"
    resolve(partner, pair, "distinct")
    assert [partner.get(path, If_None_Match=etag).status_code for path, etag in held.items()] == [200, 200]


def test_reviewing_needs_its_scope(client, ledger, clinic: Clinic):
    outsider = Partner(client, issue_key(ledger, clinic.organization_id, ("patients:read", "patients:write")))
    assert outsider.get("/v1/duplicates").status_code == 403
    assert outsider.get(f"/v1/duplicates/{NOWHERE}").status_code == 403
    assert outsider.post("/v1/duplicates", {"patient_ids": [NOWHERE, NOWHERE]}).status_code == 403
    assert outsider.post(f"/v1/duplicates/{NOWHERE}/resolve", {"resolution": "merge"}).status_code == 403


def test_another_organizations_pairs_are_unknown(client, ledger, partner, twins):
    neighbour = Partner(client, found_clinic(ledger).api_key)
    (pair,) = queue(partner)
    assert queue(neighbour) == []
    assert neighbour.get(f"/v1/duplicates/{pair['id']}").status_code == 404
    assert resolve(neighbour, pair, "merge").status_code == 404
    assert neighbour.post("/v1/duplicates", {"patient_ids": list(twins)}).status_code == 404
