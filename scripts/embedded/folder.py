"""What lies where in a data directory, and who is at work on it?

    DIR/postgres/               ours
        data/                   PostgreSQL's own, of the user it runs as
        software-VERSION/       a copy of its programs, only where the installed ones cannot be reached
        socket/                 where it listens
        postgresql.conf …       written at every start
        server.log              what it says
        owner                   locked by the process that started it, and naming it
        guests                  locked, shared, by the others that use it

Root may not run PostgreSQL, so below root it runs as `nobody`. That user must be able to walk to `data`: DIR
itself is opened for passing through (mode o+x) where root made it closed. No folder above it is touched; where one
of them is closed, the server finds `postgres` in another place, in a mount namespace of its own.
"""

import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from scripts.embedded.access import (
    ServerUnavailable,
    disk_errors,
    let_through,
    may_enter,
    name_of,
    server_user,
)

SHOWN = Path("/run/patient-ledger")
"""An empty folder in whose place a server finds data that it cannot walk to; servers do not share what they find."""

LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket."""

FULL_LOG = 10_000_000
"""Bytes after which a start begins a new log and keeps one old one."""


@dataclass(frozen=True)
class Folder:
    """The embedded server's part of one data directory, and the user the server runs as."""

    root: Path
    seen: Path  # where the server finds it
    user: str
    uid: int
    gid: int

    @classmethod
    def prepare(cls, directory: Path) -> Self:
        """Make what is missing of the data directory and return its server's part."""
        with disk_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            directory = directory.resolve()
            root = directory / "postgres"
            let_through(directory)
            root.mkdir(mode=0o711, exist_ok=True)
            owner = root.stat().st_uid
            if os.geteuid() not in (0, owner):
                raise ServerUnavailable(
                    f"{directory} belongs to the user {name_of(owner)}; run this as that user, "
                    "or with another --data-dir."
                )
            let_through(root)
            user = server_user(root / "data")
            seen = root
            if not may_enter(root, user.pw_uid, user.pw_gid):
                SHOWN.mkdir(mode=0o755, exist_ok=True)
                seen = SHOWN
            return cls(root, seen, user.pw_name, user.pw_uid, user.pw_gid)

    def inside(self, path: Path) -> Path:
        """Return where the server finds a path of ours."""
        return self.seen / path.relative_to(self.root) if path.is_relative_to(self.root) else path

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
        if len(os.fsencode(beside / ".s.PGSQL.5432")) <= LONGEST_SOCKET:
            return beside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path("/tmp", f"patient-ledger-{self.uid}-{digest}")  # noqa: S108 - its owner is checked

    def postmaster(self) -> int | None:
        """Return the PID that the server's PID file names; it may be stale."""
        try:
            return int((self.data / "postmaster.pid").read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def holder(self) -> str:
        """Return what the process that holds the data directory wrote about itself: `serve, process 123`."""
        try:
            return (self.root / "owner").read_text().strip() or "another program"
        except FileNotFoundError:
            return "another program"

    def lock(self, name: str, how: int) -> IO[str] | None:
        """Return an open, locked file; None when somebody else has it. The lock ends with the process."""
        descriptor = os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+")
        self._keep_owner(descriptor)
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def open_log(self) -> IO[bytes]:
        """Return the log, open at its end."""
        if self.log.exists() and self.log.stat().st_size > FULL_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        file = self.log.open("ab")
        self._keep_owner(file.fileno())
        return file

    def give(self, path: Path) -> None:
        """Make a folder for the server's user alone; one that is there must be that already."""
        try:
            path.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(path, self.uid, self.gid)
        except FileExistsError:
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.uid or status.st_mode & 0o077:
                raise ServerUnavailable(f"{path} is not what we made; remove it.") from None

    def _keep_owner(self, descriptor: int) -> None:
        """As root in another user's data directory, leave files that this user can go on with."""
        if os.geteuid() == 0:
            owner = self.root.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
