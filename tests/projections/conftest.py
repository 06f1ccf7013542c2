"""The clinic, for the tests of this folder, and its ledger once it was signed."""

from pathlib import Path

import pytest

from projections.checkpoint_folder import CheckpointFolder
from tests.clinic import Clinic, clinic
from tests.projections.signed_ledger import Signed, signed_twice

__all__ = ["clinic"]


@pytest.fixture
def signed(clinic: Clinic, tmp_path: Path) -> Signed:
    """Return a ledger of some twenty entries, signed twice."""
    return signed_twice(clinic, CheckpointFolder(tmp_path / "checkpoints"))
