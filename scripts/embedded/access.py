"""May the server's user reach the data, and what does a refusal of the file system mean?"""

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import LedgerUnavailable


class ServerUnavailable(LedgerUnavailable):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.args = (sentence,)


def server_user(data: Path) -> pwd.struct_passwd:
    """Return the user to run PostgreSQL as: ourselves; for root the owner of the data, or `nobody`."""
    uid = os.geteuid()
    try:
        if uid:
            return pwd.getpwuid(uid)
        if data.exists() and data.stat().st_uid:
            return pwd.getpwuid(data.stat().st_uid)
        return pwd.getpwnam("nobody")
    except KeyError:
        who = f"user id {uid} has no name" if uid else "there is no user `nobody`"
        raise ServerUnavailable(
            f"PostgreSQL needs a named user to run as, but {who} on this system; add one to /etc/passwd."
        ) from None


def let_through(folder: Path) -> None:
    """As root, let other users pass through a folder of ours, without seeing what is in it."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.geteuid() == 0 and not mode & stat.S_IXOTH:
        folder.chmod(mode | stat.S_IXOTH)


def may_enter(folder: Path, uid: int, gid: int) -> bool:
    """Return whether this user can walk to a folder (given without symbolic links)."""
    return all(allows(step, uid, gid, os.X_OK) for step in [folder, *folder.parents])


def allows(path: Path, uid: int, gid: int, bit: int) -> bool:
    """Return whether the mode of `path` gives this user read (4), write (2) or execute and enter (1)."""
    if uid == os.geteuid():
        return os.access(path, bit)
    status = path.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return bool(status.st_mode >> shift & bit)


def name_of(uid: int) -> str:
    """Return the user's name, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOTDIR: "it is, or lies below, a file",
    errno.EEXIST: "it is, or lies below, a file",
}


@contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence about the data directory."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror)
        raise ServerUnavailable(f"The data directory {directory} cannot be used: {reason}.") from error
