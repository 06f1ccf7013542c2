"""What lies where in a data directory, who owns it, and who is at work on it?

    DIR/postgres/               ours
        data/                   PostgreSQL's own, of the user it runs as
        software-VERSION/       a copy of its programs, only where the installed ones cannot be reached
        socket/                 where it listens
        postgresql.conf …       written at every start
        server.log              what it says
        owner                   locked by the process that started it, and naming it
        guests                  locked, shared, by the others that use it

Root may not run PostgreSQL, so below root it runs as `nobody`. That user must be able to walk to `data`: DIR
itself is opened for passing through (mode o+x) where root made it closed; no folder above it is touched.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from domain.errors import LedgerUnavailable

LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket."""


class ServerUnavailable(LedgerUnavailable):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.args = (sentence,)


@dataclass(frozen=True)
class Folder:
    """The embedded server's part of one data directory."""

    root: Path
    user: str
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / "server.log"

    @property
    def sockets(self) -> Path:
        """Where the server listens: beside the data or, where that path is too long, below /tmp."""
        beside = self.root / "socket"
        if len(os.fsencode(beside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET:
            return beside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path("/tmp", f"patient-ledger-{self.uid}-{digest}")  # noqa: S108 - its owner is checked

    def postmaster(self) -> int | None:
        """Return the PID that the server's PID file names; it may be stale."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def holder(self) -> str:
        """Return what the process that holds the data directory wrote about itself: `serve, process 123`."""
        try:
            return (self.root / "owner").read_text().strip() or "another program"
        except OSError:
            return "another program"

    def lock(self, name: str, how: int) -> IO[str] | None:
        """Return an open, locked file; None when somebody else has it. The lock ends with the process."""
        path = self.root / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def own(self, path: Path, mode: int) -> None:
        """Make a folder that belongs to the server's user, and to nobody else's mischief."""
        try:
            path.mkdir(mode=mode)
            path.chmod(mode)
            if os.geteuid() == 0:
                os.chown(path, self.uid, self.gid)
        except FileExistsError:
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.uid:
                raise ServerUnavailable(f"{path} belongs to somebody else; remove it.") from None


def prepare(directory: Path) -> Folder:
    """Make what is missing of the data directory and return its server's part."""
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        directory = directory.resolve()
        root = directory / "postgres"
        if os.geteuid() == 0:
            _let_through(directory)
        elif root.exists() and root.stat().st_uid != os.geteuid():
            raise ServerUnavailable(
                f"{directory} belongs to the user {_name(root.stat().st_uid)}; run this as that user, "
                "or with another --data-dir."
            )
        root.mkdir(mode=0o711, exist_ok=True)
        _let_through(root)
        user = _server_user(root / "data")
        _check_way(root, user)
        return Folder(root, user.pw_name, user.pw_uid, user.pw_gid)


def _server_user(data: Path) -> pwd.struct_passwd:
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


def _let_through(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.geteuid() == 0 and not mode & stat.S_IXOTH:
        path.chmod(mode | stat.S_IXOTH)


def _check_way(root: Path, user: pwd.struct_passwd) -> None:
    for folder in reversed(root.parents):
        if user.pw_uid != os.geteuid() and not allows(folder, user.pw_uid, user.pw_gid, os.X_OK):
            raise ServerUnavailable(
                f"PostgreSQL may not run as root and runs as {user.pw_name}, who cannot enter {folder}; "
                "give a --data-dir elsewhere, for example /var/lib/patient-ledger."
            )


def allows(path: Path, uid: int, gid: int, bit: int) -> bool:
    """Return whether the mode of `path` gives this user read (4), write (2) or execute and enter (1)."""
    if uid == os.geteuid():
        return os.access(path, bit)
    status = path.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return bool(status.st_mode >> shift & bit)


def _name(uid: int) -> str:
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
