"""Where do the workers keep what they share while they run? In a folder that is swept once none of them lives.

Its file `alive` is locked by whoever made it, and by each process that inherits the descriptor: the lock ends with the
last of them, however they end.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are made by mkdtemp
"""Where the folder lies if it can: a worker that counts in a mapped file is killed by a full disk below it."""

PREFIX = "ledger-run-"

ALIVE = "alive"


def make_run_folder() -> tuple[Path, int]:
    """Return a new folder, and the descriptor of its lock, to be inherited and in the end closed."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-new-", dir=_place()))
    descriptor = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return folder.rename(folder.with_name(PREFIX + folder.name.removeprefix("ledger-new-"))), descriptor


def sweep_run_folders() -> None:
    """Remove the run folders of this user whose processes were all killed."""
    for folder in _place().glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile, or not ours
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _place() -> Path:
    return MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
