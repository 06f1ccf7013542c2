"""Who gets in?"""

import time
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

from api.panel.accounts import LoginTaken, PasswordTooShort, UnknownLogin, add_member, disable, new_link
from api.panel.passwords import hash_password, is_password
from tests.panel.story import PASSWORD


@pytest.fixture
def newcomer(panel_ledger, story):
    """Return the login of somebody whom only this test knows."""
    login = f"new-{uuid4().hex}"
    add_member(panel_ledger, story.clinic, login=login, name="New Person", role="clinician", password=PASSWORD)
    return login


def test_a_page_sends_to_the_sign_in_and_back(somebody, story):
    person = somebody()
    answer = person.get(f"/panel/patients/{story.ann}?kind=kept")
    assert answer.status_code == 303
    person.get(answer.headers["location"])
    form = {"login": "dana", "password": PASSWORD, "next": f"/panel/patients/{story.ann}?kind=kept"}
    assert person.post("/panel/sign-in", form).headers["location"] == f"/panel/patients/{story.ann}?kind=kept"


def test_a_part_of_a_page_sends_to_the_sign_in_and_back_to_the_page(somebody, story):
    page = f"/panel/patients/{story.ann}?kind=kept"
    answer = somebody().get(
        f"{page}&kind=linked", HX_Request="true", HX_Target="timeline", HX_Current_URL=f"http://127.0.0.1{page}"
    )
    assert answer.headers["hx-redirect"] == f"/panel/sign-in?next={quote(page, safe='')}"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/panel\\evil", "/panelx", "javascript:1"]
)
def test_the_sign_in_sends_nobody_to_another_place(somebody, elsewhere):
    person = somebody()
    person.get("/panel/sign-in")
    answer = person.post("/panel/sign-in", {"login": "dana", "password": PASSWORD, "next": elsewhere})
    assert answer.headers["location"] == "/panel"


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(somebody):
    person = somebody()
    person.get("/panel/sign-in")
    cookie = person.post("/panel/sign-in", {"login": "dana", "password": PASSWORD}).cookies["panel_session"]
    assert (cookie.http_only, cookie.same_site, cookie.path, cookie.secure) == (True, "Lax", "/panel", False)
    over_tls = person.post("/panel/sign-in", {"login": "dana", "password": PASSWORD}, X_Forwarded_Proto="https")
    assert over_tls.cookies["panel_session"].secure


def test_a_wrong_password_and_an_unknown_login_look_the_same(somebody):
    pages = []
    for login in ("axel", "nobody-there"):
        person = somebody()
        answer = person.sign_in(login, "wrong password")
        pages.append((answer.status_code, answer.text.replace(login, "").replace(person.token, "")))
    assert pages[0] == pages[1]
    assert pages[0][0] == 403


def test_an_unknown_login_costs_as_much_time_as_a_known_one():
    began = time.process_time()
    assert not is_password("x" * 12, None)
    unknown = time.process_time() - began
    began = time.process_time()
    stored = hash_password("x" * 12)
    assert unknown > (time.process_time() - began) / 4
    assert is_password("x" * 12, stored)


def test_a_login_rests_after_five_wrong_tries_even_for_the_right_password(somebody, newcomer, panel_ledger):
    person = somebody()
    for _ in range(5):
        assert person.sign_in(newcomer, "wrong").status_code == 403
    assert person.sign_in(newcomer).status_code == 403
    path, _ = new_link(panel_ledger, newcomer)
    person.get(path)
    assert person.post(path, {}).status_code == 303


def test_four_wrong_tries_are_forgotten_by_a_right_one(somebody, newcomer):
    person = somebody()
    for _ in range(2):
        for _ in range(4):
            person.sign_in(newcomer, "wrong")
        assert person.sign_in(newcomer).status_code == 303


def test_a_one_time_link_lets_in_once_and_only_when_its_button_is_pressed(somebody, newcomer, panel_ledger):
    path, _ = new_link(panel_ledger, newcomer)
    for _ in range(2):
        assert "New Person" in somebody().get(path).text
    person, second = somebody(), somebody()
    person.get(path)
    second.get(path)
    assert person.post(path, {}).status_code == 303
    person.get("/panel/password")
    assert person.post("/panel/password", {"password": "chosen by me", "again": "chosen by me"}).status_code == 303
    assert person.get("/panel").status_code == 200
    assert second.post(path, {}).status_code == 404
    assert somebody().get(path).status_code == 404


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(somebody, newcomer):
    person = somebody()
    person.sign_in(newcomer)
    stolen = somebody()
    stolen.cookies = dict(person.cookies)
    assert person.post("/panel/sign-out", {}).status_code == 303
    assert stolen.get("/panel").status_code == 303


def test_a_new_password_ends_the_other_sessions(somebody, newcomer):
    person, other = somebody(), somebody()
    person.sign_in(newcomer)
    other.sign_in(newcomer)
    new = "another horse battery"
    form = {"current": PASSWORD, "password": new, "again": new}
    for wrong in ({"again": "x"}, {"current": "not it at all"}, {"password": "short", "again": "short"}):
        assert person.post("/panel/password", {**form, **wrong}).status_code == 422
    assert person.post("/panel/password", form).status_code == 303
    assert person.get("/panel").status_code == 200
    assert other.get("/panel").status_code == 303
    assert somebody().sign_in(newcomer, new).status_code == 303


def test_a_disabled_login_is_out_at_once(somebody, newcomer, panel_ledger):
    person = somebody()
    person.sign_in(newcomer)
    disable(panel_ledger, newcomer)
    assert person.get("/panel").status_code == 303
    assert person.sign_in(newcomer).status_code == 403


@pytest.mark.parametrize(("column", "age"), [("seen_at", "31 minutes"), ("started_at", "13 hours")])
def test_a_session_ends_when_it_is_idle_or_old(somebody, newcomer, panel_url, column, age):
    person = somebody()
    person.sign_in(newcomer)
    with psycopg.connect(panel_url) as owner:
        owner.execute(
            f"UPDATE staff_sessions SET {column} = now() - %s::interval"
            " WHERE staff_id = (SELECT id FROM staff WHERE login = %s)",
            (age, newcomer),
        )
    assert person.get("/panel").status_code == 303


def test_a_form_of_another_site_is_refused(somebody):
    person = somebody()
    person.get("/panel/sign-in")
    assert person.post("/panel/sign-in", {"login": "dana", "password": PASSWORD}, with_token=False).status_code == 403
    assert person.sign_in("dana").status_code == 303
    assert person.post("/panel", {"words": "lopez"}, with_token=False).status_code == 403
    assert person.post("/panel/sign-out", {"form_token": "0" * 64}, with_token=False).status_code == 403
    assert person.get("/panel").status_code == 200


def test_a_login_is_taken_once_and_a_password_is_long(panel_ledger, story):
    with pytest.raises(LoginTaken):
        add_member(panel_ledger, story.clinic, login="DANA", name="D", role="clinician")
    with pytest.raises(PasswordTooShort):
        add_member(panel_ledger, story.clinic, login="short", name="S", role="clinician", password="x" * 11)
    with pytest.raises(UnknownLogin):
        new_link(panel_ledger, "nobody-there")


def test_passwords_and_tokens_are_stored_hashed(panel_ledger, panel_url, somebody, newcomer):
    person = somebody()
    person.sign_in(newcomer)
    path, _ = new_link(panel_ledger, newcomer)
    secrets = (PASSWORD, person.cookies["panel_session"], path.rpartition("/")[2])
    with psycopg.connect(panel_url) as owner:
        for table in ("staff", "staff_sessions", "staff_links", "access_log"):
            stored = str(owner.execute(f"SELECT string_agg({table}::text, '') FROM {table}").fetchall())
            assert "01" in stored
            assert not [secret for secret in secrets if secret in stored]
