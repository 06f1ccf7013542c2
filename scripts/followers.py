"""Who follows the ledger while it is served? One child process, `./scripts/ledger follow`; begun again if it ends."""

import os
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from scripts.embedded import launch

PATIENCE = 20
"""Seconds that the followers get to finish their transaction."""

LONGEST_WAIT = 30.0
"""Seconds until a process that ended is begun again, at most: one that keeps ending waits twice as long each time."""


class Followers:
    """The followers' process on this database, running while the `with` block does."""

    def __init__(self, data_dir: str, database_url: str) -> None:
        self._environment = {**os.environ, "LEDGER_DATA_DIR": data_dir, "LEDGER_DATABASE_URL": database_url}

    def __enter__(self) -> Self:
        self._wait = 0.5
        self._again: float | None = None
        self._process = self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)

    def check(self) -> None:
        """Start the process again some time after it has ended: upserts go on without it, and nothing is lost."""
        now = time.monotonic()
        if self._process.poll() is None:
            if now - self._began > LONGEST_WAIT:
                self._wait = 0.5
        elif self._again is None:
            self._again = now + self._wait
        elif now > self._again:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._began = time.monotonic()
        self._again = None
        return subprocess.Popen(
            launch.child([sys.executable, "-m", "scripts.ledger", "follow"]),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
