"""How far is it, how fast, and how long will it take? A bar on a terminal, plain lines elsewhere; on standard error."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_SECONDS = 5.0
"""Between two plain lines of the same phase."""


class Shown:
    """Progress through phases, in a count of `what`; called with (phase, done, total), 0 where the total is unknown."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(what),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._lines = not quiet and not sys.stderr.isatty()
        self._phase = ""
        self._started = self._told = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show that so much of a phase is done."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._started, self._told = phase, now, 0.0
            for task in self._bar.tasks:
                self._bar.stop_task(task.id)
            self._task = self._bar.add_task(phase)
        self._bar.update(self._task, completed=done, total=total or None)
        if self._lines and (now - self._told >= LINE_SECONDS or 0 < total == done):
            self._told = now
            print(self._line(done, total, now - self._started), file=sys.stderr, flush=True)

    def _line(self, done: int, total: int, seconds: float) -> str:
        if not total:
            return f"{self._phase}{f': {done:,} {self._what}' if done else ' …'}"
        rate = done / seconds if seconds > 0 and done else 0.0
        ahead = f", {rate:,.0f} {self._what}/s, {(total - done) / rate:,.0f} s left" if rate else ""
        return f"{self._phase}: {done:,} of {total:,} {self._what}{ahead}"


class _Rate(ProgressColumn):
    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {self._what}/s" if task.speed else "", style="progress.data.speed")
