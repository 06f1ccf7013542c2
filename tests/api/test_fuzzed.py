"""The running service, asked everything the OpenAPI document allows and much that it does not, keeps its promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from api import openapi
from api.bootstrap import build_ledger
from api.routes import ROUTES
from tests.api.clinic import found_clinic
from tests.api.service import serving
from tests.conftest import NewDatabase

SEED = "20260105"

EXCLUDED = (
    "negative_data_rejection",  # records are read forgivingly: what does not fit is dropped and named
    "positive_data_acceptance",  # a record of the right form may still identify nobody: 422
)


NDJSON = "/v1/patients/upsert-batch"
"""The one operation whose body schemathesis cannot write; its own tests send it much."""


@pytest.mark.timeout(300)
def test_schemathesis_finds_no_error_of_ours_and_no_answer_that_is_not_described(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LEDGER_LOG_LEVEL", "error")
    with new_database() as url:
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        with serving(url, workers=1) as base:
            run = subprocess.run(
                [
                    str(Path(sys.executable).with_name("schemathesis")),
                    *("run", str(openapi.FILE), "--url", base, "--header", f"X-API-Key: {clinic.api_key}"),
                    *("--max-examples", "15", "--seed", SEED, "--phases", "examples,coverage,fuzzing"),
                    *("--exclude-path", NDJSON),
                    *("--exclude-checks", ",".join(EXCLUDED), "--suppress-health-check", "all"),
                    *("--continue-on-failure", "--generation-database", "none", "--no-color", "--warnings", "off"),
                ],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=280,
                check=False,
            )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    described = sum(len(resource.operations) for path, resource in ROUTES.items() if path != NDJSON)
    assert f"Tested: {described}\n" in run.stdout
