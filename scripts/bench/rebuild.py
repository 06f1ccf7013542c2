"""How many events a second does a rebuild read, fold and write, beside COPY of the same rows into the same tables?

And what do those notice who upsert meanwhile, and how much memory does it take for a tenth of the events and for all?
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from api.bootstrap import build_ledger, new_id
from api.keys import new_key
from domain.commands import CreateOrganization
from domain.receipt import Caller
from projections.migrations import migrate
from scripts.bench import load, records
from scripts.bench.histories import fill
from scripts.bench.upsert import PATH, serving
from scripts.embedded import EmbeddedPostgres

NAMES = ("patients", "match_index")
TABLES = ("patients", "match_keys")


def run(*, events: int, rounds: int, upserts_per_s: int) -> dict[str, Any]:
    """Return the figures; rounds alternate between one process, two processes and the limit."""
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
    ):
        url = server.database("ledger")
        migrate(url)
        _fill(url, events // 10, seed=1)
        _, small_mb = _rebuild(url, 1)
        _fill(url, events - events // 10, seed=2)
        _rebuild(url, 1)  # warms up, and makes the rows live
        took: dict[str, list[float]] = {"1": [], "2": [], "limit": [], "in_place_1": []}
        for _ in range(rounds):
            _rest(url)
            report, mb = _rebuild(url, 1)
            took["1"].append(_until_complete(report))
            took["in_place_1"].append(sum(report["seconds"].values()))
            _rest(url)
            report, _ = _rebuild(url, 2)
            took["2"].append(_until_complete(report))
            _rest(url)
            took["limit"].append(copy_seconds(url, Path(folder), TABLES))
        count = report["entries"]
        noticed = _upserts(url, upserts_per_s, rounds)
    rates = {name: round(count / median(seconds)) for name, seconds in took.items()}
    return {
        "events": count,
        "one_process_events_per_s": rates["1"],
        "two_processes_events_per_s": rates["2"],
        "one_process_compared_and_in_place_events_per_s": rates["in_place_1"],
        "limit_events_per_s": rates["limit"],
        "ratio": round(rates["1"] / rates["limit"], 3),
        "ratio_two_processes": round(rates["2"] / rates["limit"], 3),
        "memory_mb": round(mb, 1),
        "memory_of_a_tenth_mb": round(small_mb, 1),
        **noticed,
    }


def _fill(url: str, events: int, *, seed: int) -> None:
    """Fill the ledger in a process of its own: a child's memory is counted from that of its parent on."""
    filling = get_context("spawn").Process(target=fill, args=(url, events), kwargs={"seed": seed})
    filling.start()
    filling.join()
    assert filling.exitcode == 0


def _rest(url: str) -> None:
    """Let the server be done with what was before: no measurement pays for another one.

    So it is at rest when a nightly rebuild begins, and has segments of its log to use again; a young one has to make
    each, and lets a COMMIT wait for that.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _rebuild(url: str, workers: int) -> tuple[dict[str, Any], float]:
    """Rebuild as the command line does; return its report and the largest memory of a process that built, in MB."""
    command = [
        sys.executable, "-m", "scripts.ledger", "rebuild", *NAMES, "--accept", "--json", "--workers", str(workers)
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, "LEDGER_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    report = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert report["flipped"], report
    return report, usage.ru_maxrss / 1024


def _until_complete(report: dict[str, Any]) -> float:
    """Return the seconds until the new tables had all rows and indexes."""
    seconds: dict[str, float] = report["seconds"]
    return sum(seconds[phase] for phase in ("build", "index", "catch_up"))


def copy_seconds(url: str, folder: Path, tables: Sequence[str]) -> float:
    """Return the seconds that COPY takes for the rows of these tables, into empty ones with the same indexes."""
    seconds = 0.0
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for table in tables:
            kept = folder / table
            columns = SQL(", ").join(map(Identifier, _written_columns(cursor, table)))
            taken = SQL("COPY {} ({}) TO STDOUT (FORMAT BINARY)").format(Identifier(table), columns)
            with cursor.copy(taken) as out, kept.open("wb") as file:
                file.writelines(out)
            twin = Identifier(f"{table}_limit")
            cursor.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(twin, Identifier(table)))
            started = time.perf_counter()
            with (
                cursor.copy(SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(twin, columns)) as into,
                kept.open("rb") as file,
            ):
                while block := file.read(1 << 18):
                    into.write(block)
            seconds += time.perf_counter() - started
            cursor.execute(SQL("DROP TABLE {}").format(twin))
            kept.unlink()
    return seconds


def _written_columns(cursor: psycopg.Cursor[Any], table: str) -> Sequence[str]:
    found = cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        (table,),
    )
    return [row[0] for row in found.fetchall()]


def _upserts(url: str, per_s: int, rounds: int) -> dict[str, float]:
    """Return how long upserts over HTTP take without and with a rebuild, sent at a steady rate, in alternation."""
    api_key = _tenant(url)
    quiet: list[float] = []
    busy: list[float] = []
    longest: list[float] = []
    with serving("api.app:get_app", {"LEDGER_DATABASE_URL": url, "LEDGER_LOG_LEVEL": "error"}) as server:
        _steadily(server.port, api_key, per_s, seconds=3, first=0)
        for first in range(100_000, 100_000 * (2 * rounds + 1), 200_000):
            _rest(url)
            without = _steadily(server.port, api_key, per_s, seconds=10, first=first)
            rebuilding = threading.Thread(target=_rebuild, args=(url, 1))
            rebuilding.start()
            meanwhile = _steadily(
                server.port, api_key, per_s, seconds=600, first=first + 100_000, going_on=rebuilding.is_alive
            )
            rebuilding.join()
            quiet.append(without.percentile_ms(0.99))
            busy.append(meanwhile.percentile_ms(0.99))
            longest.append(max(meanwhile.latencies_ms))
    ratios = [with_it / without_it for with_it, without_it in zip(busy, quiet, strict=True)]
    return {
        "upserts_per_s_meanwhile": per_s,
        "upsert_p99_without_ms": round(median(quiet), 2),
        "upsert_p99_meanwhile_ms": round(median(busy), 2),
        "upsert_p99_ratio": round(median(ratios), 2),
        "upsert_p99_ratio_min": round(min(ratios), 2),
        "upsert_p99_ratio_max": round(max(ratios), 2),
        "upsert_longest_meanwhile_ms": round(max(longest), 2),
    }


def _steadily(
    port: int,
    api_key: str,
    per_s: int,
    *,
    seconds: float,
    first: int,
    going_on: Callable[[], bool] = lambda: True,
) -> load.Measured:
    """Send so many upserts a second over four connections, whether or not the ones before were answered."""
    measured = load.Measured()
    lock = threading.Lock()
    start = time.perf_counter()

    def send(lane: int, lanes: int) -> None:
        client = load.Client(port)
        for number in range(lane, int(per_s * seconds), lanes):
            due = start + number / per_s
            time.sleep(max(0.0, due - time.perf_counter()))
            if not going_on():
                break
            body = records.person(first + number)
            del body["external_id"]
            client.send(load.request(PATH, api_key, orjson.dumps(body)))
            while (status := client.take()) is None:
                pass
            with lock:
                measured.latencies_ms.append((time.perf_counter() - due) * 1000)
                measured.statuses[status] = measured.statuses.get(status, 0) + 1
        client.socket.close()

    lanes = [threading.Thread(target=send, args=(lane, 4)) for lane in range(4)]
    for each in lanes:
        each.start()
    for each in lanes:
        each.join()
    measured.seconds = time.perf_counter() - start
    assert set(measured.statuses) == {200}, measured.statuses
    return measured


def _tenant(url: str) -> str:
    organization_id = str(new_id())
    caller = Caller(organization_id, "bench", "bench", source="manual")
    shown, issue = new_key("bench")
    with build_ledger(url) as ledger:
        ledger.administer(CreateOrganization(name="bench"), caller)
        ledger.administer(issue, caller)
    return shown
