"""Which PostgreSQL processes work on a data directory, and how are they started and ended?

A PID in a file proves nothing: it may be dead, or another program's by now. A working directory does.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from scripts.embedded import launch
from scripts.embedded.folder import Folder


def start(folder: Folder, command: list[str | Path], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program as the server's user, in a session of its own so that Ctrl-C does not reach it.

    It is asked to shut down fast (SIGINT) when the calling thread ends, however that happens: call this from
    the main thread. What it writes goes to `output`.
    """
    who = [os.getpid(), int(signal.SIGINT), folder.uid, folder.gid]
    prefix = [sys.executable, "-I", "-S", launch.__file__, *who, folder.root, folder.seen]
    return subprocess.Popen(
        [str(word) for word in [*prefix, *command]],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        start_new_session=True,
    )


def working_in(data: Path) -> set[int]:
    """Return the PIDs of the PostgreSQL processes whose working directory this is.

    Sees the processes that the caller may look at: all of them as root, else those of the same user, and no
    other user's can be at work in a directory of ours.
    """
    try:
        place = data.stat()
    except FileNotFoundError:
        return set()
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if not os.path.samestat(Path(f"/proc/{entry.name}/cwd").stat(), place):
                continue
            if Path(f"/proc/{entry.name}/comm").read_text().strip() == "postgres":
                found.add(int(entry.name))
        except OSError:  # another user's, or gone by now
            continue
    return found


def send(pids: set[int], number: signal.Signals) -> None:
    """Send a signal to those that still live."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(data: Path, postmaster: int | None, patience: float = 20) -> bool:
    """End everything that works on `data`; return whether nothing is left.

    A fast shutdown first; after `patience` seconds an immediate one, which costs a recovery at the next start but
    no data (PostgreSQL 18 may forget a fast shutdown that comes while it starts over after a crash). `postmaster`
    is the PID its PID file names, if any.
    """
    steps = [
        (patience, signal.SIGINT, signal.SIGTERM),
        (10.0, signal.SIGQUIT, signal.SIGQUIT),
        (5.0, signal.SIGKILL, signal.SIGKILL),
    ]
    for seconds, to_postmaster, to_orphans in steps:
        alive = working_in(data)
        if postmaster in alive:
            send({postmaster}, to_postmaster)
        else:
            send(alive, to_orphans)
        deadline = time.monotonic() + seconds
        while working_in(data):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return True
    return False
