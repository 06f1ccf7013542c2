"""How many upserts a second does an import place with two processes, beside COPY of the rows that it leaves?"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from api.bootstrap import build_ledger, new_id
from domain.commands import AddReferenceItem, CreateOrganization
from domain.receipt import Caller
from projections.migrations import migrate
from scripts.bench import records
from scripts.bench.rebuild import copy_seconds
from scripts.embedded import EmbeddedPostgres

TABLES = ("ledger_events", "patients", "match_keys")


def run(*, rows: int, rounds: int, workers: int) -> dict[str, Any]:
    """Return the figures; every round imports into an organization of its own."""
    taken = []
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
    ):
        url = server.database("ledger")
        migrate(url)
        for _ in range(rounds + 1):  # the first one warms up
            organization_id, type_id = _tenant(url)
            file = _written(Path(folder) / f"{organization_id}.ndjson", rows, type_id)
            taken.append(_import(url, file, organization_id, workers))
        limit = rows * (rounds + 1) / copy_seconds(url, Path(folder), TABLES)
    rates = [each["upserts_per_s"] for each in taken[1:]]
    return {
        "rows": rows,
        "processes": workers,
        "upserts_per_s": median(rates),
        "slowest_upserts_per_s": min(rates),
        "limit_upserts_per_s": round(limit, 1),
        "ratio": round(median(rates) / limit, 3),
        "created": taken[-1]["created"],
        "matched": taken[-1]["matched"],
        "unchanged": taken[-1]["unchanged"],
        "events": taken[-1]["events"],
    }


def _import(url: str, file: Path, organization_id: str, workers: int) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "scripts.ledger", "import", str(file), "--organization", organization_id,
        "--workers", str(workers), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "LEDGER_DATABASE_URL": url}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _written(file: Path, rows: int, type_id: str) -> Path:
    bodies = records.stream(rows, first=0, seed=1)
    for body in bodies:
        if "external_id" in body:
            body["external_id"]["type_id"] = type_id
    file.write_bytes(b"".join(orjson.dumps(body) + b"\n" for body in bodies))
    return file


def _tenant(url: str) -> tuple[str, str]:
    organization_id, type_id = str(new_id()), str(new_id())
    caller = Caller(organization_id, "bench", "bench", source="manual")
    with build_ledger(url) as ledger:
        ledger.administer(CreateOrganization(name="bench"), caller)
        ledger.administer(AddReferenceItem(kind="external-id-type", item_id=type_id, name="MRN"), caller)
    return organization_id, type_id
