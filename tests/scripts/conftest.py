"""Where do the tests of the launchers and of the embedded server keep their files?"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that also the user of a root-started PostgreSQL can walk to, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="ledger-"))
    yield path
    shutil.rmtree(path)
