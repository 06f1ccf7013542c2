"""Several real processes that write to one ledger at the same moment, each with many threads."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from domain.errors import LedgerError
from domain.receipt import Receipt
from tests.clinic import Clinic, open_ledger

PROCESSES = 4

Body = dict[str, Any]

_start: Barrier | None = None


class Landed(NamedTuple):
    """Where a record landed: the patient, how it was found, and how many events it led to."""

    patient_id: str
    created: bool
    tier: str | None
    events: int
    version: int


def _take_part(start: Barrier) -> None:
    global _start  # noqa: PLW0603 - how a process of the pool gets what all of them share
    _start = start


def _landed(result: Receipt | LedgerError) -> Landed:
    if isinstance(result, LedgerError):
        raise result
    tier = None if result.created else result.outcome.tier
    return Landed(result.patient.id, result.created, tier, len(result.events), result.patient.version)


def _upsert(clinic: Clinic, body: Body) -> list[Landed]:
    (upsert,) = clinic.upserts(body)
    return [_landed(clinic.ledger.upsert(upsert))]


def _alone(clinic: Clinic, body: Body) -> list[Landed]:
    return [_landed(result) for result in clinic.send_list(body)]


def _list(clinic: Clinic, bodies: Sequence[Body]) -> list[Landed]:
    return [_landed(result) for result in clinic.send_list(*bodies)]


def _communicate(clinic: Clinic, patient_id: str) -> list[Landed]:
    clinic.communicate(patient_id)
    return []


WAYS: dict[str, Callable[[Clinic, Any], list[Landed]]] = {
    "upsert": _upsert,
    "alone": _alone,
    "list": _list,
    "communicate": _communicate,
}


def _run(url: str, organization_id: str, rounds: Sequence[Sequence[tuple[str, Any]]]) -> list[list[Landed]]:
    """Do the work of each round from a thread for each piece, beginning when all processes are ready."""
    assert _start is not None
    landed = []
    with ExitStack() as stack:
        clinic = Clinic(url, stack.enter_context(open_ledger(url, POSTGRES_CONNECT_TIMEOUT="30")), organization_id)
        clinic.ledger.organization(organization_id)
        threads = stack.enter_context(ThreadPoolExecutor(max(map(len, rounds), default=1)))
        for work in rounds:
            _start.wait(60)
            pieces = [threads.submit(partial(WAYS[way], clinic, what)) for way, what in work]
            landed.append([each for piece in pieces for each in piece.result()])
    return landed


class Racers:
    """Four processes; `race` gives each its own work for each round."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(PROCESSES)
        self._pool = ProcessPoolExecutor(PROCESSES, mp_context=spawn, initializer=_take_part, initargs=(start,))

    def race(self, clinic: Clinic, *work: Sequence[Sequence[tuple[str, Any]]]) -> list[list[Landed]]:
        """Run rounds[process][round] = [(way, what)]; return what landed in each round."""
        running = [self._pool.submit(_run, clinic.url, clinic.id, rounds) for rounds in work]
        by_process = [each.result(110) for each in running]
        return [[landed for rounds in by_process for landed in rounds[turn]] for turn in range(len(work[0]))]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()
