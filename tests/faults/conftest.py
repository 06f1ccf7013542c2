"""What do the tests of faults break? One installation for all that leave it as it was, with a clinic for each test."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.clinic import Clinic
from tests.faults.installation import Installation, installed


@pytest.fixture(scope="session")
def _installation() -> Iterator[Installation]:
    with installed() as installation:
        yield installation


@pytest.fixture
def installation(_installation: Installation) -> Installation:
    """Return the installation, with everything running that an earlier test may have left dead."""
    _installation.start_postgres()
    _installation.start_service()
    return _installation


@pytest.fixture
def clinic(installation: Installation) -> Clinic:
    """Return a clinic with reference data and a key."""
    return installation.found_clinic()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that also the user of a root-started PostgreSQL can walk to, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="ledger-faults-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def seed() -> int:
    """Return the seed of this test's chance: TEST_SEED, or a new one, which is printed."""
    chosen = int(os.environ.get("TEST_SEED") or secrets.randbelow(1_000_000))
    print(f"TEST_SEED={chosen} repeats this run")
    return chosen
