"""How does a data directory come to life: made, cleared of what a killed program left, started?"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.embedded import configuration, launch, processes, software
from scripts.embedded.access import ServerUnavailable
from scripts.embedded.folder import Folder

SUPERUSER = "postgres"

CREATION = 300
"""Seconds that the creation of a new data directory may take; 0.4 is usual."""

_INITDB = [
    "--auth=peer",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    f"--username={SUPERUSER}",
]


def start(folder: Folder, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server on a data directory whose lock we hold, making the data first where there is none.

    It does not answer yet: see `await_answer`.
    """
    _clear_leftovers(folder)
    programs = folder.inside(software.programs(folder.root, folder.uid, folder.gid))
    if not folder.data.exists():
        _create(folder, programs)
    _check_version(folder)
    folder.give(folder.sockets)
    users = {pwd.getpwuid(os.geteuid()).pw_name, "root"}
    configuration.write(folder, users, settings)
    return _run(folder, [programs / "postgres", "-c", f"config_file={folder.seen / 'postgresql.conf'}"])


def await_answer(folder: Folder, process: subprocess.Popen[bytes], answers: Callable[[], bool]) -> None:
    """Return once the server answers; it may have to repair its files first, for as long as that takes."""
    began = told = time.monotonic()
    while not answers():
        if process.poll() is not None:
            raise ServerUnavailable(f"PostgreSQL did not start{last_words(folder)}")
        if time.monotonic() - told > 5:
            told = time.monotonic()
            print(f"PostgreSQL is repairing its files after a crash, {told - began:.0f} s …", flush=True)
        time.sleep(0.02)


def last_words(folder: Folder) -> str:
    """Return the end of a sentence: the reason that the log gives for the last failure."""
    with folder.log.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
        lines = log.read().decode("utf-8", "replace").splitlines()
    last_run = lines[_last_heading(lines) :]
    said = [line for line in last_run if any(level in line for level in ("FATAL:", "PANIC:", "error:"))]
    return f": {reason(said) or 'it did not say why'}. More in {folder.log}"


def reason(said: list[str]) -> str:
    """Return what the server's words come down to: a known reason, or the last of them."""
    for mark, meaning in _KNOWN.items():
        if any(mark in line for line in said):
            return meaning
    return said[-1] if said else ""


_HEADING = "-- starting "

_KNOWN = {
    launch.UNSEEN: (
        "root may not run it, and its user cannot enter a folder above the data; "
        "give a --data-dir elsewhere, for example /var/lib/patient-ledger"
    ),
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "the disk quota is used up",
    "Read-only file system": "the file system is read-only",
    "pre-existing shared memory block": "an earlier PostgreSQL on this data directory has not ended yet",
    "Cannot allocate memory": "there is too little memory",
}


def _last_heading(lines: list[str]) -> int:
    headings = [number for number, line in enumerate(lines) if line.startswith(_HEADING)]
    return headings[-1] if headings else 0


def _run(folder: Folder, command: list[str | Path]) -> subprocess.Popen[bytes]:
    with folder.open_log() as log:
        log.write(f"{_HEADING}{Path(command[0]).name}\n".encode())
        log.flush()
        return processes.start(folder, command, log)


def _clear_leftovers(folder: Folder) -> None:
    """End what a killed program left behind, and remove files that name processes of another time.

    Holding the lock, we know that nobody who lives wants them.
    """
    if not processes.end(folder.data, folder.postmaster()):
        raise ServerUnavailable(f"An earlier PostgreSQL on {folder.data} does not end; end it yourself.")
    (folder.data / "postmaster.pid").unlink(missing_ok=True)
    (folder.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _create(folder: Folder, programs: Path) -> None:
    """Make new data beside its place and move it there: half of it is never taken for the whole."""
    half = folder.root / "data-new"
    if half.exists():
        shutil.rmtree(half)
    folder.give(half)
    made = _run(folder, [programs / "initdb", "--pgdata", folder.inside(half), *_INITDB])
    if made.wait(timeout=CREATION) != 0:
        raise ServerUnavailable(f"The database could not be created{last_words(folder)}")
    half.rename(folder.data)


def _check_version(folder: Folder) -> None:
    try:
        theirs = (folder.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise ServerUnavailable(
            f"{folder.data} holds no database: restore it from a backup, or remove it to begin anew."
        ) from None
    ours = software.version().partition(".")[0]
    if theirs != ours:
        raise ServerUnavailable(
            f"{folder.data} was written by PostgreSQL {theirs}, and this is {ours}: dump it with the version "
            "that wrote it and restore it into a new data directory, or use pg_upgrade."
        )
