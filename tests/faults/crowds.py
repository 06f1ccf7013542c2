"""Clients as they come over the internet: very many, very slow, or with far too much to say. Raw sockets."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from tests.api.clinic import Clinic
from tests.faults.installation import Installation


def head(clinic: Clinic, path: str, *lines: str, method: str = "POST") -> bytes:
    """Return a request up to its body."""
    always = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {clinic.api_key}")
    return "\r\n".join((*always, "Content-Type: application/json", *lines, "", "")).encode()


@contextlib.contextmanager
def connections(installation: Installation, number: int) -> Iterator[list[socket.socket]]:
    """Yield so many connections to the service."""
    with contextlib.ExitStack() as stack:
        made = [socket.create_connection(("127.0.0.1", installation.port), timeout=60) for _ in range(number)]
        for each in made:
            stack.enter_context(each)
        yield made


def answer(connection: socket.socket) -> tuple[int, Any]:
    """Return status and body of one answer; (0, None) when the other side closed without a word."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65_536)
            if not chunk:
                break
            received += chunk
        start, found, body = received.partition(b"\r\n\r\n")
        if found:
            length = int(start.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            while len(body) < length:
                body += connection.recv(65_536)
            return int(start[9:12]), json.loads(body)
    return 0, None
