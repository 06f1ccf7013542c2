"""Whatever is killed under load: what a partner was told is there exactly once, and the service comes back by itself.

A partner with an Idempotency-Key for each request sends it again until it is answered.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.clinic import Clinic
from tests.faults.installation import Installation, is_alive, kill
from tests.faults.senders import sending
from tests.faults.served import serving
from tests.faults.truth import check_acknowledged, check_ledger
from tests.scripts.waiting import until


def a_worker(installation: Installation, chance: random.Random) -> None:
    """Granian starts another one."""
    kill(chance.choice(installation.workers()))
    await_new_workers(installation)


def every_worker(installation: Installation, _chance: random.Random) -> None:
    """Granian starts others, unless they died twice within five seconds: then it gives up."""
    kill(*installation.workers())
    await_new_workers(installation)


def await_new_workers(installation: Installation) -> None:
    granian = installation.granian()
    until(lambda: len(installation.workers()) == 2 or not is_alive(granian), 60)
    installation.start_service()


def the_service(installation: Installation, _chance: random.Random) -> None:
    """Granian and its workers, as the end of a container does; whoever runs it starts it again."""
    kill(installation.granian(), *installation.workers())
    installation.start_service()


def granian_alone(installation: Installation, _chance: random.Random) -> None:
    """Its workers end by themselves, having finished their requests, or are ended; then the port is free."""
    workers = installation.workers()
    kill(installation.granian())
    installation.start_service()
    assert not any(map(is_alive, workers))


def a_backend(installation: Installation, chance: random.Random) -> None:
    """PostgreSQL ends all connections, repairs itself and goes on."""
    kill(chance.choice(installation.backends()))
    until(installation.takes_connections, 60)


def postgres(installation: Installation, _chance: random.Random) -> None:
    """Whoever runs it starts it again; the service finds it."""
    kill(installation.postmaster())
    installation.stop_postgres()
    installation.start_postgres()


VICTIMS: list[Callable[[Installation, random.Random], None]] = [
    a_worker,
    every_worker,
    granian_alone,
    the_service,
    a_backend,
    postgres,
]


def survive(installation: Installation, clinic: Clinic, seed: int, kills: list[Callable[..., None]]) -> None:
    chance = random.Random(seed)
    with sending(installation.base_url, clinic, seed=seed) as senders:
        for kill_it in kills:
            senders.await_more(chance.randint(5, 30))
            kill_it(installation, chance)
        senders.await_more(30)
    senders.sent.tell(", ".join(each.__name__ for each in kills[:6]))
    check_acknowledged(installation.url, senders.sent)
    check_ledger(installation.url)


@pytest.mark.parametrize("victim", [a_worker, the_service, a_backend, postgres])
def test_what_was_acknowledged_is_there_once_whatever_is_killed(
    installation: Installation, clinic: Clinic, seed: int, victim: Callable[..., None]
):
    survive(installation, clinic, seed, [victim])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", VICTIMS)
def test_twenty_times_in_a_row(installation: Installation, clinic: Clinic, seed: int, victim: Callable[..., None]):
    survive(installation, clinic, seed, [victim] * 20)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_in_any_order(installation: Installation, clinic: Clinic, seed: int):
    survive(installation, clinic, seed, random.Random(seed).choices(VICTIMS, k=40))


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_what_was_acknowledged_is_there_once_when_serve_itself_is_killed(folder: Path, seed: int, times: int):
    """With it go its workers and its PostgreSQL, in order or not; the same command starts everything again."""
    chance = random.Random(seed)
    with serving(folder) as served:
        type_id = served.demo["external_id_types"][0]["id"]
        with sending(served.demo["base_url"], served.clinic, seed=seed, type_id=type_id) as senders:
            for _ in range(times):
                senders.await_more(chance.randint(5, 30))
                served.process.kill()
                served.process.wait(timeout=10)
                served.start()
            senders.await_more(30)
        senders.sent.tell(f"serve, {times} times")
        with served.database() as url:
            check_acknowledged(url, senders.sent)
            check_ledger(url, folder)
