"""How many upserts a second, beside a hand-written floor, in one run and alternating?

Over HTTP: this service and the floor, each granian with two workers, on one PostgreSQL with fsync on. And the list
path, whole (body to commit), 32 records a transaction, in two processes.

`cpu_us` says where the processors' time went for one request, in µs: the web processes, PostgreSQL, both in their own
code and in the kernel, and what stayed idle. The rest is the client's and the machine's.
"""

import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psycopg

from api.bootstrap import build_ledger, new_id
from api.keys import new_key
from domain.commands import AddReferenceItem, CreateOrganization
from domain.receipt import Caller, Upsert
from domain.record import read_record
from projections.migrations import migrate
from scripts.bench import cpu, floor, load, records
from scripts.embedded import EmbeddedPostgres

PATH = "/v1/patients/upsert"
LIST = 32


def run(*, requests: int, rounds: int, clients: int, list_records: int) -> dict[str, Any]:
    """Return the figures. `requests` per round and server; rounds alternate."""
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
    ):
        url = server.database("ledger")
        migrate(url)
        api_key, organization_id, type_id = _tenant(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(floor.SCHEMA.encode())
            digest = hashlib.sha256(api_key.encode()).digest()
            connection.execute("INSERT INTO floor_keys VALUES (%s, %s)", (digest, organization_id))
        http = _over_http(url, api_key, type_id, requests, rounds, clients)
        return {**http, **_lists(url, organization_id, type_id, list_records)}


def _tenant(url: str) -> tuple[str, str, str]:
    organization_id, type_id = str(new_id()), str(new_id())
    caller = Caller(organization_id, "bench", "bench", source="manual")
    shown, issue = new_key("bench")
    with build_ledger(url) as ledger:
        ledger.administer(CreateOrganization(name="bench"), caller)
        ledger.administer(AddReferenceItem(kind="external-id-type", item_id=type_id, name="MRN"), caller)
        ledger.administer(issue, caller)
    return shown, organization_id, type_id


def _over_http(url: str, api_key: str, type_id: str, requests: int, rounds: int, clients: int) -> dict[str, Any]:
    ours: list[load.Measured] = []
    theirs: list[load.Measured] = []
    with (
        psycopg.connect(url, autocommit=True) as connection,
        serving("api.app:get_app", {"LEDGER_DATABASE_URL": url}) as us,
        serving("scripts.bench.floor:get_app", {"FLOOR_DATABASE_URL": url}) as them,
    ):
        postgres = cpu.parent_of(connection.info.backend_pid)
        for place in range(-1, rounds):  # the first round warms both up and does not count
            bodies = records.stream(requests, first=(place + 1) * requests, seed=place)
            for body in bodies:
                if "external_id" in body:
                    body["external_id"]["type_id"] = type_id
            sent = [load.request(PATH, api_key, orjson.dumps(body)) for body in bodies]
            for server, measured in ((us, ours), (them, theirs)):
                parts = {"web": server.pid, "postgres": postgres}
                before = cpu.counters(parts)
                taken = load.drive(server.port, sent, clients)
                after = cpu.counters(parts)
                taken.cpu_us = {part: (after[part] - before[part]) / requests for part in after}
                assert set(taken.statuses) == {200}, taken.statuses
                if place >= 0:
                    measured.append(taken)
            if place < 0:
                connection.execute("VACUUM ANALYZE")  # as autovacuum would have, long ago
    ratios = [mine.per_s / least.per_s for mine, least in zip(ours, theirs, strict=True)]
    return {
        "clients": clients,
        "requests": requests * rounds,
        **_figures("", ours),
        **_figures("floor_", theirs),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
    }


def _figures(prefix: str, measured: list[load.Measured]) -> dict[str, Any]:
    return {
        f"{prefix}upserts_per_s": round(statistics.median(each.per_s for each in measured), 1),
        f"{prefix}p50_ms": round(statistics.median(each.percentile_ms(0.5) for each in measured), 2),
        f"{prefix}p99_ms": round(statistics.median(each.percentile_ms(0.99) for each in measured), 2),
        f"{prefix}cpu_us": {
            part: round(statistics.median(each.cpu_us[part] for each in measured)) for part in measured[0].cpu_us
        },
    }


class Server(NamedTuple):
    """A server that answers: where, and its first process."""

    port: int
    pid: int


@contextmanager
def serving(target: str, environment: dict[str, str]) -> Iterator[Server]:
    """Yield a granian with two workers that serves this factory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--workers", "2",
        "--blocking-threads", "32", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", target,
    ]  # fmt: skip
    # What it logs is part of the work; it goes to memory, and is shown only if the server ends by itself.
    with os.fdopen(os.memfd_create("said"), "r+b") as said:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said)
        try:
            _await_port(port, process)
            yield Server(port, process.pid)
        finally:
            if process.poll() is not None:
                said.seek(0)
                sys.stderr.write(said.read().decode(errors="replace"))
            process.terminate()
            process.wait(timeout=30)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")


def _lists(url: str, organization_id: str, type_id: str, count: int) -> dict[str, float]:
    """Measure lists of 32, from body to commit, in two processes of their own people each."""
    processes = 2
    with ProcessPoolExecutor(processes) as pool:
        jobs = [(url, organization_id, type_id, count // processes, 10_000_000 * (n + 1)) for n in range(processes)]
        spans = list(pool.map(_place_lists, jobs))
    seconds = max(end for _, end in spans) - min(start for start, _ in spans)
    return {"list_records": count, "list_upserts_per_s": round(count / seconds, 1)}


def _place_lists(job: tuple[str, str, str, int, int]) -> tuple[float, float]:
    url, organization_id, type_id, count, first = job
    bodies = records.stream(count, first=first, seed=first)
    for body in bodies:
        if "external_id" in body:
            body["external_id"]["type_id"] = type_id
    sent = [orjson.dumps(body) for body in bodies]
    caller = Caller(organization_id, "bench", "bench", source="bulk_import")
    with build_ledger(url) as ledger:
        ledger.organization(organization_id)
        start = time.time()
        for place in range(0, count, LIST):
            read = [read_record(orjson.loads(body)) for body in sent[place : place + LIST]]
            ledger.upsert_many([Upsert(record, caller, drops) for record, drops in read])
        return start, time.time()
