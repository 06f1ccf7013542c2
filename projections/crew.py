"""How do several processes build together? Each takes one part after another, and tells what it read.

The process that was asked is one of them. Another one is this module run as a program, with a line of JSON for each
part; it ends with whoever started it, however that ends.
"""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any
from uuid import UUID

import orjson

from domain.errors import LedgerUnavailable
from projections.build import Builder, Part
from projections.gaps import EntriesSkipped
from projections.orphans import end_with
from projections.streams import Poison, Tally

GARBAGE_THRESHOLD = 50_000
"""New objects between two looks for cycles: folds make many, and no cycle."""

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
    waiting: SimpleQueue[Part] = SimpleQueue()
    for part in parts:
        waiting.put(part)
    telling, failed = Lock(), Event()

    def work(build_part: Callable[[Part, int], Tally]) -> None:
        try:
            while (part := _next(waiting)) is not None and not failed.is_set():
                tally = build_part(part, position)
                with telling:
                    done(tally)
        except BaseException:
            failed.set()
            raise

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(max(1, workers - 1)))
        crew = []
        for _ in range(workers - 1):
            crew.append(_Worker(url, names, share))
            stack.callback(crew[-1].dismiss)
        builder = stack.enter_context(Builder(url, names, throttle=share))
        others = [threads.submit(work, worker.build) for worker in crew]
        work(builder.build)
        for other in as_completed(others):
            other.result()


def _next(waiting: SimpleQueue[Part]) -> Part | None:
    try:
        return waiting.get_nowait()
    except Empty:
        return None


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


def main() -> None:
    """Build what standard input says, part by part."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    told = orjson.loads(sys.stdin.buffer.readline())
    end_with(told.pop("for"))
    gc.set_threshold(GARBAGE_THRESHOLD)
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
