"""How is the embedded PostgreSQL started, shared and stopped?

The first program that wants it starts it, holds the lock of the data directory, and stops it; when that
program is killed, the server shuts down by itself. Programs that come meanwhile are guests: they connect and
leave. A command that started the server for itself waits for its guests before it stops it; `serve` does not.
"""

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier

from scripts.embedded import cluster, processes
from scripts.embedded.access import ServerUnavailable, disk_errors
from scripts.embedded.folder import Folder


class EmbeddedPostgres:
    """A PostgreSQL server in a data directory, running while the `with` block does.

    `role` names the caller to others. With `alone` it must be the one that starts the server and stops it
    without regard to guests, as `serve` does; without, it uses one that runs or starts it for the time of the
    block. Enter it from the main thread: the server ends with the thread that started it. ServerUnavailable
    says in a sentence what is wrong. `patience` is in seconds; `settings` go over those of `configuration`.
    """

    def __init__(
        self,
        directory: Path,
        role: str = "a command",
        *,
        alone: bool = False,
        patience: float = 60,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._role = role
        self._alone = alone
        self._patience = patience
        self._settings = settings or {}
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Folder.prepare(self._directory)
        deadline = time.monotonic() + self._patience
        with disk_errors(self._directory):
            while not (self._become_owner() or self._become_guest()):
                holder = self._folder.holder()
                if self._alone and holder.startswith(self._role):
                    raise ServerUnavailable(
                        f"{self._directory} is in use by {holder}; stop it, or give another --data-dir."
                    )
                if time.monotonic() > deadline:
                    raise ServerUnavailable(
                        f"{self._directory} is in use by {holder}; waited {self._patience:.0f} s in vain."
                    )
                time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_ours(self) -> bool:
        """Whether this program started the server, and so will stop it."""
        return self._process is not None

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, as superuser; no password: the system vouches for the caller."""
        sockets = quote(str(self._folder.sockets), safe="")
        user = quote(self._folder.user, safe="")
        query = f"host={sockets}&port=5432&requirepeer={user}"
        return f"postgresql://{cluster.SUPERUSER}@/{quote(database)}?{query}"

    def database(self, name: str) -> str:
        """Return the URL of this database, as `url` does, making it when it is not there."""
        there = contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation)
        with psycopg.connect(self.url(), autocommit=True) as connection, there:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.url(name)

    def check(self) -> None:
        """Raise ServerUnavailable when the server that we started has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise ServerUnavailable(f"PostgreSQL ended unexpectedly{cluster.last_words(self._folder)}")

    def stop(self) -> None:
        """Stop the server if we started it, and leave the data directory. Does nothing a second time."""
        if self._lock is None:
            return
        if self._process is not None:
            if not self._alone:
                self._wait_for_guests()
            self._end()
        self._lock.close()
        self._lock = None

    def _become_owner(self) -> bool:
        lock = self._folder.lock("owner", fcntl.LOCK_EX)
        if lock is None:
            return False
        lock.truncate(0)
        lock.write(f"{self._role}, process {os.getpid()}\n")
        lock.flush()
        try:
            self._process = cluster.start(self._folder, self._settings)
            cluster.await_answer(self._folder, self._process, self._answers)
        except BaseException:
            self._end()
            lock.close()
            raise
        self._lock = lock
        return True

    def _become_guest(self) -> bool:
        if self._alone or not self._answers():
            return False
        self._lock = self._folder.lock("guests", fcntl.LOCK_SH)
        return self._lock is not None

    def _end(self) -> None:
        if self._process is None:
            return
        processes.end(self._folder.data, self._process.pid)
        self._process.wait(timeout=10)
        self._process = None
        if self._folder.sockets.parent != self._folder.root:
            with contextlib.suppress(OSError):  # an empty folder below /tmp, if it stays, does no harm
                self._folder.sockets.rmdir()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            said = str(error).partition("FATAL:")[2].strip()
            if "authentication failed" in said:
                raise ServerUnavailable(
                    f"{self._directory} is served for another user; run this as that user, or as root."
                ) from None
            if said and not said.startswith("the database system is"):  # … starting up, shutting down
                raise ServerUnavailable(f"PostgreSQL lets nobody in: {cluster.reason([said])}.") from None
            return False
        return True

    def _wait_for_guests(self) -> None:
        lock = self._folder.lock("guests", fcntl.LOCK_EX)
        if lock is None:
            print("Waiting for other commands that use this database …", flush=True)
        while lock is None:
            time.sleep(0.1)
            lock = self._folder.lock("guests", fcntl.LOCK_EX)
        lock.close()
