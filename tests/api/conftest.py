"""The service in this process, on a real database: a clinic, and a partner who holds its key."""

from collections.abc import Iterator

import pytest
from falcon.testing import TestClient

from api.app import create_app
from api.bootstrap import build_ledger
from api.settings import Settings
from domain.ledger import Ledger
from tests.api.clinic import Clinic, Partner, found_clinic


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """Yield the ledger on this test's database."""
    with build_ledger(database_url) as opened:
        yield opened


@pytest.fixture
def clinic(ledger: Ledger) -> Clinic:
    """Return a clinic with reference data."""
    return found_clinic(ledger)


@pytest.fixture
def client(ledger: Ledger) -> TestClient:
    """Return a client of the service."""
    return TestClient(create_app(ledger, Settings()))


@pytest.fixture
def partner(client: TestClient, clinic: Clinic) -> Partner:
    """Return a partner of the clinic."""
    return Partner(client, clinic.api_key)
