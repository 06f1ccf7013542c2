"""What are the lines of a body, while it is still coming in?

A thread of its own reads ahead, for as long as the body goes on: whoever sends a whole batch before reading any answer
must never find nobody listening, or both sides wait for each other. So a batch has a limit, and that much is kept.

The answer ends after that thread does, even where nobody takes the lines: granian stops a whole worker whose answer
ends while its body is being read.

It reads byte by byte. A server's `read` returns when it has all that was asked for, so that who sends a line and waits
for its answer would wait for ever behind a larger block; granian's `readline` loses what stands behind the line.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice, takewhile
from queue import Empty, SimpleQueue
from threading import Event, Thread

from falcon import Request

from api.bodies import BodyTooLarge, Encoded
from api.unread import throw_away
from domain.errors import LedgerError

BLOCK = 1 << 16
"""Bytes that are skipped at a time."""

Line = bytes | LedgerError
"""A line without its end, or why it could not be kept."""


class Cut(LedgerError):
    """The body ended before it was complete; the lines from here on were not received, send them again."""


class Lines:
    """The lines of a request's body. Encoded, BodyTooLarge when it says beforehand that it is more than `limit` bytes.

    A line longer than `longest` bytes stands as BodyTooLarge in its place; where the body goes beyond `limit`, that is
    the last one.
    """

    def __init__(self, req: Request, *, limit: int, longest: int) -> None:
        if (req.get_header("Content-Encoding") or "identity").lower() != "identity":
            raise Encoded
        length = req.content_length
        if length is not None and length > limit:
            raise BodyTooLarge(limit_bytes=limit)
        self._place = ExitStack()  # left by the thread, when the body has been read
        self._place.enter_context(req.context.limits.reading(req.context.principal.organization_id))
        req.context.body_is_read = True  # from here on, by the thread
        self._limit = limit
        self._longest = longest
        self._expected = length
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        if length is None and not req.get_header("Transfer-Encoding"):
            self._expected = 0
        self._read_bytes: Callable[[int], bytes] = req.stream.read
        self._begun = Event()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        if "HTTP_EXPECT" in req.env:  # the client waits for 100 (Continue), which the head of an answer would overtake
            self._begun.wait()

    def lists(self, most: int) -> Iterator[list[Line]]:
        """Yield the lines in order, as many at once as are there, at most `most`; wait only when none is."""
        try:
            yield from self._lists(most)
        finally:
            self._reader.join()

    def _lists(self, most: int) -> Iterator[list[Line]]:
        ended = False
        while not ended:
            gathered: list[Line] = []
            try:
                while len(gathered) < most and not ended:
                    line = self._queue.get() if not gathered else self._queue.get_nowait()
                    if line is None:
                        ended = True
                    else:
                        gathered.append(line)
            except Empty:
                pass
            if gathered:
                yield gathered

    def _read(self) -> None:
        try:
            with self._place:
                self._split()
        except (OSError, ValueError):  # the connection broke
            self._queue.put(Cut())
        finally:
            self._begun.set()
            self._queue.put(None)

    def _split(self) -> None:
        total = 0
        while self._expected is None or total < self._expected:
            first = self._read_bytes(1)
            self._begun.set()
            if not first:
                break
            line = b"" if first == b"\n" else first + b"".join(islice(self._rest_of_line(), self._longest))
            total += len(line) + 1
            if total > self._limit:
                self._queue.put(BodyTooLarge(limit_bytes=self._limit))
                throw_away(self._read_bytes)  # so that the answers before this one arrive
                return
            if len(line) <= self._longest:
                self._queue.put(line)
                continue
            total += self._skip_line(self._limit - total)
            self._queue.put(BodyTooLarge(limit_bytes=self._longest))
        if self._expected is not None and total < self._expected:
            raise OSError

    def _rest_of_line(self) -> Iterator[bytes]:
        """Return the bytes up to the end of the line or of the body, one by one, without a step in Python."""
        return takewhile(bool, iter(partial(self._read_bytes, 1), b"\n"))

    def _skip_line(self, most: int) -> int:
        """Read to the end of the line, about `most` bytes at most; return how many."""
        skipped = 0
        while skipped < most:
            count = sum(map(len, islice(self._rest_of_line(), BLOCK)))
            skipped += count
            if count < BLOCK:
                break
        return skipped
