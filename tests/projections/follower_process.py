"""A process that follows as `tally`: `python -m tests.projections.follower_process URL [CRASH POSITION]`.

CRASH is where it ends itself as kill -9 would, in the batch that holds POSITION: `before` the view is written,
`between` the view and the tracking, `after` the tracking, before the commit.
"""

import os
import signal
import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

from psycopg import Cursor

from domain.entry import StoredEntry
from projections.follow import run
from projections.tracking import FollowerRecorder
from tests.projections.tally import Tally

CRASHES = ("before", "between", "after")


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Crashing(Tally):
    """Follows as `tally` until the batch that holds the position."""

    def __init__(self, where: str, position: int) -> None:
        self._where = where
        self._position = position

    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """Count the entries, and crash in the midst of it."""
        due = any(entry.position == self._position for entry in entries)
        if due and self._where == "before":
            _crash()
        super().handle(cursor, entries)
        if due and self._where == "between":
            _crash()


def _crash_after_tracking(position: int) -> None:
    track = FollowerRecorder.track

    def tracked(self: FollowerRecorder, cursor: Cursor[Any], follower: str, reached: int) -> None:
        track(self, cursor, follower, reached)
        if reached >= position:
            _crash()

    setattr(FollowerRecorder, "track", tracked)  # noqa: B010 - this process is there to crash


def main() -> None:
    """Follow until killed."""
    url, *crash = sys.argv[1:]
    follower = Tally()
    if crash:
        follower = Crashing(crash[0], int(crash[1]))
        if crash[0] == "after":
            _crash_after_tracking(int(crash[1]))
    run(follower, url, Event(), poll=0.05)


if __name__ == "__main__":
    main()
