"""A partner who sends each record until it is answered, over several connections at once, as Stripe's clients do.

Each request has an Idempotency-Key of its own, which its retries carry again, and a comment that no other request has:
so the ledger shows how often it was carried out.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.api.clinic import Clinic
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.scripts.waiting import until

PATIENTS = 12
"""So few that requests meet at the same patient."""

PATIENCE = 400.0
"""Seconds after which a partner gives up: then something is wrong."""

AGAIN = {409, 429, 502, 503, 504}
"""Answers after which the same request is sent again."""


@dataclass
class Sent:
    """What the partner was told. `answers`: the comment of a request → the answer that acknowledged it."""

    seed: int
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)

    def acknowledged(self) -> int:
        """Return how many requests were answered."""
        return len(self.answers)

    def refused(self) -> int:
        """Return how many tries came to nothing."""
        return sum(number for name, number in self.tries.items() if name != "200")

    def percentile(self, share: float) -> float:
        """Return the seconds that this share of the requests took at most, tries and waits included."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def tell(self, what: str) -> None:
        """Print what came about."""
        tries = ", ".join(f"{name} {number}" for name, number in sorted(self.tries.items()))
        print(
            f"{what}: {self.acknowledged()} acknowledged; tries: {tries}; "
            f"p50 {self.percentile(0.5) * 1000:.0f} ms, p99 {self.percentile(0.99) * 1000:.0f} ms, "
            f"longest {self.percentile(1) * 1000:.0f} ms"
        )


class Senders:
    """Several connections of one partner; running until `finish`."""

    def __init__(self, base_url: str, clinic: Clinic, *, seed: int, connections: int, type_id: str) -> None:
        self.sent = Sent(seed)
        self._type_id = type_id
        self._url = f"{base_url}/v1/patients/upsert"
        self._clinic = clinic
        self._numbers = count()
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(connections)
        self._ended: list[Future[None]] = [self._threads.submit(self._send) for _ in range(connections)]

    def await_more(self, number: int, seconds: float = PATIENCE) -> None:
        """Return once so many more requests are acknowledged; raise what a sender has met."""
        wanted = self.sent.acknowledged() + number
        until(lambda: self.sent.acknowledged() >= wanted or any(each.done() for each in self._ended), seconds)
        for each in self._ended:
            if each.done():
                each.result()

    def finish(self) -> Sent:
        """Let each sender finish what it has begun, and return what the partner was told."""
        self._over.set()
        for each in self._ended:
            each.result(timeout=PATIENCE + 60)
        self._threads.shutdown()
        return self.sent

    def _send(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._over.is_set():
                self._send_one(client, next(self._numbers))

    def _send_one(self, client: httpx.Client, number: int) -> None:
        comment = f"note {number} of {self.sent.seed}"
        body = a_record(self.sent.seed, number, self._type_id) | {"comments": comment}
        headers = {"X-API-Key": self._clinic.api_key, "Idempotency-Key": f"{self.sent.seed}-{number}"}
        began = time.monotonic()
        while True:
            assert time.monotonic() - began < PATIENCE, f"not answered for {PATIENCE} s: {self.sent.tries}"
            try:
                answer = client.post(self._url, json=body, headers=headers)
            except httpx.TransportError as error:
                self.sent.tries[type(error).__name__] += 1
                self._pause(0.05)
                continue
            self.sent.tries[str(answer.status_code)] += 1
            if answer.status_code == 200:
                self.sent.seconds.append(time.monotonic() - began)
                self.sent.answers[comment] = answer.json()
                return
            assert answer.status_code in AGAIN, f"{answer.status_code} {answer.text}"
            assert int(answer.headers["Retry-After"]) >= 1
            self._pause(0.2)

    @staticmethod
    def _pause(seconds: float) -> None:
        threading.Event().wait(seconds)


def a_record(seed: int, number: int, type_id: str) -> dict[str, Any]:
    """Return a record about one of a few patients, with something new in it now and then."""
    pick = random.Random(f"{seed} {number}")
    patient = pick.randrange(PATIENTS)
    record: dict[str, Any] = {
        "external_id": {"type_id": type_id, "value": f"MRN-{seed}-{patient}"},
        "first_name": "Ann",
        "last_name": f"Garcia{chr(97 + patient)}",
        "date_of_birth": f"1980-03-{patient + 1:02}",
        "phone_number": f"(212) 555-01{patient:02}",
    }
    if pick.random() < 0.3:
        record["city"] = pick.choice(("Albany", "Boston", "Chester"))
    return record


@contextmanager
def sending(
    base_url: str, clinic: Clinic, *, seed: int, connections: int = 6, type_id: str = EXTERNAL_ID_TYPE
) -> Iterator[Senders]:
    """Yield a partner at work; at the end it has finished."""
    senders = Senders(base_url, clinic, seed=seed, connections=connections, type_id=type_id)
    try:
        yield senders
    finally:
        senders.finish()
