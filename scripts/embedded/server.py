"""How is the embedded PostgreSQL started, shared and stopped?

The first program that wants it starts it, holds the lock of the data directory, and stops it; when that
program is killed, the server shuts down by itself. Programs that come meanwhile are guests: they connect and
leave. A command that started the server for itself waits for its guests before it stops it; `serve` does not.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg

from scripts.embedded import configuration, processes, software
from scripts.embedded.folder import ServerUnavailable, disk_errors, prepare

SUPERUSER = "postgres"


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
        self._settings = dict(settings or {})
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = prepare(self._directory)
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
                        f"{self._directory} is in use by {holder}, which did not make way."
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
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={sockets}&port=5432&requirepeer={user}"

    def check(self) -> None:
        """Raise ServerUnavailable when the server that we started has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise ServerUnavailable(f"PostgreSQL ended unexpectedly{self._last_words()}")

    def stop(self) -> None:
        """Stop the server if we started it, and leave the data directory. Does nothing a second time."""
        if self._lock is None:
            return
        if self._process is not None:
            if not self._alone:
                self._wait_for_guests()
            if self._process.poll() is None:
                processes.end(self._folder.data, self._process.pid)
                self._process.wait(timeout=10)
            self._process = None
            if self._folder.sockets.parent != self._folder.root:
                self._folder.sockets.rmdir()
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
            self._start()
        except BaseException:
            if self._process is not None:
                processes.end(self._folder.data, self._process.pid)
                self._process.wait(timeout=10)
                self._process = None
            lock.close()
            raise
        self._lock = lock
        return True

    def _become_guest(self) -> bool:
        if self._alone or not self._answers():
            return False
        self._lock = self._folder.lock("guests", fcntl.LOCK_SH)
        return self._lock is not None

    def _start(self) -> None:
        folder = self._folder
        self._clear_leftovers()
        programs = software.programs(folder.root, folder.uid, folder.gid)
        if not folder.data.exists():
            self._create(programs)
        self._check_version()
        folder.own(folder.sockets, 0o700)
        configuration.write(
            folder.root,
            folder.data,
            folder.sockets,
            {pwd.getpwuid(os.geteuid()).pw_name, "root"},
            self._settings,
        )
        with self._open_log() as log:
            self._log_start = log.tell()
            self._process = processes.start(
                [programs / "postgres", "-c", f"config_file={folder.root / 'postgresql.conf'}"],
                folder.uid,
                folder.gid,
                log,
            )
        told = time.monotonic() + 5
        while not self._answers():
            if self._process.poll() is not None:
                raise ServerUnavailable(f"PostgreSQL did not start{self._last_words()}")
            if time.monotonic() > told:
                print("PostgreSQL is still starting; after a crash it first repairs its files …", flush=True)
                told += 30
            time.sleep(0.02)

    def _clear_leftovers(self) -> None:
        """End what a killed program left behind, and files that name processes which are not this server's.

        Holding the lock, we know that nobody who lives wants them.
        """
        folder = self._folder
        if not processes.end(folder.data, folder.postmaster()):
            raise ServerUnavailable(
                f"An earlier PostgreSQL on {folder.data} does not end; end it, or restart the machine."
            )
        (folder.data / "postmaster.pid").unlink(missing_ok=True)
        (folder.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _create(self, programs: Path) -> None:
        """Make a new data directory beside its place and move it there: half of one is never taken for one."""
        folder = self._folder
        half = folder.root / "data-new"
        if half.exists():
            shutil.rmtree(half)
        folder.own(half, 0o700)
        with self._open_log() as log:
            self._log_start = log.tell()
            options = [
                "--auth=peer",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]
            made = processes.start(
                [
                    programs / "initdb",
                    "--pgdata",
                    half,
                    "--username",
                    SUPERUSER,
                    "--no-instructions",
                    *options,
                ],
                folder.uid,
                folder.gid,
                log,
            )
            if made.wait(timeout=self._patience * 5) != 0:
                raise ServerUnavailable(f"The database could not be created{self._last_words()}")
        half.rename(folder.data)

    def _check_version(self) -> None:
        theirs = (self._folder.data / "PG_VERSION").read_text().strip()
        ours = software.version().partition(".")[0]
        if theirs != ours:
            raise ServerUnavailable(
                f"{self._folder.data} was written by PostgreSQL {theirs}, and this is {ours}: dump it with the "
                "version that wrote it and restore it into a new data directory, or use pg_upgrade."
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _wait_for_guests(self) -> None:
        alone = self._folder.lock("guests", fcntl.LOCK_EX)
        if alone is None:
            print("Waiting for other commands that use this database …", flush=True)
        while alone is None:
            time.sleep(0.1)
            alone = self._folder.lock("guests", fcntl.LOCK_EX)
        alone.close()

    def _open_log(self) -> IO[bytes]:
        log = self._folder.log
        if log.exists() and log.stat().st_size > 10_000_000:
            log.replace(log.with_suffix(".log.1"))
        return log.open("ab")

    def _last_words(self) -> str:
        """Return the end of the sentence that the log gives as the reason."""
        with self._folder.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        for mark, reason in _KNOWN.items():
            if any(mark in line for line in lines):
                return f": {reason} ({self._folder.log})."
        said = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line] or lines
        return f": {said[-1] if said else 'it said nothing'} ({self._folder.log})"


_KNOWN = {
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "the disk quota is used up",
    "Read-only file system": "the file system is read-only",
    "pre-existing shared memory block": "an earlier PostgreSQL on this data directory has not ended yet",
    "Cannot allocate memory": "there is too little memory",
}
