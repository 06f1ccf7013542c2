"""The service in this process, on a real database: a clinic for each test, and a partner who holds its key.

The database is shared by the tests of a file: each has an organization of its own, and tenants do not meet.
"""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from falcon.testing import TestClient

from api.app import create_app
from api.bootstrap import build_ledger
from api.settings import Settings
from domain.ledger import Ledger
from tests.api.clinic import Clinic, Partner, found_clinic
from tests.conftest import NewDatabase


@pytest.fixture(scope="module")
def ledger(new_database: NewDatabase) -> Iterator[Ledger]:
    """Yield the ledger on this file's database."""
    with new_database() as url, build_ledger(url) as opened:
        yield opened


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Return how the browser starts: the system's own, which has no sandbox when it runs as root."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a browser: install Debian's package chromium")
    return {**browser_type_launch_args, "executable_path": path, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}


@pytest.fixture
def clinic(ledger: Ledger) -> Clinic:
    """Return a clinic with reference data."""
    return found_clinic(ledger)


@pytest.fixture(scope="module")
def client(ledger: Ledger) -> TestClient:
    """Return a client of the service."""
    return TestClient(create_app(ledger, Settings()))


@pytest.fixture
def partner(client: TestClient, clinic: Clinic) -> Partner:
    """Return a partner of the clinic."""
    return Partner(client, clinic.api_key)
