"""Where do the tests of the launchers and of the embedded server keep their files? And the clinic of the others."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clinic import clinic

__all__ = ["clinic", "folder"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that also the user of a root-started PostgreSQL can walk to, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="ledger-"))
    yield path
    shutil.rmtree(path)
