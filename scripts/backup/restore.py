"""How does a backup become a ledger again? In one transaction, into a database that holds none, and then checked.

What the backup lacks is said: a checkpoint that was signed over more entries than came back, kept outside of the
database, proves that the ledger went back in time.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from domain.errors import LedgerError
from domain.signed_note import VerifierKey
from projections.checkpoint_folder import CheckpointFolder
from projections.migrations import known, migrate
from projections.verdict import Verdict
from scripts.backup import manifest as manifests
from scripts.backup import programs, whole
from scripts.backup.manifest import Manifest

LOCK = 0x1ED6E2_0009
"""Advisory lock key: one trial of a backup at a time."""


class LedgerNotEmpty(LedgerError):
    """There is a ledger in this database already; restore into another database or data directory."""


class NoScratchDatabase(LedgerError):
    """This user may not create a database to try the backup in; grant CREATEDB, or check it on another machine."""


class RolesMissing(LedgerError):
    """The backup needs roles that this user may not create; create them, without login, and restore again."""


@dataclass(frozen=True)
class Restored:
    """What came back. `differing`: tables whose rows are not those of the backup. `verdict`: what was found."""

    manifest: Manifest
    differing: list[str]
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Return whether the ledger is the one that was backed up, and whole, and nothing younger is known."""
        return self.verdict.passed and not self.differing


def restore(url: str, folder: Path, key: VerifierKey | None, checkpoints: CheckpointFolder) -> Restored:
    """Restore the backup in `folder` into an empty database, and check it; the database is the owner's.

    key, checkpoints: who signs, and what was signed by now; where no key is known here, the backup's is used.
    NoBackup, DamagedBackup, NewerBackup, LedgerNotEmpty, RolesMissing, ProgramFailed: nothing was changed.
    """
    manifest = manifests.read(folder)
    if set(manifest.migrations) - {migration.name for migration in known()}:
        raise manifests.NewerBackup
    dump = manifests.check_dump(folder, manifest)
    with psycopg.connect(url, autocommit=True) as owner:
        migrated = _is_migrated(owner)
        if migrated and not _is_empty(owner):
            raise LedgerNotEmpty
        _make_roles(owner, manifest.roles)
        version = owner.info.server_version
    replacing = ["--clean", "--if-exists"] if migrated else []
    programs.restore(url, dump, *replacing, server_version=version)
    differing = whole.differing(url, manifest.fingerprints)
    migrate(url)
    return Restored(manifest, differing, whole.check(url, key or public_key(folder), checkpoints))


def public_key(folder: Path) -> VerifierKey | None:
    """Return the key by which the checkpoints in a backup are checked."""
    path = folder / manifests.PUBLIC_KEY
    return VerifierKey.parse(path.read_text("utf-8").strip()) if path.exists() else None


def try_out(url: str, folder: Path) -> Restored:
    """Restore a backup into a scratch database on this server, check it by what it holds itself, and drop it.

    NoScratchDatabase, and as `restore`.
    """
    with _scratch(url) as scratch:
        return restore(scratch, folder, public_key(folder), CheckpointFolder(folder / manifests.CHECKPOINTS))


@contextmanager
def _scratch(url: str) -> Iterator[str]:
    """Yield a database for one trial; what a killed one left behind is dropped first."""
    with psycopg.connect(url, autocommit=True) as owner:
        name = f"ledger_scratch_{sha256(owner.info.dbname.encode()).hexdigest()[:12]}"
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
        owner.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            owner.execute(drop)
            owner.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(name)))
        except errors.InsufficientPrivilege:
            raise NoScratchDatabase from None
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            owner.execute(drop)


def _is_migrated(owner: psycopg.Connection) -> bool:
    row = owner.execute("SELECT to_regclass('public.ledger_head') IS NOT NULL").fetchone()
    return row == (True,)


def _is_empty(owner: psycopg.Connection) -> bool:
    row = owner.execute("SELECT position FROM ledger_head").fetchone()
    return row == (0,)


def _make_roles(owner: psycopg.Connection, roles: list[str]) -> None:
    """Make the roles that the dump grants to, where they are missing. RolesMissing."""
    there = {role for (role,) in owner.execute("SELECT rolname FROM pg_roles").fetchall()}
    try:
        for role in set(roles) - there:
            with suppress(errors.DuplicateObject, errors.UniqueViolation):  # somebody else was first
                owner.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(role)))
    except errors.InsufficientPrivilege:
        raise RolesMissing(roles=sorted(set(roles) - there)) from None
    for role in roles:
        with suppress(errors.InsufficientPrivilege, errors.InvalidGrantOperation):  # the roles are somebody else's
            owner.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(role)))
