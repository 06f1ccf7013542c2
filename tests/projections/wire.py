"""A wire between the ledger and PostgreSQL that can be cut at COMMIT, on either side of it."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

COMMIT_SENT = b"COMMIT\x00"  # in a Parse message of the client; later it goes by the name of the prepared statement
PREPARED = re.compile(rb"P.{4}(_pg3_\d+\x00)COMMIT\x00", re.DOTALL)
COMMITTED = b"COMMIT\x00"  # in the CommandComplete message of the server


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
        with client, server:
            pumps = [
                threading.Thread(target=_until_broken, args=(pump, client, server), daemon=True)
                for pump in (self._to_server, self._to_client)
            ]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        commit = COMMIT_SENT
        for data in _chunks(client):
            if prepared := PREPARED.search(data):
                commit = b"\x00" + prepared.group(1)
            if self.cut is Cut.BEFORE and (commit in data or COMMIT_SENT in data):
                self.cut = Cut.NEVER
                return
            server.sendall(data)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        for data in _chunks(server):
            if self.cut is Cut.AFTER and COMMITTED in data:
                self.cut = Cut.NEVER
                return
            client.sendall(data)


def _until_broken(
    pump: Callable[[socket.socket, socket.socket], None], client: socket.socket, server: socket.socket
) -> None:
    with contextlib.suppress(OSError):
        pump(client, server)
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
