"""What becomes of a body that is refused before it was read? It is thrown away, so that its sender hears the answer.

A server that closes a connection while the other side is still sending resets it, and the answer, though sent, is lost
on the way: the partner sees a broken connection instead of a 413. So the answer is given, and then what is still coming
is read, within bounds. Who asks beforehand (`Expect: 100-continue`) has sent nothing, and need not begin.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import BoundedSemaphore
from typing import Any

from falcon import Request, Response

PATIENCE = 10.0
"""Seconds after which no more is read."""

MOST_BYTES = 16 << 20
"""Bytes after which no more is read."""

AT_ONCE = 16
"""Bodies that a worker throws away at the same time, a tenth of its threads; others are cut off."""

BLOCK = 1 << 16


class Unread:
    """Lets clients finish sending what nobody will read.

    A resource that reads its body says so: `req.context.body_is_read`.
    """

    def __init__(self) -> None:
        self._places = BoundedSemaphore(AT_ONCE)

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Have the rest of the body thrown away behind the answer."""
        announced = req.env.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in req.env
        if not announced or req.context.get("body_is_read") or "HTTP_EXPECT" in req.env or resp.stream is not None:
            return
        answer = resp.render_body() or b""
        resp.content_length = len(answer)
        resp.data = resp.text = resp.media = None
        resp.stream = self._and_throw_away(answer, req.stream)

    def _and_throw_away(self, answer: bytes, body: Any) -> Iterator[bytes]:
        yield answer
        if not self._places.acquire(blocking=False):
            return
        try:
            throw_away(body.read)
        finally:
            self._places.release()


def throw_away(read: Callable[[int], bytes]) -> None:
    """Read to the end of a body, for PATIENCE seconds and MOST_BYTES at most."""
    deadline, left = time.monotonic() + PATIENCE, MOST_BYTES
    with suppress(OSError, ValueError):  # the connection broke
        while left > 0 and time.monotonic() < deadline and (block := read(BLOCK)):
            left -= len(block)
