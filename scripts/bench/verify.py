"""How many events a second does `verify` check, beside the rows read by a cursor and hashed twice? One process each."""

import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg.sql import SQL

from domain.checkpoint import ledger_checkpoint, sign_checkpoint
from domain.merkle import Frontier
from domain.signed_note import SigningKey
from domain.stream_heads import Heads, head_hash, stream_key
from projections.checkpoint_folder import CheckpointFolder
from projections.migrations import migrate
from projections.streams import read
from projections.verify import verify
from scripts.bench.histories import fill
from scripts.embedded import EmbeddedPostgres

KEY = SigningKey("patient-ledger-bench", bytes(range(32)))
_LEAVES = (
    "SELECT organization_id, originator_id, originator_version, chain_hash, leaf_hash FROM ledger_events"
    " ORDER BY position"
)
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
        checkpoints = CheckpointFolder(Path(folder) / "checkpoints")
        _sign(url, checkpoints)
        limits, ours, cpu = [], [], []
        for _ in range(rounds):
            started = time.perf_counter()
            count = _read_and_hash(url)
            limits.append(count / (time.perf_counter() - started))
            started, busy = time.perf_counter(), time.process_time()
            verdict = verify(url, KEY.verifier, checkpoints)
            ours.append(verdict.events / (time.perf_counter() - started))
            cpu.append((time.process_time() - busy) / verdict.events * 1e6)
            assert verdict.passed, verdict.findings
            assert verdict.stream_heads == 1
    ratios = [mine / limit for mine, limit in zip(ours, limits, strict=True)]
    return {
        "events": count,
        "events_per_s": round(median(ours)),
        "cpu_us_per_event": round(median(cpu), 2),
        "limit_events_per_s": round(median(limits)),
        "ratio": round(median(ratios), 3),
    }


def _sign(url: str, folder: CheckpointFolder) -> None:
    """Sign one checkpoint over everything, as the follower would."""
    frontier, heads = Frontier(), {}
    with psycopg.connect(url) as connection:
        for organization, stream, version, chain, leaf in connection.execute(_LEAVES):
            frontier, _ = frontier.extended([leaf])
            heads[stream_key(organization, stream)] = head_hash(version, chain)
    every = Heads()
    every.put(heads.items())
    signed = ledger_checkpoint(KEY.name, frontier.size, frontier.root(), every.root(), datetime.now(UTC))
    folder.keep(frontier.size, sign_checkpoint(signed, KEY))


def _read_and_hash(url: str) -> int:
    count = 0
    with psycopg.connect(url) as connection:
        rows: Any = read(connection, _ROWS)
        for salt, state, state_hash, leaf_hash, chain_hash in rows:
            assert sha256(salt + state).digest() == state_hash
            sha256(chain_hash + leaf_hash).digest()
            count += 1
    return count
