"""How much may one client ask? Bounds in the memory of each worker: with N workers a key gets at most N times as much.

A token bucket for each key, one for the wrong tries of each address, and bounds on the bodies that an organization
and all of them send slowly: a thread that waits for a body answers nobody else.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from domain.errors import LedgerError

WINDOW = 2.0
"""Seconds of its rate that a key may use at once."""

BODIES_AT_ONCE = 32
"""Bodies of one organization that are being read at the same time in a worker; a fifth of its threads. What is sent
at once hardly counts: of 300 who send records as fast as they can, five are being read."""

BODIES_IN_ALL = 96
"""Bodies of everybody that are being read at the same time; the other threads answer what has no body."""

WRONG_TRIES = 60
"""Wrong keys that an address may present at once; one more each second."""

MOST_NAMES = 10_000
"""Buckets that are kept; beyond that, those that are full again are forgotten."""


class RateExceeded(LedgerError):
    """This key asks faster than it may; slow down, and send this request again."""


class TooManySlowBodies(LedgerError):
    """This organization sends too many bodies slowly at the same time; send whole bodies, over fewer connections."""


class NoRoomForBodies(LedgerError):
    """Too many bodies are on their way slowly at the same time; send the same request again."""


class TooManyWrongKeys(LedgerError):
    """Too many wrong keys came from this address; wait a moment."""


class Buckets:
    """Token buckets by name: `rate` tokens a second, at most `size`."""

    def __init__(self, rate: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = size
        self._clock = clock
        self._lock = Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str, tokens: int = 1) -> tuple[bool, float]:
        """Return (True, how many tokens are left) where there was one, else (False, seconds until there is one).

        `tokens` is 0 to look and take none.
        """
        now = self._clock()
        with self._lock:
            level, at = self._levels.get(name, (self._size, now))
            level = min(self._size, level + (now - at) * self._rate)
            granted = level >= 1
            level -= tokens * granted
            self._levels[name] = (level, now)
            if len(self._levels) > MOST_NAMES:
                self._forget(now)
        return granted, level if granted else (1 - level) / self._rate

    def _forget(self, now: float) -> None:
        full = [name for name, (level, at) in self._levels.items() if level + (now - at) * self._rate >= self._size]
        for name in full or [*self._levels][: MOST_NAMES // 2]:
            del self._levels[name]


class Limits:
    """What one worker grants: `per_second` requests to each key."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = int(per_second * WINDOW)
        self._requests = Buckets(per_second, self._burst, clock)
        self._wrong = Buckets(1, WRONG_TRIES, clock)
        self._reading = Counter[str | None]()
        self._lock = Lock()
        self._policy = f'"key";q={self._burst};w={int(WINDOW)}'

    def admit(self, key_id: str) -> dict[str, str]:
        """Count a request of this key; return the headers that tell what is left. RateExceeded beyond the limit."""
        granted, left = self._requests.take(key_id)
        if not granted:
            seconds = math.ceil(left)
            raise RateExceeded(retry_after=seconds, headers=self._headers(0, seconds))
        return self._headers(int(left), int(WINDOW))

    def _headers(self, remaining: int, seconds: int) -> dict[str, str]:
        return {"RateLimit-Policy": self._policy, "RateLimit": f'"key";r={remaining};t={seconds}'}

    def look_at_keys_from(self, address: str, wrong: int = 0) -> None:
        """Count wrong keys from this address. TooManyWrongKeys when there were too many of late."""
        granted, seconds = self._wrong.take(address, wrong)
        if not granted:
            raise TooManyWrongKeys(retry_after=math.ceil(seconds))

    @contextmanager
    def reading(self, organization_id: str | None) -> Iterator[None]:
        """Hold a place while a body of this organization is read; `None` stands for all who are not known yet.

        TooManySlowBodies when the organization holds all that it may, NoRoomForBodies when others do.
        """
        with self._lock:
            is_full = self._reading[organization_id] >= BODIES_AT_ONCE
            if is_full and organization_id is not None:
                raise TooManySlowBodies
            if is_full or self._reading.total() >= BODIES_IN_ALL:
                raise NoRoomForBodies
            self._reading[organization_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading[organization_id] -= 1
                if not self._reading[organization_id]:
                    del self._reading[organization_id]
