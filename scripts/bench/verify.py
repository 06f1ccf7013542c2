"""How many events a second does `verify` check, beside the least it must do: read every row and hash it twice?"""

import tempfile
import time
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg.sql import SQL

from projections.checkpoint_folder import CheckpointFolder
from projections.migrations import migrate
from projections.streams import read
from projections.verify import verify
from scripts.bench.histories import fill
from scripts.embedded import EmbeddedPostgres

_ROWS = SQL("SELECT salt, state, state_hash, leaf_hash, chain_hash FROM ledger_events ORDER BY position").format()


def run(*, events: int, rounds: int) -> dict[str, Any]:
    """Return the figures of one process; rounds alternate between the limit and `verify`."""
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
    ):
        url = server.database("ledger")
        migrate(url)
        fill(url, events)
        nothing_signed = CheckpointFolder(Path(folder) / "checkpoints")
        limits, ours = [], []
        for _ in range(rounds):
            started = time.perf_counter()
            count = _read_and_hash(url)
            limits.append(count / (time.perf_counter() - started))
            started = time.perf_counter()
            verdict = verify(url, None, nothing_signed)
            ours.append(verdict.events / (time.perf_counter() - started))
            assert verdict.passed, verdict.findings
    ratios = [mine / limit for mine, limit in zip(ours, limits, strict=True)]
    return {
        "events": count,
        "events_per_s": round(median(ours)),
        "limit_events_per_s": round(median(limits)),
        "ratio": round(median(ratios), 3),
    }


def _read_and_hash(url: str) -> int:
    count = 0
    with psycopg.connect(url) as connection:
        rows: Any = read(connection, _ROWS)
        for salt, state, state_hash, leaf_hash, chain_hash in rows:
            assert sha256(salt + state).digest() == state_hash
            sha256(chain_hash + leaf_hash).digest()
            count += 1
    return count
