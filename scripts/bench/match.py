"""Does an upsert take longer when there are more patients? One record at a time, at 10,000, 100,000 and 1,000,000.

Three databases on one server, loaded by COPY with the rows that the projections would have written; then measured in
turns, so that whatever else the machine does falls on all of them. The limit is what the smallest one takes.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import psycopg

from api.bootstrap import build_ledger, new_id
from domain.commands import AddReferenceItem, CreateOrganization
from domain.entry import Envelope
from domain.events import Event, ExternalIdAssigned, PatientCreated
from domain.ledger import Ledger
from domain.likeness import given_names
from domain.patient import Patient, fold
from domain.receipt import Caller, Upsert
from domain.record import read_record
from projections import copy_rows
from projections.inline import PROJECTIONS, Table
from projections.migrations import migrate
from scripts.bench.records import STREETS
from scripts.embedded import EmbeddedPostgres

SIZES = (10_000, 100_000, 1_000_000)
CHUNK = 5_000
PROCESSES = 2
LIMIT = 1.25

SYLLABLES = (
    "an", "bar", "ber", "cas", "dal", "den", "el", "far", "gan", "hol", "ing", "jen", "kow", "lan", "lez", "mar", "min",
    "nor", "ol", "per", "qui", "ros", "san", "tel", "ur", "ven", "wal", "zan",
)  # fmt: skip


def run(*, sizes: Sequence[int] = SIZES, requests: int, rounds: int) -> dict[str, Any]:
    """Return the figures. `requests` per round and database; rounds go through the databases in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
        ExitStack() as opened,
    ):
        clinics = [_clinic(server.database(f"patients_{size}"), size, opened) for size in sizes]
        taken: dict[int, list[list[float]]] = {size: [] for size in sizes}
        for place in range(-1, rounds):  # the first round warms up and does not count
            for size, (ledger, caller, type_id) in zip(sizes, clinics, strict=True):
                sent = [Upsert(*_read(body, caller)) for body in _bodies(size, requests, type_id, seed=place)]
                times = [_timed(ledger, upsert) for upsert in sent]
                if place >= 0:
                    taken[size].append(times)
        figures = {size: {"p50_ms": _median(taken[size], 0.50), "p99_ms": _median(taken[size], 0.99)} for size in sizes}
        least, most = figures[sizes[0]], figures[sizes[-1]]
        return {
            "patients": {str(size): figure for size, figure in figures.items()},
            "requests": requests * rounds,
            "limit": LIMIT,
            "floor_ms": least["p50_ms"],
            "ratio": round(most["p50_ms"] / least["p50_ms"], 3),
            "ratio_p99": round(most["p99_ms"] / least["p99_ms"], 3),
        }


def _timed(ledger: Ledger, upsert: Upsert) -> float:
    start = time.perf_counter()
    ledger.upsert(upsert)
    return time.perf_counter() - start


def _median(rounds: list[list[float]], share: float) -> float:
    """Return the median over the rounds of a percentile within each, in milliseconds."""
    return round(1000 * statistics.median(sorted(times)[int(share * len(times))] for times in rounds), 3)


def _read(body: dict[str, Any], caller: Caller) -> tuple[Any, Caller, Any]:
    record, received = read_record(body)
    return record, caller, received


# ---- who lives there


@cache
def _names() -> tuple[list[str], list[str]]:
    """Return (given names, surnames), the frequent ones first."""
    given = sorted(given_names())
    random.Random(1).shuffle(given)
    surnames = ["".join(parts).title() for parts in product(SYLLABLES, repeat=3)]
    random.Random(2).shuffle(surnames)
    return [name.title() for name in given[:3_000]], surnames[:20_000]


def _frequent(names: list[str], pick: random.Random, shift: int) -> str:
    """Return a name as often as names are borne: the commonest by one in a hundred or so, most by few."""
    return names[int(shift * ((len(names) / shift + 1) ** pick.random() - 1))]


def person(number: int) -> dict[str, str]:
    """Return the facts of one person, the same for the same number. Three of ten share a phone with two others."""
    pick = random.Random(number)
    given, surnames = _names()
    first, last = _frequent(given, pick, 20), _frequent(surnames, pick, 50)
    household = number - number % 10 if number % 10 < 3 else number
    return {
        "first_name": first,
        "last_name": last,
        "date_of_birth": f"{pick.randint(1930, 2020)}-{pick.randint(1, 12):02}-{pick.randint(1, 28):02}",
        "gender": pick.choice(("female", "male")),
        "phone_number": f"+1{2_010_000_000 + household * 37 % 7_900_000_000}",
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "address": f"{pick.randint(1, 999)} {pick.choice(STREETS)} St",
        "city": "Springfield",
        "state": "IL",
        "zip": f"{pick.randint(60000, 62999)}",
    }


def _bodies(size: int, count: int, type_id: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield records: 40 % new, 30 % moved, 15 % with a typo and without their id, 15 % unchanged."""
    pick = random.Random(seed)
    for number in range(count):
        kind = pick.random()
        known = pick.randrange(size)
        who = size + (seed + 2) * count + number if kind < 0.4 else known
        body: dict[str, Any] = {**person(who), "external_id": {"type_id": type_id, "value": f"MRN-{who}"}}
        if 0.4 <= kind < 0.7:
            body["address"] = f"{pick.randint(1, 999)} {pick.choice(STREETS)} Ave"
        elif 0.7 <= kind < 0.85:
            del body["external_id"]
            body["first_name"] = body["first_name"][:-1] if len(body["first_name"]) > 5 else body["first_name"]
        yield body


# ---- how they get there


def _clinic(url: str, size: int, opened: ExitStack) -> tuple[Ledger, Caller, str]:
    """Make an organization with this many patients; return (ledger, caller, the type of their ids)."""
    migrate(url)
    caller, type_id = Caller(str(new_id()), "bench", "bench"), str(new_id())
    ledger = opened.enter_context(build_ledger(url))
    ledger.administer(CreateOrganization(name="bench"), caller)
    ledger.administer(AddReferenceItem(kind="external-id-type", item_id=type_id, name="MRN"), caller)
    step = min(CHUNK, size)
    jobs = [(url, caller.organization_id, type_id, first, min(step, size - first)) for first in range(0, size, step)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        for _ in pool.map(_load, jobs):
            pass
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE)")
        owner.execute("CHECKPOINT")
    return ledger, caller, type_id


def _load(job: tuple[str, str, str, int, int]) -> None:
    """Copy the rows of some patients into the tables of the projections."""
    url, organization_id, type_id, first, count = job
    patients = [_patient(organization_id, type_id, number) for number in range(first, first + count)]
    tables = [table for each in PROJECTIONS.values() if each.of is Patient for table in each.tables]
    with psycopg.connect(url) as owner, owner.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for table in tables:
            _copy(cursor, table, patients)


def _copy(cursor: psycopg.Cursor[Any], table: Table, patients: Sequence[Patient]) -> None:
    assert table.encoded is not None
    with cursor.copy(f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.write(copy_rows.HEADER)
        copy.write(b"".join([table.encoded(patient, bytes(32)) for patient in patients]))
        copy.write(copy_rows.TRAILER)


def _patient(organization_id: str, type_id: str, number: int) -> Patient:
    """Return the fold of a patient as its first record leaves it."""
    told: list[Event] = [
        PatientCreated(facts=person(number)),
        ExternalIdAssigned(type_id=type_id, value=f"MRN-{number}"),
    ]
    envelope = Envelope(organization_id, str(new_id()), "2026-01-05T15:30:00.000000Z", "api")
    state = fold((event, envelope) for event in told)
    assert state is not None
    return state
