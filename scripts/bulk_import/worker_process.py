"""Who places the lists of an import? A process for each worker, and a thread here that listens to it."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

import orjson

from domain.errors import LedgerUnavailable
from domain.match_keys import MatchKey
from domain.receipt import Caller
from scripts.bulk_import.rows import Row


class ImportStopped(LedgerUnavailable):
    """The import had to stop; run the same command again, it goes on where it stopped."""


@dataclass(frozen=True)
class Job:
    """Where to and how. `digest` names the file and its mapping; without one nothing is noted."""

    url: str
    caller: Caller
    workers: int = 2
    dry_run: bool = False
    digest: bytes | None = None


@dataclass(frozen=True)
class Placed:
    """A row on its way."""

    row: Row
    keys: Collection[MatchKey]


class WorkerProcess:
    """A process that places lists, and the thread that listens to it."""

    def __init__(self, job: Job, number: int, answers: "SimpleQueue[tuple[WorkerProcess, Any]]") -> None:
        self.number = number
        self.in_hand: deque[list[Placed]] = deque()
        command = [sys.executable, "-m", "scripts.bulk_import.worker"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers = answers
        self._write(
            {
                "for": os.getpid(),
                "url": job.url,
                "organization_id": job.caller.organization_id,
                "actor": job.caller.actor,
                "request_prefix": job.caller.request_id,
                "dry_run": job.dry_run,
            }
        )
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def busy(self) -> bool:
        """Return whether a list is waiting or in hand."""
        return bool(self.in_hand)

    def send(self, rows: list[Placed]) -> None:
        """Give the worker a list."""
        self.in_hand.append(rows)
        self._write([[each.row.line, orjson.Fragment(each.row.body)] for each in rows])

    def dismiss(self) -> None:
        """End the process, and close the pipes to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        with suppress(BrokenPipeError):  # of what it did not come to read
            self._process.stdin.close()

    def _write(self, what: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(what) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ImportStopped(cause="a worker has ended") from None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put((self, orjson.loads(line)))
        self._answers.put((self, {"unavailable": "a worker has ended"}))
