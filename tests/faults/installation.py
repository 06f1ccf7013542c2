"""A whole installation on this machine: PostgreSQL that flushes to disk, and the service with its worker processes.

Every part is a process of our own, can be killed by its PID, and is started again at the same address.
"""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from api.bootstrap import build_ledger
from api.settings import Settings
from projections.migrations import migrate
from scripts.embedded import EmbeddedPostgres
from scripts.workers import Workers, WorkersEnded, base_url
from tests.api.clinic import Clinic, found_clinic
from tests.scripts.waiting import until


class Installation:
    """PostgreSQL in `folder`, and the service on a port of its own; `settings` are the service's."""

    def __init__(self, folder: Path, postgres: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.folder = folder
        self._configuration = postgres
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._settings = settings
        self._postgres: EmbeddedPostgres | None = None
        self._workers: Workers | None = None
        self.service_database: str | None = None
        """Another way to the database for the service, if not `url`."""

    def __enter__(self) -> Self:
        self.start_postgres()
        migrate(self.url)
        self.start_service()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_service()
        self.stop_postgres()

    # ---- PostgreSQL

    @property
    def url(self) -> str:
        """Return the URL of the database, as its owner."""
        assert self._postgres is not None
        return self._postgres.url("ledger")

    @property
    def log(self) -> Path:
        """Return what PostgreSQL says."""
        return self.folder / "postgres" / "server.log"

    def start_postgres(self) -> None:
        """Start PostgreSQL, where it does not run."""
        if self._postgres is None:
            postgres = EmbeddedPostgres(self.folder, "tests", alone=True, settings=self._configuration)
            self._postgres = postgres.__enter__()
            self._postgres.database("ledger")

    def stop_postgres(self) -> None:
        """Stop it in order."""
        if self._postgres is not None:
            self._postgres.stop()
            self._postgres = None

    def postmaster(self) -> int:
        """Return the PID of PostgreSQL's first process."""
        return int((self.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])

    def backends(self) -> list[int]:
        """Return the PIDs of the PostgreSQL processes that work for the service."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'patient-ledger' ORDER BY pid"
        with psycopg.connect(self.url) as connection:
            return [row[0] for row in connection.execute(query)]

    def takes_connections(self) -> bool:
        """Return whether PostgreSQL lets us in."""
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=5).close()
            return True
        return False

    # ---- the service

    @property
    def base_url(self) -> str:
        """Return the URL of the service."""
        return base_url(self._chosen)

    @property
    def _chosen(self) -> Settings:
        return Settings.model_validate(
            {"workers": 2, "requests_per_second": 100_000, **self._settings, "port": self.port}
        )

    def start_service(self) -> None:
        """Start granian and its workers, where they do not run; returns once they answer."""
        if self._workers is not None:
            try:
                self._workers.check(1)  # a killed one may have threads for a moment
            except WorkersEnded:
                self.stop_service()
        if self._workers is None:
            workers = Workers(self._chosen, self.service_database or self.url)
            self._workers = workers.__enter__()

    def stop_service(self) -> None:
        """Stop it in order."""
        if self._workers is not None:
            self._workers.stop()
            self._workers = None

    def granian(self) -> int:
        """Return the PID of granian, the workers' parent."""
        assert self._workers is not None
        return self._workers._process.pid

    def workers(self) -> list[int]:
        """Return the PIDs of the processes that answer requests, in their order."""
        granian = self.granian()
        with suppress(OSError):
            children = map(int, Path(f"/proc/{granian}/task/{granian}/children").read_text().split())
            return sorted(pid for pid in children if is_alive(pid) and "scripts.workers" in command_line(pid))
        return []

    def answers(self) -> bool:
        """Return whether the service answers at all."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.base_url}/livez", timeout=5).is_success
        return False

    def found_clinic(self) -> Clinic:
        """Make an organization with reference data and a key."""
        with build_ledger(self.url) as ledger:
            return found_clinic(ledger)


def kill(*pids: int) -> None:
    """Kill processes, at once and without a word."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@contextmanager
def installed(**settings: Any) -> Iterator[Installation]:
    """Yield an installation in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-faults-"))
    try:
        with Installation(folder, **settings) as installation:
            yield installation
    finally:
        shutil.rmtree(folder)
