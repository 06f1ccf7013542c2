"""What is counted? Prometheus metrics; no label holds a value of a patient, an organization or a key.

With PROMETHEUS_MULTIPROC_DIR set (as `./scripts/serve` does) all workers write into files of that folder and each can
answer for all of them; without it a process counts for itself.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY

from domain.dropped import Dropped
from domain.errors import LedgerUnavailable
from domain.ledger import Ledger
from domain.receipt import Receipt
from domain.record import UpsertRecord

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

REQUESTS = Histogram("ledger_request_seconds", "Time to answer.", ["method", "route", "status"], buckets=_SECONDS)
UPSERTS = Counter("ledger_upserts", "Records placed, by what became of them.", ["outcome"])
DROPS = Counter("ledger_dropped_values", "Values that were sent and not used.", ["field", "reason"])
STEPS = Histogram(
    "ledger_transaction_seconds",
    "Time within a transaction: look_up waits for the locks of match keys, append for the head row and the disk.",
    ["step"],
    buckets=_SECONDS,
)
RETRIES = Counter("ledger_retries", "Lists tried again, by what was in the way.", ["cause"])
LIST_SIZE = Histogram("ledger_transaction_records", "Records in a transaction.", buckets=(1, 2, 4, 8, 16, 32))
POOL = Gauge(
    "ledger_pool", "Database connections of all workers, and who waits.", ["state"], multiprocess_mode="livesum"
)
POOL_ERRORS = Counter("ledger_pool_errors", "Requests that got no connection.")

_FIELDS = frozenset(UpsertRecord.model_fields)


def note(name: str, amount: float) -> None:
    """Count what the ledger tells of its transactions."""
    match name:
        case "look_up" | "append":
            STEPS.labels(name).observe(amount)
        case "records":
            LIST_SIZE.observe(amount)
        case _:
            RETRIES.labels(name).inc(amount)


def count_receipt(receipt: Receipt) -> None:
    """Count what became of a record."""
    tier = getattr(receipt.outcome, "tier", None)
    outcome = "replayed" if receipt.replayed else "created" if receipt.created else str(tier)
    UPSERTS.labels(outcome).inc()
    if not receipt.replayed:
        count_drops(receipt.dropped)


def count_drops(dropped: Iterable[Dropped]) -> None:
    """Count dropped values by field of the record; names of the sender's choice count as one."""
    for drop in dropped:
        field = drop.field.partition(".")[0]
        DROPS.labels(field if field in _FIELDS else "other", drop.reason).inc()


class PoolGauges:
    """Tells of the process's connections, at most once a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._pool = ledger.recorder.datastore.pool  # type: ignore[attr-defined] # of the one recorder there is
        self._next = 0.0
        self._errors = 0

    def renew(self) -> None:
        """Set the gauges if it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 1
        stats = self._pool.get_stats()
        size, free = stats.get("pool_size", 0), stats.get("pool_available", 0)
        POOL.labels("used").set(size - free)
        POOL.labels("free").set(free)
        POOL.labels("waiting").set(stats.get("requests_waiting", 0))
        errors = stats.get("requests_errors", 0)
        POOL_ERRORS.inc(errors - self._errors)
        self._errors = errors


class LedgerCollector:
    """What the database tells at the moment of asking: the head, the followers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Any]:
        """Return the metrics; without a database only that it is away."""
        up = GaugeMetricFamily("ledger_database_up", "Whether the database answers.")
        position = GaugeMetricFamily("ledger_position", "Position of the last entry.")
        lag = GaugeMetricFamily("ledger_follower_lag", "Entries a follower has yet to read.", labels=["follower"])
        parked = GaugeMetricFamily("ledger_parked_streams", "Streams set aside.", labels=["projection"])
        try:
            with self._ledger.recorder.reading() as cursor:
                head = cursor.execute("SELECT position FROM ledger_head").fetchone()[0]
                read = cursor.execute("SELECT application_name, notification_id FROM follower_tracking").fetchall()
                aside = cursor.execute("SELECT projection, streams FROM parked_counts()").fetchall()
        except LedgerUnavailable:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        position.add_metric([], head)
        for follower, at in read:
            lag.add_metric([follower], head - at)
        for projection, streams in aside:
            parked.add_metric([projection], streams)
        return [up, position, lag, parked]


def exposition(ledger: Ledger) -> bytes:
    """Return all metrics of all workers in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger))
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(REGISTRY) + generate_latest(registry)
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(int(pid), folder)  # type: ignore[no-untyped-call] # the library has no types
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call] # the library has no types
    return generate_latest(registry)
