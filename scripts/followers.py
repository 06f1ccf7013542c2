"""Who follows the ledger while it is served? One child process, `./scripts/ledger follow`; begun again if it ends."""

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from scripts.embedded import launch

PATIENCE = 20
"""Seconds that the followers get to finish their transaction."""


class Followers:
    """The followers' process on this database, running while the `with` block does."""

    def __init__(self, data_dir: str, database_url: str) -> None:
        self._environment = {**os.environ, "LEDGER_DATA_DIR": data_dir, "LEDGER_DATABASE_URL": database_url}

    def __enter__(self) -> Self:
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
        """Start the process again when it has ended: upserts go on without it, and nothing is lost."""
        if self._process.poll() is not None:
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        who = [os.getpid(), int(signal.SIGTERM), os.geteuid(), os.getegid(), "/", "/"]
        launcher = [sys.executable, "-I", "-S", launch.__file__]
        return subprocess.Popen(
            [*launcher, *map(str, who), sys.executable, "-m", "scripts.ledger", "follow"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
