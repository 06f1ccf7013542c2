"""What do the pages show, to whom, and what do they leave behind?"""

import csv
import io
import json
import re
from datetime import UTC, datetime
from html import unescape
from zoneinfo import ZoneInfo

import psycopg
import pytest
from falcon.testing import Result

from api.headers import HEADERS
from api.keys import new_key
from api.panel.accounts import add_member
from api.panel.filters import read_filter
from api.panel.pages import CONTENT_SECURITY_POLICY
from domain.ledger import Ledger
from domain.receipt import Caller
from projections import access_log
from projections.access_log import Look
from projections.wording import Display
from tests.panel.conftest import Person
from tests.panel.story import PASSWORD, Story, send, tell_story

SECRETS = (
    "Lopez", "Garcia", "1 Mar 1980", "1980-03-01", "555-01", "+1212", "example.com", "Main St", "Oak Ave", "00871",
    "00912", "A-1001", "XYZ123", "Ruiz", "Hudson", "M54", "spanish", "Choice", "mornings", "interpreter",
)  # fmt: skip
"""Values of Ann that nobody without phi:read may see."""

PAGES = (
    "",
    "/states",
    "/events/1",
    "/events/12",
    "/events/16",
    "/compare?a=2",
    "/blame?field=phone_number",
    "?as_of=9",
)


def text_of(answer: Result) -> str:
    """Return what a page says, without its mark-up."""
    apart = re.sub(r"</(td|th|dt)>", " ", answer.text)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", apart)).split())


def without_ids(answer: Result) -> str:
    """Return an answer without its ids and tokens: long rows of digits, which may hold anything."""
    return re.sub(r"[0-9a-f-]{20,}", "", answer.text)


def secrets_in(answer: Result) -> list[str]:
    """Return the values of Ann that an answer gives away."""
    told = without_ids(answer)
    return [secret for secret in SECRETS if secret in told]


def looks(panel_ledger: Ledger, story: Story) -> list[Look]:
    """Return the access log of a patient, newest first."""
    with panel_ledger.recorder.reading(story.clinic) as cursor:
        return access_log.of_patient(cursor, story.clinic, story.ann, limit=1000)


def test_the_timeline_says_what_was_changed_and_what_was_not(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}"))
    for said in (
        "MRN replaced: 00871 → to 00912.",
        "Phone kept: Acme Pharmacy sent (212) 555-0199; (212) 555-0150 has been locked since the first text on",
        "Email ignored: Acme Pharmacy sent “none@none.com”.",
        "Recognised by name and date of birth: same first name, last name and date of birth.",
        "Insurance changed: plan name Choice → to Choice Plus.",
    ):
        assert said in page


def test_what_a_partner_sends_is_text_and_never_markup(auditor, story):
    page = auditor.get(f"/panel/patients/{story.ann}").text
    assert "Prefers mornings &lt;before 9&gt;." in page
    assert "<before 9>" not in page


@pytest.mark.parametrize("query", ["as_of=3", "as_of_at=2000-01-01T00:00", "as_of=1"])
def test_an_earlier_moment_is_marked_by_a_banner(auditor, story, query):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?{query}"))
    assert "You are looking at" in page or "The patient was not there yet." in page


def test_what_is_shown_at_a_minute_is_there_as_of_that_minute(panel_ledger, auditor, story):
    last = panel_ledger.stream(story.clinic, story.ann)[-1].recorded_at.astimezone(ZoneInfo("America/New_York"))
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?as_of_at={last:%Y-%m-%dT%H:%M}"))
    assert "As of now" in page
    assert "The patient was not there yet." not in page


def test_before_the_patient_was_there_is_not_called_now(auditor, story):
    for moment, words in (("as_of_at=2001-02-03T04:05", "3 Feb 2001, 04:05"), ("as_of=0", "before the first record")):
        page = auditor.get(f"/panel/patients/{story.ann}?{moment}").text
        assert f"As of {words}" in page
        assert f'data-words="{words}"' in page
        assert "As of now" not in page


def test_the_card_as_of_a_version_marks_what_differs_now(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?as_of=3"))
    assert "(212) 555-0142 , which differs: now (212) 555-0150" in page


def test_the_states_of_the_slider_are_those_of_the_server(auditor, story):
    states = auditor.get(f"/panel/patients/{story.ann}/states").json
    for version in (1, 7, 16, 23, len(states["versions"])):
        card = text_of(auditor.get(f"/panel/patients/{story.ann}?as_of={version}", HX_Request="true", HX_Target="card"))
        for _, _, label, texts in states["rows"]:
            held = [text for since, text in texts if since <= version]
            if held and held[-1] is not None:
                assert f"{label} {held[-1]}" in card


def test_two_moments_are_compared_in_either_order(auditor, story):
    one, other = (
        text_of(auditor.get(f"/panel/patients/{story.ann}/compare?a={a}&b={b}")) for a, b in ((3, 16), (16, 3))
    )
    assert one == other
    assert "13 events between them" in one
    assert "Phone (212) 555-0142 (212) 555-0150" in one


def test_blame_names_who_set_a_field_and_what_lost_to_it(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}/blame?field=phone_number"))
    assert "Set by Acme Pharmacy through the API" in page
    assert "Before: (212) 555-0142" in page
    assert "Phone kept: Acme Pharmacy sent (212) 555-0199" in page
    mrn = text_of(auditor.get(f"/panel/patients/{story.ann}/blame?field=external_id@{story.items['MRN']}"))
    assert "Set by Northside Hospital through a file" in mrn
    assert "A-1001" not in mrn


def test_the_first_of_a_pair_says_whose_history_flags_it(panel_ledger, auditor, story):
    twins = {"last_name": "Abernathy", "date_of_birth": "2011-03-09", "phone_number": "212-555-0177"}
    first, second = (
        send(panel_ledger, story.clinic, story.partners["Web form"], "form", {"first_name": name, **twins})
        for name in ("Ana", "Anna")
    )
    hint = "To check. The history of patient …{} says that the two may be one person."
    assert hint.format(second[-6:]) in text_of(auditor.get(f"/panel/patients/{first}"))
    assert hint.format(first[-6:]) not in text_of(auditor.get(f"/panel/patients/{second}"))


def test_a_filter_shows_what_fits_and_says_so(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?kind=linked&kind=kept"))
    assert "Limited to Kind: External id, Kept." in page
    assert "MRN replaced" in page
    assert "Tags: added" not in page
    by_text = text_of(auditor.get(f"/panel/patients/{story.ann}?text=555-0199"))
    assert "Phone kept" in by_text
    assert "MRN replaced" not in by_text
    by_actor = text_of(auditor.get(f"/panel/patients/{story.ann}?actor=key:{story.partners['Web form']}"))
    assert "Comments set" in by_actor
    assert "MRN replaced" not in by_actor


def test_a_filter_by_one_external_id_is_told_by_the_name_of_its_type(auditor, story):
    key = f"external_id@{story.items['MRN']}"
    page = auditor.get(f"/panel/patients/{story.ann}?field={key}").text
    assert "Limited to Field: MRN." in page
    assert f'<option value="{key}" selected>MRN</option>' in page


def test_qualifiers_in_the_text_are_filters(auditor, story):
    page = text_of(
        auditor.get(f"/panel/patients/{story.ann}?text=kind:kept kind:linked source:file 00912".replace(" ", "+"))
    )
    assert "Limited to Kind: Kept, External id · Source: a file · Text: 00912." in page
    assert "MRN replaced" in page
    assert "Phone kept" not in page


def test_pages_go_back_to_the_first_event_and_hold_each_event_once(auditor, story):
    seen: list[str] = []
    path = f"/panel/patients/{story.ann}?limit=3"
    while path:
        page = auditor.get(path).text
        versions = re.findall(r'id="v(\d+)"', page)
        assert versions
        seen += versions
        following = re.search(r'href="(/panel/patients/[^"]*before=\d+)"', page)
        path = f"{following[1]}&limit=3" if following else ""
    assert sorted(map(int, seen)) == list(range(1, len(seen) + 1))


def test_a_filter_by_days_begins_and_ends_at_the_clinics_midnight(panel_ledger, story):
    clinic, new_york = panel_ledger.organization(story.clinic), ZoneInfo("America/New_York")
    asked = {"from": "2026-03-07", "to": "2026-03-08", "source": "form"}
    wanted = read_filter(asked, clinic, Display(new_york)).wanted
    assert wanted.since == datetime(2026, 3, 7, 5, tzinfo=UTC)
    assert wanted.until == datetime(2026, 3, 9, 4, tzinfo=UTC), "the last day is whole, and an hour shorter"
    assert wanted.source == "form"


def test_a_date_that_is_none_is_told_and_limits_nothing(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?from=31.12.2024"))
    assert "“from” is not a date" in page
    assert "MRN replaced" in page


@pytest.mark.parametrize("asked", ["to=9999-12-31", "text=to:9999-12-31"])
@pytest.mark.parametrize("path", ["", "/export"])
def test_a_last_day_that_no_day_follows_is_told_and_limits_nothing(auditor, story, path, asked):
    answer = auditor.get(f"/panel/patients/{story.ann}{path}?{asked}")
    assert answer.status_code == 200
    assert "“to” is not a date" in text_of(answer)


@pytest.mark.parametrize("asked", ["from=0001-01-01", "to=9999-12-31", "from=9999-12-31", "to=0001-01-01"])
def test_disclosures_may_be_asked_for_up_to_the_ends_of_the_calendar(auditor, story, asked):
    assert auditor.get(f"/panel/patients/{story.ann}/disclosures?{asked}").status_code == 200


@pytest.mark.parametrize("moment", ["yesterday", "0001-01-01T00:00%2B14:00", "9999-12-31T23:59-14:00"])
def test_an_instant_that_cannot_be_read_limits_nothing(auditor, story, moment):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?as_of_at={moment}"))
    assert "As of now" in page
    blamed = text_of(auditor.get(f"/panel/patients/{story.ann}/blame?field=phone_number&as_of_at={moment}"))
    assert "Set by Acme Pharmacy" in blamed


def test_an_instant_that_only_the_clinics_calendar_does_not_have_is_an_instant(auditor, story):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?as_of_at=0001-01-01T00:00Z"))
    assert "The patient was not there yet." in page


@pytest.mark.parametrize("page", ["", "/export"])
def test_a_filter_that_nobody_knows_limits_nothing_and_is_told(auditor, story, page):
    told = text_of(auditor.get(f"/panel/patients/{story.ann}{page}?kind=colour&source=pigeon"))
    assert "There is no kind “colour”" in told
    assert "There is no source “pigeon”" in told


@pytest.mark.parametrize("asked", ["kind=linked", "kind=external_id", "text=kind:external_id", "kind=External_id"])
def test_a_kind_is_known_by_the_word_that_people_read(auditor, story, asked):
    page = text_of(auditor.get(f"/panel/patients/{story.ann}?{asked}"))
    assert "Limited to Kind: External id" in page


def test_the_cause_view_leads_from_the_request_to_its_events(auditor, story):
    page = auditor.get(f"/panel/patients/{story.ann}?kind=linked&text=00912").text
    request = re.search(r"/requests/(req_[0-9a-f]+)", page)
    assert request is not None
    tree = text_of(auditor.get(f"/panel/patients/{story.ann}/requests/{request[1]}"))
    assert tree.index("Northside Hospital sent a record through a file") < tree.index("Recognised by")
    assert tree.index("Recognised by") < tree.index("MRN replaced")


@pytest.mark.parametrize(
    "words",
    ["garcia", "ann garcia", "Garcia-Lopez, Ann", "garcia ann", "(212) 555-0150", "ANN@garcia.example.com", "A-1001"],
)
def test_a_patient_is_found_by_name_phone_email_and_external_id(auditor, story, words):
    auditor.get("/panel")
    page = auditor.post("/panel", {"words": words}).text
    assert story.ann in page


def test_a_patient_of_whom_little_is_known_is_found(client, panel_ledger, auditor, story):
    shown, command = new_key("Hotline")
    panel_ledger.administer(command, Caller(story.clinic, "test", "issuing"))
    known = {"first_name": "Cy", "last_name": "Unreached", "date_of_birth": "1990-01-02"}
    client.simulate_post("/v1/patients/upsert", json=known, headers={"X-API-Key": shown})
    auditor.get("/panel")
    assert "Bo no date of birth (212) 555-0177" in text_of(auditor.post("/panel", {"words": "212-555-0177"}))
    assert "Bo no date of birth (212) 555-0177" in text_of(auditor.post("/panel", {"words": "bo"})), "no last name"
    assert "Cy Unreached born 2 Jan 1990 no phone" in text_of(auditor.post("/panel", {"words": "unreached"}))


def test_a_patient_is_found_by_its_id_and_by_nothing_that_is_not_its_own(auditor, story):
    auditor.get("/panel")
    assert story.ann in auditor.post("/panel", {"words": story.ann}).text
    for words in ("00871", "(212) 555-0199", "zzz", "' OR 1=1 --", "%"):
        assert story.ann not in auditor.post("/panel", {"words": words}).text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("", {"words": "ann\0"}),
        ("/patients/{ann}/export", {"format": "csv", "purpose": "Audit", "recipient": "Dr.\0"}),
        ("/sign-in", {"login": "axel\0", "password": PASSWORD}),
    ],
)
def test_a_form_with_nul_is_refused(auditor, story, path, form):
    auditor.get("/panel/sign-in" if path == "/sign-in" else "/panel")
    answer = auditor.post(f"/panel{path.format(ann=story.ann)}", form)
    assert answer.status_code == 400
    assert "The form cannot be read" in answer.text


def test_who_searches_by_a_first_name_is_told_what_is_needed(auditor):
    auditor.get("/panel")
    assert "Nobody found. A name needs the beginning of the last name" in auditor.post("/panel", {"words": "ann"}).text


@pytest.mark.parametrize("path", PAGES)
def test_values_are_masked_on_every_page_for_who_may_not_see_them(front_desk, story, path):
    assert secrets_in(front_desk.get(f"/panel/patients/{story.ann}{path}")) == []
    front_desk.get("/panel")
    found = front_desk.post("/panel", {"words": "garcia"})
    assert story.ann in found.text
    assert secrets_in(found) == []


def test_masked_text_cannot_be_searched_for(front_desk, auditor, story):
    assert "MRN replaced" in auditor.get(f"/panel/patients/{story.ann}?text=00912").text
    assert "MRN replaced" not in front_desk.get(f"/panel/patients/{story.ann}?text=00912").text


def test_revealing_needs_a_reason_and_is_recorded(panel_ledger, somebody, front_desk, story):
    login = "reveals"
    add_member(panel_ledger, story.clinic, login=login, name="Rita Reveal", role="front-desk", password=PASSWORD)
    person = somebody()
    person.sign_in(login)
    person.get(f"/panel/patients/{story.ann}")
    assert person.post(f"/panel/patients/{story.ann}/reveal", {"reason": " "}).status_code == 422
    person.get(f"/panel/patients/{story.ann}")
    assert person.post(f"/panel/patients/{story.ann}/reveal", {"reason": "Caller gave her name"}).status_code == 303
    assert "(212) 555-0150" in person.get(f"/panel/patients/{story.ann}").text
    assert "555" not in without_ids(person.get(f"/panel/patients/{story.twin}"))
    assert secrets_in(front_desk.get(f"/panel/patients/{story.ann}")) == [], "nobody else gave a reason"
    told = [look for look in looks(panel_ledger, story) if look.action == "reveal"]
    assert (told[0].name, told[0].detail) == ("Rita Reveal", {"purpose": "Caller gave her name"})
    views = [look for look in looks(panel_ledger, story) if (look.name, look.action) == ("Rita Reveal", "view")]
    assert [look.detail["masked"] for look in views] == [False, True, True]


def test_nothing_is_revealed_without_the_right_or_of_nobody(panel_ledger, auditor, front_desk, story):
    before = len(looks(panel_ledger, story))
    assert auditor.post(f"/panel/patients/{story.ann}/reveal", {"reason": "Curious"}).status_code == 403
    assert len(looks(panel_ledger, story)) == before
    nobody = "00000000-0000-4000-8000-000000000001"
    assert front_desk.post(f"/panel/patients/{nobody}/reveal", {"reason": "Caller gave a name"}).status_code == 404


def test_a_reveal_ends_after_a_quarter_of_an_hour(panel_url, panel_ledger, somebody, story):
    login = "revealed"
    member = add_member(panel_ledger, story.clinic, login=login, name="Rob", role="front-desk", password=PASSWORD)
    person = somebody()
    person.sign_in(login)
    for minutes, is_shown in ((16, False), (14, True)):
        with psycopg.connect(panel_url) as owner:
            owner.execute(
                "INSERT INTO access_log (organization_id, at, actor, name, action, patient_id, request_id)"
                " VALUES (%s, now() - make_interval(mins => %s), %s, 'Rob', 'reveal', %s, 'req_reveal')",
                (story.clinic, minutes, member.actor, story.twin),
            )
        assert ("555-0177" in person.get(f"/panel/patients/{story.twin}").text) is is_shown


@pytest.mark.parametrize("path", ["/export", "/looks", "/disclosures"])
def test_a_role_that_may_not_gets_no_page(front_desk, story, path):
    assert front_desk.get(f"/panel/patients/{story.ann}{path}").status_code == 403


def test_every_look_is_recorded_without_a_value_of_the_patient(panel_ledger, auditor, story):
    before = len(looks(panel_ledger, story))
    for page in PAGES:
        auditor.get(f"/panel/patients/{story.ann}{page}")
    auditor.get("/panel")
    auditor.post("/panel", {"words": "garcia"})
    recorded = looks(panel_ledger, story)[: len(PAGES) + 1]
    assert len(looks(panel_ledger, story)) == before + len(PAGES) + 1
    assert [look.action for look in recorded] == ["search", *["view"] * len(PAGES)]
    assert {look.name for look in recorded} == {"Axel Auditor"}
    assert not [secret for secret in SECRETS if secret.lower() in str(recorded).lower()]
    page = text_of(auditor.get(f"/panel/patients/{story.ann}/looks"))
    assert "Found in a search" in page
    assert "Looked at: history" in page


def test_pages_of_looks_hold_each_look_once(panel_url, panel_ledger, auditor, story):
    patient = send(panel_ledger, story.clinic, story.partners["Web form"], "form", {"phone_number": "212-555-0168"})
    with psycopg.connect(panel_url) as owner:
        owner.execute(
            "INSERT INTO access_log (organization_id, actor, name, action, patient_id, request_id)"
            " SELECT %s, 'key:reader', 'Reader ' || n, 'read', %s, 'req_' || n FROM generate_series(1, 250) AS n",
            (story.clinic, patient),
        )
    seen: list[str] = []
    path: str | None = f"/panel/patients/{patient}/looks"
    while path:
        page = auditor.get(path).text
        seen += re.findall(r"Reader \d+", page)
        older = re.search(r'href="([^"]+/looks\?before=\d+)"', page)
        path = older and older[1]
    assert seen == [f"Reader {number}" for number in range(250, 0, -1)]


def export(person: Person, story: Story, form_of: str, query: str = "", purpose: str = "Audit") -> Result:
    """Return an exported file."""
    person.get(f"/panel/patients/{story.ann}/export{query}")
    form = {"format": form_of, "purpose": purpose, "recipient": "Dr. Elsewhere"}
    return person.post(f"/panel/patients/{story.ann}/export{query}", form)


def test_an_export_holds_exactly_what_is_filtered(auditor, story):
    lines = [json.loads(line) for line in export(auditor, story, "ndjson", "?kind=linked").text.splitlines()]
    assert {line["kind"] for line in lines} == {"linked"}
    assert [change["new"] for line in lines for change in line["changes"]] == ["00912", "00871", "A-1001"]
    everything = export(auditor, story, "ndjson").text.splitlines()
    assert [json.loads(line)["version"] for line in everything] == list(range(len(everything), 0, -1))


def test_a_csv_has_a_line_for_each_change_and_runs_no_formula(auditor, story):
    answer = export(auditor, story, "csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {"phone_number", "external_id", "payors.plan_name"} <= {row["field"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if re.match(r"[=@]|[+-](?![\d(])", cell)]
    assert answer.headers["content-disposition"] == f'attachment; filename="history-{story.ann}.csv"'


def test_an_export_needs_a_purpose_and_is_a_disclosure(auditor, story):
    assert export(auditor, story, "csv", purpose="").status_code == 422
    export(auditor, story, "fhir", purpose="Legal request")
    page = text_of(auditor.get(f"/panel/patients/{story.ann}/disclosures"))
    assert "Dr. Elsewhere History as fhir Legal request" in page
    assert "Acme Pharmacy The patient, in the answer to a record sent" in page
    assert "Nothing was disclosed" in text_of(
        auditor.get(f"/panel/patients/{story.ann}/disclosures?from=2001-01-01&to=2001-12-31")
    )


def test_a_fhir_bundle_has_what_r4_requires(auditor, story):
    bundle = export(auditor, story, "fhir").json
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert {each["resourceType"] for each in resources} == {"Provenance", "AuditEvent"}
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(resources)
    for each in resources:
        required = {
            "Provenance": {"target", "recorded", "agent"},
            "AuditEvent": {"type", "recorded", "agent", "source"},
        }[each["resourceType"]]
        assert required <= set(each)
        assert all("who" in agent for agent in each["agent"])
    kept = next(each for each in resources if "Phone kept" in each.get("outcomeDesc", ""))
    assert (kept["resourceType"], kept["outcome"]) == ("AuditEvent", "4")


@pytest.mark.parametrize(
    "path", ["/panel", "/panel/sign-in", "/panel/link/x", "/panel/nowhere", "/panel/static/panel.css"]
)
def test_every_answer_has_the_headers_of_a_page(auditor, path):
    answer = auditor.get(path)
    assert {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert answer.headers["cache-control"] == (
        "public, max-age=31536000, immutable" if "static" in path else "no-store"
    )


def test_no_page_carries_a_script_or_a_style_of_its_own(auditor, story):
    for page in ("/panel", *(f"/panel/patients/{story.ann}{each}" for each in PAGES if each != "/states")):
        html = auditor.get(page).text
        assert not re.search(r"<script(?![^>]*\bsrc=\"/panel/static/)", html)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|https?://", html)


@pytest.mark.parametrize("path", ["", "/events/99999", "/events/x", "/requests/none", "/blame?field=", "/compare"])
def test_another_clinics_patient_is_not_there(stranger, story, path):
    answer = stranger.get(f"/panel/patients/{story.ann}{path}")
    assert answer.status_code == 404
    assert "There is no such patient" in answer.text
    stranger.get("/panel")
    assert "Nobody found" in stranger.post("/panel", {"words": story.ann}).text


@pytest.fixture(scope="module")
def stranger(panel_ledger, client):
    """Return an auditor of another clinic."""
    person = Person(client, tell_story(panel_ledger, clinic_name="Elsewhere", logins="-elsewhere"))
    assert person.sign_in("axel-elsewhere").status_code == 303
    return person


def test_the_clinics_own_stream_is_no_patient(auditor, story):
    assert auditor.get(f"/panel/patients/{story.clinic}").status_code == 404


@pytest.mark.parametrize("path", ["/events/99999", "/events/x", "/events/0", "/requests/none", "/blame?field="])
def test_what_is_not_there_is_a_page_that_says_so(auditor, story, path):
    answer = auditor.get(f"/panel/patients/{story.ann}{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not in the history" in text_of(answer), "and not that there is no such patient"


def test_the_api_answers_problems_as_before_and_nothing_to_show(client):
    answer = client.simulate_get("/v1/patients/x", headers={"X-API-Key": "x"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    over_tls = client.simulate_get("/livez", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" in over_tls.headers
    assert "strict-transport-security" not in answer.headers


def test_what_a_partner_reads_is_recorded_and_disclosed(client, panel_ledger, auditor, story):
    shown, command = new_key("Reader")
    panel_ledger.administer(command, Caller(story.clinic, "test", "issuing"))
    key = {"X-API-Key": shown}
    client.simulate_get(f"/v1/patients/{story.twin}", headers=key)
    client.simulate_get(f"/v1/patients/{story.twin}/history", headers=key)
    client.simulate_get("/v1/patients", params={"first_name": "Bo"}, headers=key)
    client.simulate_get(f"/v1/patients/{story.ann}1", headers=key)
    with panel_ledger.recorder.reading(story.clinic) as cursor:
        recorded = access_log.of_patient(cursor, story.clinic, story.twin, limit=3)
    assert [(look.action, look.name) for look in recorded] == [("read", "Reader")] * 3
    page = text_of(auditor.get(f"/panel/patients/{story.twin}/disclosures"))
    assert "Reader The patient, through the API" in page
