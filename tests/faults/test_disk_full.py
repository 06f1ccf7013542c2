"""A full disk refuses records, tears nothing apart, and is forgotten once there is room again.

Under PostgreSQL lies a file system of its own, in memory, which is filled to the brim.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from scripts.embedded import ServerUnavailable
from tests.faults.installation import Installation
from tests.faults.senders import sending
from tests.faults.truth import check_acknowledged, check_ledger
from tests.scripts.waiting import until

SMALL = {"shared_buffers": "16MB", "min_wal_size": "32MB", "max_wal_size": "48MB", "wal_compression": "off"}
ROOM = 160_000_000


@pytest.fixture
def small_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the mount point of a file system of ROOM bytes, where temporary files lie too, as on many machines."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=755", "tmpfs", str(disk)]
    made = subprocess.run(mount, check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"cannot mount a file system of its own here: {made.stderr.strip()}")
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class Ballast:
    """A file that takes what room there is."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def fill(self) -> None:
        """Take everything, to the last block."""
        with self._path.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def drop(self) -> None:
        """Give the room back."""
        self._path.unlink()


def test_records_are_refused_while_the_tables_cannot_grow(small_disk: Path, seed: int):
    ballast = Ballast(small_disk)
    with Installation(small_disk, SMALL) as installation:
        clinic = installation.found_clinic()
        with sending(installation.base_url, clinic, seed=seed) as senders:
            senders.await_more(30)
            workers = installation.workers()
            ballast.fill()
            with suppress(httpx.HTTPError):
                httpx.get(f"{installation.base_url}/problems", timeout=5)  # counted for the first time
            until(lambda: senders.sent.tries["503"] > 20, 60)
            assert installation.answers()
            assert installation.workers() == workers
            ballast.drop()
            senders.await_more(60)
        senders.sent.tell("disk full")
        check_acknowledged(installation.url, senders.sent)
        check_ledger(installation.url)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_write_ahead_log_that_cannot_grow_stops_postgresql_and_loses_nothing(small_disk: Path, seed: int):
    """PostgreSQL panics, and may not even start again before there is room."""
    ballast = Ballast(small_disk)
    with Installation(small_disk, SMALL) as installation:
        clinic = installation.found_clinic()
        with sending(installation.base_url, clinic, seed=seed) as senders:
            senders.await_more(30)
            ballast.fill()
            with suppress(psycopg.OperationalError), psycopg.connect(installation.url) as owner:
                for _ in range(200):
                    owner.execute("SELECT pg_logical_emit_message(false, 'ballast', repeat('x', 1000000))")
            until(lambda: "PANIC" in installation.log.read_text(), 30)
            installation.stop_postgres()
            with suppress(ServerUnavailable):
                installation.start_postgres()
                print("it started on a full disk")
            installation.stop_postgres()
            ballast.drop()
            installation.start_postgres()
            senders.await_more(60)
        senders.sent.tell("write-ahead log full")
        check_acknowledged(installation.url, senders.sent)
        check_ledger(installation.url)
