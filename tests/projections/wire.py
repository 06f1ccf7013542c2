"""A wire between the ledger and PostgreSQL that can be cut at the COMMIT of an append, on either side of it.

The COMMIT of a read is carried through: nobody who sends a record waits for it.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

PREPARED = re.compile(rb"P.{4}([^\x00]+)\x00([^\x00]*)\x00", re.DOTALL)
"""A Parse message of the client: the name of a prepared statement, and its words."""
COMMITTED = b"COMMIT\x00"
"""In the CommandComplete message of the server."""


class Cut(Enum):
    """Where the wire breaks."""

    NEVER = "never"
    BEFORE = "the server never sees COMMIT"
    AFTER = "the client never sees that it was done"


class Wire:
    """Carries bytes between clients and the server; `cut` can be set at any time and holds for one break."""

    def __init__(self, folder: Path, url: str) -> None:
        self.cut = Cut.NEVER
        self._server = conninfo_to_dict(url)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        parameters = {
            name: value for name, value in self._server.items() if name not in ("host", "port", "requirepeer")
        }
        self.url = make_conninfo("", host=str(folder), port=5432, **parameters)
        self._carriers: list[threading.Thread] = []
        self._porter = threading.Thread(target=self._accept, daemon=True)
        self._porter.start()

    def close(self) -> None:
        """Take no more clients; those that are there have left."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._porter, *self._carriers):
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                carrier = threading.Thread(target=self._carry, args=(client, self._connect()), daemon=True)
                self._carriers.append(carrier)
                carrier.start()

    def _connect(self) -> socket.socket:
        host, port = str(self._server.get("host") or "localhost"), int(str(self._server.get("port") or 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        appending = threading.Event()  # from the append that the client sends to the COMMIT that answers it
        with client, server:
            pumps = [
                threading.Thread(target=_until_broken, args=(pump, client, server, appending), daemon=True)
                for pump in (self._to_server, self._to_client)
            ]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join()

    def _to_server(self, client: socket.socket, server: socket.socket, appending: threading.Event) -> None:
        append, commit = set[bytes](), set[bytes]()
        for data in _chunks(client):
            for name, words in PREPARED.findall(data):
                if words == b"COMMIT":
                    commit.add(name)
                elif b"append_events(" in words:
                    append.add(name)
            if _runs(append, data):
                appending.set()
            if self.cut is Cut.BEFORE and appending.is_set() and _runs(commit, data):
                self.cut = Cut.NEVER
                return
            server.sendall(data)

    def _to_client(self, client: socket.socket, server: socket.socket, appending: threading.Event) -> None:
        for data in _chunks(server):
            if appending.is_set() and COMMITTED in data:
                if self.cut is Cut.AFTER:
                    self.cut = Cut.NEVER
                    return
                appending.clear()
            client.sendall(data)


Pump = Callable[[socket.socket, socket.socket, threading.Event], None]


def _runs(statements: Iterable[bytes], data: bytes) -> bool:
    """Return whether one of these prepared statements is bound, to the portal without a name."""
    return any(b"\x00" + name + b"\x00" in data for name in statements)


def _until_broken(pump: Pump, client: socket.socket, server: socket.socket, appending: threading.Event) -> None:
    with contextlib.suppress(OSError):
        pump(client, server, appending)
    for end in (client, server):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _chunks(end: socket.socket) -> Iterator[bytes]:
    while data := end.recv(65_536):
        yield data


@contextlib.contextmanager
def wire(folder: Path, url: str) -> Iterator[Wire]:
    """Yield a wire to the server of this URL."""
    laid = Wire(folder, url)
    try:
        yield laid
    finally:
        laid.close()
