"""The panel in this process, on a real database with the story in it, and people who sign in."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import Result, TestClient

from api.app import create_app
from api.bootstrap import build_ledger
from api.settings import Settings
from domain.ledger import Ledger
from tests.conftest import NewDatabase
from tests.panel.story import PASSWORD, Story, tell_story

_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@dataclass
class Person:
    """Somebody at a browser: keeps cookies, sends forms with the token of the page before."""

    client: TestClient
    story: Story
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def get(self, path: str, **headers: str) -> Result:
        """Open a page."""
        return self._keep(self.client.simulate_get(path, headers=self._headers(headers)))

    def post(self, path: str, form: dict[str, str], *, with_token: bool = True, **headers: str) -> Result:
        """Send a form."""
        sent = {**form, "form_token": self.token} if with_token else form
        return self._keep(self.client.simulate_post(path, params=None, headers=self._headers(headers), **_body(sent)))

    def sign_in(self, login: str, password: str = PASSWORD) -> Result:
        """Sign in with a password."""
        self.get("/panel/sign-in")
        answer = self.post("/panel/sign-in", {"login": login, "password": password})
        if answer.status_code == 303:
            self.get("/panel")
        return answer

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": cookies, **{name.replace("_", "-"): value for name, value in headers.items()}}

    def _keep(self, answer: Result) -> Result:
        for name, cookie in answer.cookies.items():
            if cookie.value:
                self.cookies[name] = cookie.value
            else:
                self.cookies.pop(name, None)
        if found := _TOKEN.search(answer.text if "html" in (answer.headers.get("content-type") or "") else ""):
            self.token = found[1]
        return answer


def _body(form: dict[str, str]) -> dict[str, Any]:
    return {"body": urlencode(form), "content_type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="session")
def panel_url(new_database: NewDatabase) -> Iterator[str]:
    """Yield the database that the stories of this run are told in, as its owner."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="session")
def panel_ledger(panel_url: str) -> Iterator[Ledger]:
    """Yield the ledger on it."""
    with build_ledger(panel_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def story(panel_ledger: Ledger) -> Story:
    """Return a clinic that tests only look at."""
    return tell_story(panel_ledger)


@pytest.fixture(scope="session")
def client(panel_ledger: Ledger) -> TestClient:
    """Return a client of the application."""
    return TestClient(create_app(panel_ledger, Settings()))


@pytest.fixture
def somebody(client: TestClient, story: Story) -> Callable[[], Person]:
    """Return a maker of people who have not signed in."""
    return lambda: Person(client, story)


@pytest.fixture(scope="session")
def auditor(client: TestClient, story: Story) -> Person:
    """Return somebody who may see everything."""
    person = Person(client, story)
    assert person.sign_in("axel").status_code == 303
    return person


@pytest.fixture(scope="session")
def front_desk(client: TestClient, story: Story) -> Person:
    """Return somebody who sees masked values."""
    person = Person(client, story)
    assert person.sign_in("olivia").status_code == 303
    return person
