"""`serve` as an operator starts it: a process of its own, everything it says in a file."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.embedded import EmbeddedPostgres
from tests.api.clinic import Clinic
from tests.faults.installation import is_alive
from tests.scripts.waiting import until


class Served:
    """A running `serve` on a data folder, always on the same port; `environment` goes over our own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Start it, and return once it says that it answers."""
        before = self.said().count("Ctrl-C")
        command = [sys.executable, "-m", "scripts.serve", "--port", str(self._port), "--data-dir", str(self.folder)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command, env={**os.environ, **self._environment}, stdout=output, stderr=output
            )
        try:
            until(lambda: self.said().count("Ctrl-C") > before or not is_alive(self.process.pid), 100)
            assert is_alive(self.process.pid), self.said()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it in order."""
        self.process.terminate()
        self.process.wait(timeout=60)

    def said(self) -> str:
        """Return everything that it and its processes wrote."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    @property
    def demo(self) -> Any:
        """Return what `demo.json` tells."""
        return json.loads((self.folder / "demo.json").read_text())

    @property
    def clinic(self) -> Clinic:
        """Return the demo organization with its key."""
        return Clinic(self.demo["organization_id"], self.demo["api_key"])

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of its database, as owner."""
        with EmbeddedPostgres(self.folder, "the test") as server:
            yield server.url("ledger")


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Served]:
    """Yield a running `serve`; at the end it is stopped, in whatever state it is."""
    served = Served(folder, **environment)
    try:
        yield served
    finally:
        served.stop()
