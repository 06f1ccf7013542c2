"""How do several processes build together? Each is given one part after another, and answers with what it read.

A worker is this module run as a program, with a line of JSON for each part. It ends with whoever started it, however
that ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

import orjson

from domain.errors import LedgerUnavailable
from projections.build import Builder, Part
from projections.gaps import EntriesSkipped
from projections.orphans import end_with
from projections.streams import Poison, Tally

NICENESS = 5
"""Workers stand back behind those who serve."""

Done = Callable[[Tally], None]


class WorkerLost(LedgerUnavailable):
    """A process that was building has ended; nothing was changed, run the rebuild again."""


def build(
    url: str,
    names: Sequence[str],
    parts: Iterable[Part],
    position: int,
    *,
    workers: int,
    throttle: float | None,
    done: Done,
) -> None:
    """Build all parts as of a position; `done` is told of each. EntriesSkipped, WorkerLost."""
    share = None if throttle is None else throttle / workers
    if workers == 1:
        with Builder(url, names, throttle=share) as builder:
            for part in parts:
                done(builder.build(part, position))
        return
    waiting: SimpleQueue[Part] = SimpleQueue()
    for part in parts:
        waiting.put(part)
    crew = [_Worker(url, names, share) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as threads:
        try:
            for ended in as_completed([threads.submit(_work, worker, waiting, position, done) for worker in crew]):
                ended.result()
        finally:
            for worker in crew:
                worker.dismiss()


class _Worker:
    def __init__(self, url: str, names: Sequence[str], throttle: float | None) -> None:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._say({"for": os.getpid(), "url": url, "names": list(names), "throttle": throttle})

    def build(self, part: Part, position: int) -> Tally:
        self._say({"after": part.after, "up_to": part.up_to, "position": position})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerLost
        answer = orjson.loads(line)
        if "skipped" in answer:
            raise EntriesSkipped(**answer["skipped"])
        return Tally(answer["entries"], answer["positions"], [Poison(**each) for each in answer["poison"]])

    def dismiss(self) -> None:
        """End the process: at once, its part is of no use any more."""
        self._process.kill()
        self._process.communicate()

    def _say(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(what) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerLost from None


def _work(worker: _Worker, waiting: "SimpleQueue[Part]", position: int, done: Done) -> None:
    while True:
        try:
            part = waiting.get_nowait()
        except Empty:
            return
        done(worker.build(part, position))


def main() -> None:
    """Build what standard input says, part by part."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    told = orjson.loads(sys.stdin.buffer.readline())
    end_with(told.pop("for"))
    os.nice(NICENESS)
    with Builder(**told) as builder:
        for line in sys.stdin.buffer:
            wanted = orjson.loads(line)
            part = Part(_stream(wanted["after"]), _stream(wanted["up_to"]))
            try:
                answer = asdict(builder.build(part, wanted["position"]))
            except EntriesSkipped as error:
                answer = {"skipped": error.details}
            sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
            sys.stdout.buffer.flush()


def _stream(ids: Sequence[str] | None) -> tuple[UUID, UUID] | None:
    return None if ids is None else (UUID(ids[0]), UUID(ids[1]))


if __name__ == "__main__":
    main()
